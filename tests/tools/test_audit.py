"""The audit finds what is known, fails on findings only, and says plainly where nothing was audited."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tools import audit
from tools.audit import Finding, NotAudited, ask, is_affected, read_advisories, search

LOCKED = [("numpy", "2.4.6"), ("ruamel-yaml", "0.19.1")]


def advisory(name: str = "numpy", **affected: Any) -> dict[str, Any]:
    return {"id": "PYSEC-1", "affected": [{"package": {"ecosystem": "PyPI", "name": name}, **affected}]}


def between(*events: dict[str, str], kind: str = "ECOSYSTEM") -> dict[str, Any]:
    return {"ranges": [{"type": kind, "events": list(events)}]}


@pytest.mark.parametrize(
    ("affected", "expected"),
    [
        ({"versions": ["2.4.5", "2.4.6"]}, True),
        ({"versions": ["2.4.5", "not a version"]}, False),
        ({"versions": ["2.4.6.0"]}, True),
        (between({"introduced": "0"}), True),
        (between({"introduced": "0"}, {"fixed": "2.4.6"}), False),
        (between({"introduced": "0"}, {"fixed": "2.4.7"}), True),
        (between({"introduced": "2.4.7"}), False),
        (between({"introduced": "0"}, {"last_affected": "2.4.6"}), True),
        (between({"introduced": "0"}, {"last_affected": "2.4.5"}), False),
        (between({"introduced": "0"}, {"fixed": "1.5"}, {"introduced": "2.0"}, {"fixed": "2.10"}), True),
        (between({"introduced": "2.0"}, {"fixed": "2.10"}, {"introduced": "0"}, {"fixed": "1.5"}), True),
        (between({"introduced": "0"}, {"fixed": "1.5"}, {"introduced": "2.5"}), False),
        (between({"introduced": "0"}, kind="GIT"), False),
        ({}, False),
    ],
)
def test_versions_and_ranges_are_compared_as_osv_defines_them(
    affected: dict[str, Any], expected: bool
) -> None:
    assert is_affected("2.4.6", affected) is expected


def test_a_finding_names_the_fixed_versions() -> None:
    found = list(search(LOCKED, [advisory("NumPy", **between({"introduced": "0"}, {"fixed": "2.5"}))]))
    assert found == [Finding("numpy", "2.4.6", "PYSEC-1", ("2.5",))]
    assert list(search(LOCKED, [advisory("ruamel.yaml", versions=["0.19.1"])])) == [
        Finding("ruamel-yaml", "0.19.1", "PYSEC-1", ())
    ]


def test_other_packages_ecosystems_and_withdrawn_advisories_do_not_count() -> None:
    everything = between({"introduced": "0"})
    other = advisory(**everything)
    other["affected"][0]["package"]["ecosystem"] = "npm"
    withdrawn = {**advisory(**everything), "withdrawn": "2026-01-01T00:00:00Z"}
    assert list(search(LOCKED, [other, withdrawn, advisory("scipy", **everything)])) == []


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "lock.txt"
    path.write_text(f"numpy==2.4.6 \\\n    --hash=sha256:{'a' * 64}\n")
    return path


def archive(folder: Path, *documents: object) -> Path:
    path = folder / "all.zip"
    with zipfile.ZipFile(path, "w") as made:
        for number, document in enumerate(documents):
            made.writestr(f"{number}.json", json.dumps(document))
    return path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["audit", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        audit.main()
    return int(caught.value.code or 0)


def test_findings_of_an_archive_fail_the_command(
    tmp_path: Path, lock: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = archive(tmp_path, advisory("scipy", versions=["1"]), advisory(versions=["2.4.6"]))
    assert run(monkeypatch, "--advisories", path, lock) == 1
    assert "numpy 2.4.6 (lock.txt): PYSEC-1, not fixed" in capsys.readouterr().out
    path = archive(tmp_path, advisory("scipy", versions=["1"]))
    assert run(monkeypatch, "--advisories", path, lock) == 0
    assert "1 locked packages: no known vulnerability" in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", None])
def test_an_archive_that_is_none_audits_nothing(
    tmp_path: Path,
    lock: Path,
    content: bytes | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "all.zip"
    if content is not None:
        path.write_bytes(content)
    assert run(monkeypatch, "--advisories", path, lock) == 0
    assert "NOT AUDITED" in capsys.readouterr().out
    assert run(monkeypatch, "--advisories", path, "--strict", lock) == 2


def test_an_archive_is_bounded_and_not_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotAudited, match="expected advisories in JSON, got none"):
        list(read_advisories(archive(tmp_path)))
    monkeypatch.setattr(audit, "MAX_ADVISORY_BYTES", 10)
    with pytest.raises(NotAudited, match="expected at most 10 bytes"):
        list(read_advisories(archive(tmp_path, advisory())))


def service(folder: Path, report: object, code: int = 0) -> tuple[str, str]:
    """A stand-in for pip-audit that writes a report, or none."""
    script = folder / "pip_audit.py"
    script.write_text(
        "import json, pathlib, sys\n"
        f"report = json.loads({json.dumps(report)!r})\n"
        "out = pathlib.Path(sys.argv[sys.argv.index('--output') + 1])\n"
        "print('ERROR: no connection', file=sys.stderr)\n"
        "report is not None and out.write_text(json.dumps(report))\n"
        f"sys.exit({code})\n"
    )
    return sys.executable, str(script)


def test_what_the_service_finds_is_reported(tmp_path: Path, lock: Path) -> None:
    vulnerable = {"name": "NumPy", "version": "2.4.6", "vulns": [{"id": "GHSA-1", "fix_versions": ["2.5"]}]}
    assert ask(lock, service(tmp_path, {"dependencies": [vulnerable]}, 1)) == [
        Finding("numpy", "2.4.6", "GHSA-1", ("2.5",))
    ]
    clean = {"name": "numpy", "version": "2.4.6", "vulns": []}
    assert ask(lock, service(tmp_path, {"dependencies": [clean]})) == []


def test_a_service_that_knows_no_package_audits_nothing(tmp_path: Path, lock: Path) -> None:
    """pip-audit itself exits with 0 and says that there are no known vulnerabilities."""
    skipped = {"name": "numpy", "skip_reason": "Dependency not found on PyPI"}
    with pytest.raises(NotAudited, match="no answer for 1 of 1 packages, numpy"):
        ask(lock, service(tmp_path, {"dependencies": [skipped]}))


def test_a_service_that_cannot_be_reached_audits_nothing(tmp_path: Path, lock: Path) -> None:
    with pytest.raises(NotAudited, match="got no answer of the advisory service: ERROR: no connection"):
        ask(lock, service(tmp_path, None, 1))
    with pytest.raises(NotAudited, match="pip-audit: "):
        ask(lock, ("/no/such/program",))
