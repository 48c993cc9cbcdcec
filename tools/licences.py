"""Licences of what the image contains: python -m tools.licences [--texts FOLDER]

Prints a table of the packages of deploy/requirements.txt and of the libraries in their wheels. Fails where a licence is
not in `ALLOWED`. With `--texts`, the packages' licence files are copied to FOLDER, one folder for each package.
docs/licences.md explains what the licences ask for. The packages must be installed in the environment that runs this.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.bundled import LIBRARIES, Library, bundled
from tools.locks import SERVING, read_lock

# Each licence that a package or a library may have, and why.
ALLOWED = {
    "0BSD": "permissive, without conditions",
    "Apache-2.0": "permissive; keep LICENSE and NOTICE",
    "BSD-2-Clause": "permissive; keep the notice",
    "BSD-3-Clause": "permissive; keep the notice",
    "BSD-3-Clause-Clear": "permissive, grants no patents; keep the notice",
    "CC0-1.0": "public domain",
    "GPL-2.0-or-later": "x264 and x265 in PyAV's wheel only: encoders that serving never calls (docs/licences.md)",
    "GPL-3.0-or-later WITH GCC-exception-3.1": "GCC's runtime; the exception allows any licence of the program",
    "ISC": "permissive; keep the notice",
    "LGPL-2.0-or-later": "a shared library that can be replaced; ship its text and offer its source",
    "LGPL-2.1-or-later": "a shared library that can be replaced; ship its text and offer its source",
    "LGPL-3.0-or-later": "a shared library that can be replaced; ship its text and offer its source",
    "LGPL-3.0-or-later OR GPL-2.0-or-later": "taken as LGPL-3.0-or-later",
    "MIT": "permissive; keep the notice",
    "MIT-0": "permissive, without conditions",
    "MIT-open-group": "permissive; keep the notice",
    "MPL-2.0": "copyleft for its own files, which are not changed; tell where the source is",
    "OpenSSL": "permissive, but asks for an acknowledgement, and does not go with the GPL (docs/licences.md)",
    "PSF-2.0": "permissive; keep the notice",
    "Zlib": "permissive",
    "libpng-2.0": "permissive",
}
# Packages must not be under these; the libraries inside of wheels may.
ONLY_BUNDLED = ("GPL-2.0-or-later", "LGPL-2.0-or-later", "LGPL-2.1-or-later", "LGPL-3.0-or-later", "OpenSSL")
# What metadata that predates SPDX expressions says, by its SPDX name.
SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "ISC License": "ISC",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Python Software Foundation License": "PSF-2.0",
}

_FILES = re.compile(r"(licen[cs]e|copying|notice|authors)", re.IGNORECASE)


class UnknownLicence(Exception):
    """A package has no licence, or one that is not allowed."""


@dataclass(frozen=True, slots=True)
class Licensed:
    """A package and its licence as an SPDX expression."""

    name: str
    version: str
    licence: str


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.licences", description="Licences of the image.")
    parser.add_argument("--texts", type=Path, metavar="FOLDER", help="copy the licence files to this folder")
    folder = parser.parse_args().texts
    try:
        packages = list(licensed(read_lock(SERVING)))
        libraries = list(_libraries(packages))
    except (UnknownLicence, ValueError) as error:
        sys.exit(str(error))
    for package in packages:
        print(f"{package.name:<26} {package.version:<14} {package.licence}")
    print("\nlibraries in the wheels:")
    for library in libraries:
        print(
            f"{library.folder.removesuffix('.libs'):<26} {library.name + ' ' + library.version:<26} {library.licence}"
        )
    if folder is not None:
        print(f"\n{copy_texts(packages, folder)} licence files in {folder}")


def licensed(names: Iterable[str]) -> Iterator[Licensed]:
    """The licences of installed packages. Those of another system or Python version are left out.

    Raises:
        UnknownLicence: one has no licence, or one that a package may not have.
    """
    for name in names:
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        licence = licence_of(distribution)
        check_allowed(name, licence)
        yield Licensed(name, distribution.version, licence)


def licence_of(distribution: importlib.metadata.Distribution) -> str:
    """The licence as an SPDX expression: what the package says, else what its classifiers say. "" without either."""
    metadata = distribution.metadata
    if "License-Expression" in metadata:
        return metadata["License-Expression"]
    # Some packages have their licence's whole text there.
    said = metadata["License"].strip() if "License" in metadata else ""
    if said and "\n" not in said and said != "UNKNOWN":
        return SPDX.get(said, said)
    prefix = "License :: OSI Approved :: "
    classifiers = [
        str(each).removeprefix(prefix)
        for each in metadata.get_all("Classifier") or ()
        if str(each).startswith(prefix)
    ]
    return " AND ".join(SPDX.get(each, each) for each in classifiers)


def check_allowed(name: str, licence: str) -> None:
    """Raises UnknownLicence where a package may not have this licence."""
    parts = [part.strip("() ") for part in re.split(r" (?:AND|OR) ", licence)]
    for part in parts:
        if part not in ALLOWED or part in ONLY_BUNDLED:
            raise UnknownLicence(
                f"{name}: expected a licence of ALLOWED in tools/licences.py for a package, got {licence!r}"
            )


def copy_texts(packages: Iterable[Licensed], folder: Path) -> int:
    """Copies the licence files of packages. Returns how many."""
    count = 0
    for package in packages:
        distribution = importlib.metadata.distribution(package.name)
        for file in distribution.files or ():
            if file.suffix in {".py", ".pyc"} or not _FILES.search(file.name):
                continue
            if not any(part.endswith(".dist-info") for part in file.parts):
                continue
            inner = file.parts[1:]
            out = folder.joinpath(f"{package.name}-{package.version}", *inner)
            out.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(Path(str(distribution.locate_file(file))), out)
            count += 1
    return count


def _libraries(packages: Iterable[Licensed]) -> Iterator[Library]:
    """The libraries that the wheels of the packages bring, each once, in the order of the table."""
    found: set[Library] = set()
    for package in packages:
        place = Path(str(importlib.metadata.distribution(package.name).locate_file("")))
        found.update(file.library for file in bundled(place, package.name))
    return (library for library in LIBRARIES if library in found)


if __name__ == "__main__":
    main()
