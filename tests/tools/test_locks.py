"""The locks, the constraints and pyproject.toml say the same, and nothing is installed that none of them pins."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tools.locks import (
    BUILD,
    CONSTRAINTS,
    DEPLOY_TOOLS,
    ROOT,
    SERVING,
    SERVING_EXTRAS,
    SERVING_GPU,
    TOOLS,
    canonical,
    read_lock,
)

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PYTHONS = ("3.11", "3.12", "3.13")
MACHINES = ("x86_64", "aarch64")


def requirements(extra: str = "") -> list[Requirement]:
    """The requirements of gifcue, or those of one of its extras."""
    project = PROJECT["project"]
    listed = project["optional-dependencies"][extra] if extra else project["dependencies"]
    return [Requirement(each) for each in listed]


def closure(
    roots: list[Requirement], python: str = "", machine: str = ""
) -> Iterator[tuple[str, SpecifierSet]]:
    """The requirements of packages, and of what they require: names, and the versions that are asked for.

    The installed packages say what they require, and pyproject.toml what gifcue does.
    """
    environment: dict[str, str] = {**default_environment()}  # type: ignore[dict-item]
    if python:
        environment |= {"python_version": python, "python_full_version": f"{python}.0"}
    if machine:
        environment["platform_machine"] = machine
    open_, seen = [*roots], set[tuple[str, str]]()
    while open_:
        requirement = open_.pop()
        name = canonical(requirement.name)
        if name != "gifcue":
            yield name, requirement.specifier
        for extra in ("", *sorted(requirement.extras)):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            if name == "gifcue":
                open_ += requirements(extra)
                continue
            try:
                listed = importlib.metadata.requires(name) or []
            except importlib.metadata.PackageNotFoundError:
                continue  # for another Python: its own requirements are not known here
            open_ += [
                each
                for each in map(Requirement, listed)
                if each.marker is None or each.marker.evaluate({**environment, "extra": extra})
            ]


@pytest.mark.parametrize("path", [SERVING, SERVING_GPU, *SERVING_EXTRAS.values(), BUILD])
def test_a_lock_has_the_versions_of_the_constraints(path: Path) -> None:
    constraints = read_lock(CONSTRAINTS)
    assert {name: each.version for name, each in read_lock(path).items()} == {
        name: constraints[name].version for name in read_lock(path) if name in constraints
    }, "run 'make lock' after a change of constraints.txt"


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("machine", MACHINES)
def test_the_image_installs_everything_that_gifcue_requires(python: str, machine: str) -> None:
    locked = read_lock(SERVING)
    asked = dict(closure(requirements(), python, machine))
    assert {"numpy", "grpcio", "aiosignal"} <= asked.keys()
    assert asked.keys() - locked.keys() == set(), "run 'make lock' after a change of pyproject.toml"
    for name, specifier in closure(requirements(), python, machine):
        assert specifier.contains(locked[name].version), f"{name}{specifier}"


def test_the_image_for_gpus_installs_the_same_and_tensorflow() -> None:
    locked = {name: each.version for name, each in read_lock(SERVING_GPU).items()}
    assert {name: each.version for name, each in read_lock(SERVING).items()}.items() <= locked.items()
    assert {"tensorflow", "keras", "nvidia-cudnn-cu12", "nvidia-cublas-cu12"} <= locked.keys()
    (tensorflow,) = requirements("gpu")
    assert tensorflow.extras == {"and-cuda"}
    assert tensorflow.specifier.contains(locked["tensorflow"])


@pytest.mark.parametrize(("extra", "path"), SERVING_EXTRAS.items())
def test_an_image_with_an_extra_installs_the_same_and_what_the_extra_requires(extra: str, path: Path) -> None:
    locked = {name: each.version for name, each in read_lock(path).items()}
    assert {name: each.version for name, each in read_lock(SERVING).items()}.items() <= locked.items()
    for machine in MACHINES:
        for name, specifier in closure(requirements(extra), machine=machine):
            assert specifier.contains(locked[name]), f"{name}{specifier}"
    assert f"deploy/{path.name}" in (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")


def test_the_image_installs_nothing_of_the_laboratory() -> None:
    locked = read_lock(SERVING)
    assert locked.keys() & {"tensorflow", "keras", "scipy", "scikit-learn", "matplotlib", "pytest"} == set()


@pytest.mark.parametrize("path", [SERVING, SERVING_GPU, *SERVING_EXTRAS.values(), BUILD, TOOLS])
def test_every_package_of_a_lock_has_digests_and_no_address(path: Path) -> None:
    locked = read_lock(path)
    assert locked
    assert [each.name for each in locked.values() if not each.sha256] == []
    text = path.read_text(encoding="utf-8")
    assert re.findall(r"https?:|--index|--extra-index|--find-links|--trusted", text) == []


def test_the_lock_of_the_deployment_s_validators_has_digests_and_no_address() -> None:
    text = DEPLOY_TOOLS.read_text(encoding="utf-8")
    assert re.findall(r"https?:|--index|--extra-index|--find-links|--trusted", text) == []
    # Some packages are there once for each version of Python, so this is no lock for `read_lock`.
    for block in re.split(r"\n(?=[a-z0-9])", text[text.index("\n") :].split("make lock\n")[1]):
        assert re.match(r"[a-z0-9._-]+==\S+ .*\\\n( +--hash=sha256:[0-9a-f]{64}( \\)?\n?)+$", block), block[
            :200
        ]


def test_compiled_packages_have_digests_of_all_their_wheels() -> None:
    """Three versions of Python on two machines at least, so that one lock serves them all."""
    for name in ("aiohttp", "grpcio", "numpy", "pydantic-core", "yarl"):
        assert len(read_lock(SERVING)[name].sha256) >= len(PYTHONS) * len(MACHINES)


def test_the_build_lock_holds_the_build_system() -> None:
    locked = read_lock(BUILD)
    for each in map(Requirement, PROJECT["build-system"]["requires"]):
        assert each.specifier.contains(locked[canonical(each.name)].version)
    assert PROJECT["dependency-groups"]["image-build"] == PROJECT["build-system"]["requires"]


def test_the_tools_lock_holds_the_tools() -> None:
    locked = read_lock(TOOLS)
    for each in map(Requirement, PROJECT["dependency-groups"]["supply-chain"]):
        assert each.specifier.contains(locked[canonical(each.name)].version)


def test_everything_that_setup_installs_is_pinned() -> None:
    pinned = read_lock(CONSTRAINTS)
    wanted = [Requirement("gifcue[dev]"), *map(Requirement, PROJECT["build-system"]["requires"])]
    installed = {
        name: importlib.metadata.version(name)
        for name, _ in closure(wanted)
        if any(importlib.metadata.distributions(name=name))
    }
    assert len(installed) > 100
    assert {name: pinned[name].version for name in installed if name in pinned} == installed


def test_the_image_installs_from_the_locks_only() -> None:
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    steps = [part for line in dockerfile.splitlines() if line.startswith("RUN") for part in line.split("&&")]
    installs = [step for step in steps if re.search(r"pip\b.*\b(install|wheel)\b", step)]
    assert len(installs) == 6
    for step in installs:
        from_lock = "--require-hashes --only-binary :all: -r deploy/requirements" in step
        from_here = "--no-index --no-deps" in step
        assert from_lock or from_here, step


@pytest.mark.parametrize(
    "line",
    [
        "numpy>=2",
        "numpy==2.*",
        "numpy",
        "--index-url https://example.org/simple",
        "-r other.txt",
        "numpy @ https://example.org/numpy.whl",
        "numpy==2.4.6 --hash=sha256:ab",
        "numpy==2.4.6 --no-binary numpy",
    ],
)
def test_anything_but_an_exact_version_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "lock.txt"
    path.write_text(f"# a comment\n\n{line}\n")
    with pytest.raises(ValueError, match="expected NAME==VERSION and digests"):
        read_lock(path)


def test_a_package_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lock.txt"
    path.write_text(f"ruamel.yaml==1 \\\n    --hash=sha256:{'a' * 64}\nRuamel-YAML==1\n")
    with pytest.raises(ValueError, match="got ruamel-yaml again"):
        read_lock(path)
