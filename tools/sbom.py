"""Writes the bill of materials of an environment that serves: python -m tools.sbom PYTHON FOLDER

cyclonedx-py lists the packages. This adds what it does not see: the files of the model, and the libraries that wheels
bring in binary form, as far as the wheels describe them (PEP 770) or `tools.bundled` does. The result is
FOLDER/gifcue-VERSION.cdx.json, CycloneDX 1.6. It holds no date and no path of this machine, so that equal environments
give equal files.

`make sbom` runs this for the environment of the image, and fails where that differs from deploy/requirements.txt. The
file is made at a release and published with the wheel. It is not committed, because it follows from what is.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tools.bundled import bundled
from tools.locks import SERVING, canonical, read_lock

ROOT = Path(__file__).parents[1]
MODELS = ROOT / "models"
# The files of the model that a wheel holds.
MODEL_FILES = ("*.int8.tflite", "label_map.pbtxt", "metadata.json")
WEIGHTS_LICENCE = "Apache-2.0"

Component = dict[str, Any]


def main() -> None:
    python, folder = Path(sys.argv[1]), Path(sys.argv[2])
    locked = {name: each.version for name, each in read_lock(SERVING).items()}
    document = sbom(python, locked)
    installed = {canonical(component["name"]): component["version"] for component in document["components"]}
    # A marker may leave a package of the lock out, on a newer Python. Nothing may come in.
    strangers = sorted(set(packages_of(python)) - locked.keys() - {"gifcue"})
    differing = sorted(name for name, version in installed.items() if locked[name] != version)
    if strangers or differing:
        sys.exit(f"expected the packages of {SERVING.name}, got {', '.join(strangers + differing)} besides")
    text = json.dumps(document, indent=2, sort_keys=True) + "\n"
    check(text)
    out = folder / f"gifcue-{document['metadata']['component']['version']}.cdx.json"
    out.write_text(text, encoding="utf-8")
    parts = sum(len(component.get("components", ())) for component in document["components"])
    print(f"{out}: {len(document['components'])} components, {parts} parts of them; valid CycloneDX 1.6")


def sbom(python: Path, names: Collection[str]) -> dict[str, Any]:
    """The bill of materials of those packages of an interpreter's environment that `names` lists, in canonical form.

    Raises:
        subprocess.CalledProcessError: the environment cannot be read.
        ValueError: a wheel brings a file that `tools.bundled` lacks.
    """
    command = [
        sys.executable, "-m", "cyclonedx_py", "environment", str(python), "--pyproject", str(ROOT / "pyproject.toml"),
        "--spec-version", "1.6", "--output-format", "JSON", "--output-reproducible",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    document: dict[str, Any] = json.loads(done.stdout)
    packages = site_packages(python)
    # gifcue itself is the subject of the document.
    root = document["metadata"]["component"]
    listed = [component for component in document["components"] if canonical(component["name"]) in names]
    for component in listed:
        parts = [*_bundled(packages, component["name"]), *_declared(packages, component)]
        if parts:
            component["components"] = parts
    root["components"] = [model()]
    document["components"] = listed
    document["dependencies"] = _dependencies(document, root["bom-ref"])
    return document


def site_packages(python: Path) -> Path:
    """Where an interpreter's packages lie."""
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


def packages_of(python: Path) -> list[str]:
    """The canonical names of everything that is installed."""
    code = (
        "import importlib.metadata as m; print(*{d.metadata['Name'] for d in m.distributions()}, sep='\\n')"
    )
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return [canonical(name) for name in done.stdout.split()]


def model(folder: Path = MODELS) -> Component:
    """The served model with a component for each of its files."""
    metadata = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
    files = sorted(path for pattern in MODEL_FILES for path in folder.glob(pattern))
    return {
        "type": "machine-learning-model",
        "bom-ref": f"model:{metadata['name']}",
        "name": f"{metadata['name']}-detector",
        "version": metadata["version"],
        "description": "Finds faces and hands and what they show; models/README.md is its model card.",
        "licenses": [{"license": {"id": WEIGHTS_LICENCE}}],
        "components": [
            {
                "type": "file",
                "bom-ref": f"model:{metadata['name']}/{path.name}",
                "name": path.name,
                "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}],
            }
            for path in files
        ],
    }


def check(text: str) -> None:
    """Raises ValueError where the text is no valid CycloneDX 1.6."""
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if error is not None:
        raise ValueError(f"expected valid CycloneDX 1.6, got {error}")


def _bundled(packages: Path, wheel: str) -> Iterator[Component]:
    for file in bundled(packages, wheel):
        library = file.library
        component: Component = {
            "type": "library",
            "bom-ref": f"bundled:{library.folder}/{file.path.name}",
            "name": library.name,
            "description": f"{file.path.name}, which the wheel of {wheel} brings",
            "hashes": [{"alg": "SHA-256", "content": file.sha256()}],
            "licenses": [{"expression": library.licence}],
        }
        if library.version:
            component["version"] = library.version
        yield component


def _declared(packages: Path, wheel: Component) -> Iterator[Component]:
    """What the wheel's own bills of materials list, each name and version once."""
    seen: set[str] = set()
    own = canonical(wheel["name"])
    for info in packages.glob("*.dist-info"):
        if canonical(info.name.partition("-")[0]) != own:
            continue
        for path in sorted(info.glob("sboms/*.json")):
            for part in json.loads(path.read_text(encoding="utf-8")).get("components", ()):
                # Only these keys: a wheel's document may follow another version of CycloneDX, and name paths.
                kept = {key: part[key] for key in ("name", "version", "purl") if part.get(key)}
                if "purl" in kept:
                    kept["purl"] = kept["purl"].partition("?")[0]
                reference = f"declared:{wheel['name']}/{kept['name']}@{kept.get('version', '')}"
                if canonical(kept["name"]) != own and reference not in seen:
                    seen.add(reference)
                    yield {"type": "library", "bom-ref": reference, **kept}


def _dependencies(document: dict[str, Any], root: str) -> list[dict[str, Any]]:
    """The graph, without gifcue as a package of its own environment."""
    known = {root, *(component["bom-ref"] for component in document["components"])}
    return [
        {**each, "dependsOn": [ref for ref in each.get("dependsOn", ()) if ref in known]}
        for each in document["dependencies"]
        if each["ref"] in known
    ]


if __name__ == "__main__":
    main()
