"""What an sdist and a wheel contain. `make check-wheel` installs the wheel and serves from it."""

from __future__ import annotations

import email
import hashlib
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from gifcue.detect.settings import default_model_dir

ROOT = Path(__file__).parents[1]
MODELS = ROOT / "models"
PACKAGED_MODEL = "gifcue/detect/model"
SERVED = ("detector.int8.tflite", "face.int8.tflite", "hand.int8.tflite", "label_map.pbtxt", "metadata.json")
# Packages for training and plotting, which serving must not install.
LAB_ONLY = ("tensorflow", "keras", "scikit-learn", "matplotlib", "scipy", "scikit-image", "pillow")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist of this checkout, and the wheel that was built from the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> zipfile.ZipFile:
    (path,) = built.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def installed(wheel: zipfile.ZipFile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's contents, as pip installs them into site-packages."""
    folder = tmp_path_factory.mktemp("site-packages")
    wheel.extractall(folder)
    return folder


def run_installed(installed: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Runs code that imports gifcue from the wheel, from a folder without a checkout."""
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=installed,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_the_checkout_finds_the_model_in_the_package() -> None:
    assert default_model_dir().resolve() == MODELS.resolve()


@pytest.mark.parametrize("name", SERVED)
def test_the_wheel_has_the_served_model_as_files(wheel: zipfile.ZipFile, name: str) -> None:
    content = wheel.read(f"{PACKAGED_MODEL}/{name}")
    assert digest(content) == digest((MODELS / name).read_bytes())


def test_the_sdist_has_the_served_model_as_files(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as sdist:
        members = {member.name.partition("/src/")[2]: member for member in sdist.getmembers()}
    for name in SERVED:
        member = members[f"{PACKAGED_MODEL}/{name}"]
        assert member.isfile()
        assert member.size == (MODELS / name).stat().st_size


def test_float_files_and_weights_stay_out(wheel: zipfile.ZipFile) -> None:
    names = {Path(name).name for name in wheel.namelist() if name.startswith(PACKAGED_MODEL)}
    assert names == {*SERVED, "README.md"}


def test_the_wheel_has_the_rule_book_the_gifs_the_pages_and_the_recipes(wheel: zipfile.ZipFile) -> None:
    sources = {
        path.relative_to(ROOT / "src").as_posix()
        for package in ("gifcue", "gifcue_lab")
        for path in (ROOT / "src" / package).rglob("*")
        if path.suffix in {".yaml", ".gif", ".toml", ".npz", ".typed", ".html", ".css", ".js", ".svg", ".txt"}
        and PACKAGED_MODEL not in path.as_posix()
    }
    assert {"gifcue/rules/default/book.yaml", "gifcue/py.typed", "gifcue_lab/py.typed"} <= sources
    assert "gifcue/server/capacity/clip.npz" in sources
    assert {"gifcue/web/static/live.html", "gifcue/web/static/vendor/wire.js"} <= sources
    assert sources <= set(wheel.namelist())


def test_the_wheel_has_nothing_but_the_two_packages(wheel: zipfile.ZipFile) -> None:
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"gifcue", "gifcue_lab"}


def test_serving_requires_nothing_of_the_lab(wheel: zipfile.ZipFile) -> None:
    (name,) = [each for each in wheel.namelist() if each.endswith(".dist-info/METADATA")]
    metadata = email.message_from_bytes(wheel.read(name))
    required = metadata.get_all("Requires-Dist") or []
    serving = [each.lower() for each in required if "extra ==" not in each]
    assert [each for each in serving if each.startswith(LAB_ONLY)] == []
    extras = {"tensorflow", "gpu", "webrtc", "lab", "demo", "otel", "dev"}
    assert set(metadata.get_all("Provides-Extra") or []) == extras


def test_the_installed_package_finds_its_model_and_gifs(installed: Path) -> None:
    code = (
        "import json\n"
        "from gifcue.detect.settings import default_model_dir\n"
        "from gifcue.detect.metadata import read_metadata\n"
        "from gifcue.rules.references import gifs_folder\n"
        "for weights in read_metadata(default_model_dir(), 'litert', 'int8').files.values():\n"
        "    weights.read()\n"
        "print(json.dumps([str(default_model_dir()), str(gifs_folder())]))\n"
    )
    done = run_installed(installed, code)
    assert done.returncode == 0, done.stderr
    for path in json.loads(done.stdout):
        assert Path(path).is_relative_to(installed)


def test_the_installed_package_says_where_the_float_files_are(installed: Path) -> None:
    code = (
        "from gifcue.detect.settings import default_model_dir\n"
        "from gifcue.detect.metadata import read_metadata\n"
        "from gifcue.errors import ModelError\n"
        "try:\n"
        "    read_metadata(default_model_dir(), 'litert', 'float').files['detector'].read()\n"
        "except ModelError as error:\n"
        "    print(error)\n"
    )
    output = run_installed(installed, code).stdout
    assert "detector.tflite: expected weights, got no such file" in output
    assert "models/ in a checkout of gifcue: set model_dir to it" in output
