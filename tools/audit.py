"""Looks for known vulnerabilities of the locked packages.

    python -m tools.audit [--advisories FILE] [--strict] [LOCK ...]

    without --advisories   pip-audit, from build/tools, asks PyPI
    with --advisories      FILE is OSV's archive of advisories for PyPI, all.zip, and no network is needed

Exit code 1: a vulnerability was found. Exit code 0: none was found, or packages could not be audited, which the output
then says; with `--strict` that is exit code 2. pip-audit alone reports success where the service knows no package.

Libraries inside of wheels, such as FFmpeg, are in no advisory for PyPI. docs/supply-chain.md says how to follow them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from tools.locks import BUILD, ROOT, SERVING, SERVING_EXTRAS, SERVING_GPU, TOOLS, canonical, read_lock

PIP_AUDIT = ROOT / "build" / "tools" / "bin" / "pip-audit"
TIMEOUT_S = 300.0
# One advisory of OSV is a few kilobytes.
MAX_ADVISORY_BYTES = 4 << 20


class NotAudited(Exception):
    """The advisories cannot be read, or do not cover the packages."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A known vulnerability of a locked package. `fixed` lists versions without it."""

    name: str
    version: str
    advisory: str
    fixed: tuple[str, ...]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tools.audit", description="Known vulnerabilities of locked packages."
    )
    parser.add_argument(
        "locks",
        nargs="*",
        type=Path,
        default=[SERVING, SERVING_GPU, *SERVING_EXTRAS.values(), BUILD, TOOLS],
        metavar="LOCK",
    )
    parser.add_argument("--advisories", type=Path, metavar="FILE", help="OSV's all.zip for PyPI")
    parser.add_argument(
        "--strict", action="store_true", help="exit with 2 where packages could not be audited"
    )
    options = parser.parse_args()
    locked = {
        (name, each.version): path.name for path in options.locks for name, each in read_lock(path).items()
    }
    findings: list[Finding] = []
    gaps: list[NotAudited] = []
    steps: list[Callable[[], Iterable[Finding]]]
    if options.advisories is not None:
        steps = [lambda: list(search(locked, read_advisories(options.advisories)))]
    else:
        steps = [partial(ask, path) for path in options.locks]
    for step in steps:
        try:
            findings += step()
        except NotAudited as error:
            gaps.append(error)
    for finding in sorted(set(findings), key=lambda each: (each.name, each.advisory)):
        where = locked[finding.name, finding.version]
        fixed = f", fixed in {', '.join(finding.fixed)}" if finding.fixed else ", not fixed"
        print(f"{finding.name} {finding.version} ({where}): {finding.advisory}{fixed}")
    for gap in gaps:
        print(f"NOT AUDITED: {gap}")
    if gaps:
        print('Without a network: make audit AUDIT="--advisories all.zip" (docs/supply-chain.md)')
    elif not findings:
        print(f"{len(locked)} locked packages: no known vulnerability")
    sys.exit(1 if findings else 2 if gaps and options.strict else 0)


def ask(lock: Path, command: Sequence[str | Path] = (PIP_AUDIT,)) -> list[Finding]:
    """What pip-audit finds out about the packages of a lock.

    Raises:
        NotAudited: pip-audit got no answer, or not one about every package.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "report.json"
        arguments = ["--requirement", str(lock), "--require-hashes", "--disable-pip", "--progress-spinner", "off",
                     "--format", "json", "--output", str(out)]  # fmt: skip
        try:
            done = subprocess.run(
                [*command, *arguments], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NotAudited(f"{lock.name}: pip-audit: {error}") from error
        if not out.exists():
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise NotAudited(f"{lock.name}: pip-audit got no answer of the advisory service: {last}")
        report: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    findings = [
        Finding(
            canonical(package["name"]),
            package["version"],
            each["id"],
            tuple(each.get("fix_versions", ())),
        )
        for package in report["dependencies"]
        for each in package.get("vulns", ())
    ]
    skipped = [package["name"] for package in report["dependencies"] if "skip_reason" in package]
    if skipped and not findings:
        raise NotAudited(
            f"{lock.name}: the advisory service has no answer for {len(skipped)} of {len(report['dependencies'])} "
            f"packages, {skipped[0]} the first"
        )
    return findings


def read_advisories(path: Path) -> Iterator[dict[str, Any]]:
    """The advisories of OSV's archive: a zip file with one JSON document for each.

    Raises:
        NotAudited: the file cannot be read, or is no such archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [info for info in archive.infolist() if info.filename.endswith(".json")]
            if not names:
                raise NotAudited(f"{path}: expected advisories in JSON, got none")
            for info in names:
                if info.file_size > MAX_ADVISORY_BYTES:
                    raise NotAudited(f"{path}: {info.filename}: expected at most {MAX_ADVISORY_BYTES} bytes")
                yield json.loads(archive.read(info))
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise NotAudited(f"{path}: expected OSV's archive of advisories, got {error}") from error


def search(locked: Iterable[tuple[str, str]], advisories: Iterable[Mapping[str, Any]]) -> Iterator[Finding]:
    """The advisories that name a locked version of a package. Withdrawn ones do not count."""
    versions: dict[str, set[str]] = {}
    for name, version in locked:
        versions.setdefault(name, set()).add(version)
    for advisory in advisories:
        if "withdrawn" in advisory:
            continue
        for affected in advisory.get("affected", ()):
            package = affected.get("package", {})
            if package.get("ecosystem") != "PyPI":
                continue
            name = canonical(package["name"])
            for version in versions.get(name, ()):
                if is_affected(version, affected):
                    yield Finding(name, version, advisory["id"], tuple(_fixed(affected)))


def is_affected(version: str, affected: Mapping[str, Any]) -> bool:
    """Whether an `affected` entry of OSV's schema holds a version: in its list, or in one of its ranges."""
    this = Version(version)
    if any(this == other for other in _versions(affected.get("versions", ()))):
        return True
    return any(
        _is_inside(this, each["events"])
        for each in affected.get("ranges", ())
        if each.get("type") == "ECOSYSTEM"
    )


def _is_inside(version: Version, events: Sequence[Mapping[str, str]]) -> bool:
    """Whether a version lies in a range: after an `introduced`, and before a `fixed`, up to a `last_affected`."""
    inside = False
    for kind, at in sorted(
        ((kind, Version(at)) for event in events for kind, at in event.items() if kind != "limit"),
        key=lambda pair: pair[1],
    ):
        if kind == "introduced" and version >= at:
            inside = True
        elif (kind == "fixed" and version >= at) or (kind == "last_affected" and version > at):
            inside = False
    return inside


def _versions(listed: Iterable[str]) -> Iterator[Version]:
    for each in listed:
        try:
            yield Version(each)
        except InvalidVersion:
            continue  # releases older than the rules for versions


def _fixed(affected: Mapping[str, Any]) -> Iterator[str]:
    for each in affected.get("ranges", ()):
        if each.get("type") == "ECOSYSTEM":
            yield from (event["fixed"] for event in each["events"] if "fixed" in event)


if __name__ == "__main__":
    main()
