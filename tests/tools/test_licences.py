"""Every package of the image has a licence that is allowed, with a reason, and every library in a wheel is known."""

from __future__ import annotations

import importlib.metadata
import re
from email.message import Message
from pathlib import Path

import pytest

from tools.bundled import LIBRARIES, bundled
from tools.licences import (
    ALLOWED,
    ONLY_BUNDLED,
    UnknownLicence,
    check_allowed,
    copy_texts,
    licence_of,
    licensed,
)
from tools.locks import ROOT, SERVING, read_lock


def place_of(name: str) -> Path:
    return Path(str(importlib.metadata.distribution(name).locate_file("")))


def test_every_package_of_the_image_has_an_allowed_licence() -> None:
    found = {each.name: each for each in licensed(read_lock(SERVING))}
    assert {"numpy", "av", "grpcio", "tqdm"} <= found.keys()
    assert all(each.licence for each in found.values())


def test_every_library_in_a_wheel_is_known_and_has_an_allowed_licence() -> None:
    names = [name for name in read_lock(SERVING) if any(importlib.metadata.distributions(name=name))]
    found = {file.library for name in names for file in bundled(place_of(name), name)}
    assert found == set(LIBRARIES), "expected each entry of tools/bundled.py to be in a wheel"
    assert {library.licence for library in found} <= ALLOWED.keys()


def test_each_reason_is_used() -> None:
    packages = {
        part for each in licensed(read_lock(SERVING)) for part in re.split(r" (?:AND|OR) ", each.licence)
    }
    assert ALLOWED.keys() <= packages | {library.licence for library in LIBRARIES}
    assert all(ALLOWED.values())


def test_ffmpeg_of_the_wheel_is_what_the_guide_says() -> None:
    import av
    from av._core import library_meta  # type: ignore[import-untyped,unused-ignore]

    guide = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
    (ffmpeg,) = [each for each in LIBRARIES if (each.name, each.folder) == ("FFmpeg", "av.libs")]
    assert av.ffmpeg_version_info.lstrip("n") == ffmpeg.version
    assert f"FFmpeg {ffmpeg.version}" in guide
    assert library_meta["libavcodec"]["license"] == "LGPL version 3 or later"
    assert {"--enable-libx264", "--enable-libx265"} <= set(
        library_meta["libavcodec"]["configuration"].split()
    )


def test_openssl_of_the_wheel_is_what_the_guide_says() -> None:
    paths = [
        file.path
        for file in bundled(place_of("opencv-python-headless"), "opencv-python-headless")
        if file.library.name == "OpenSSL"
    ]
    assert len(paths) == 2
    for path in paths:
        assert b"OpenSSL 1.1.1k" in path.read_bytes()
    assert "OpenSSL 1.1.1k" in (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")


def test_a_file_that_the_table_lacks_is_named(tmp_path: Path) -> None:
    (tmp_path / "av.libs").mkdir()
    (tmp_path / "av.libs" / "libother-1.so").touch()
    with pytest.raises(ValueError, match=r"every file of av\.libs, got libother-1\.so"):
        list(bundled(tmp_path, "av"))
    assert list(bundled(tmp_path, "numpy")) == []


class Distribution(importlib.metadata.Distribution):
    """A package that says about its licence what a test wants."""

    def __init__(self, **fields: str) -> None:
        self._text = "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in fields.items())

    def read_text(self, filename: str) -> str | None:
        return self._text if filename == "METADATA" else None

    def locate_file(self, path: object) -> Path:
        raise FileNotFoundError(path)


@pytest.mark.parametrize(
    ("fields", "licence"),
    [
        ({"License_Expression": "MIT OR Apache-2.0", "License": "other"}, "MIT OR Apache-2.0"),
        ({"License": "3-Clause BSD License"}, "BSD-3-Clause"),
        ({"Classifier": "License :: OSI Approved :: MIT License"}, "MIT"),
        ({"License": "UNKNOWN", "Classifier": "License :: OSI Approved :: ISC License (ISCL)"}, "ISC"),
        ({"Classifier": "Programming Language :: Python"}, ""),
    ],
)
def test_a_licence_is_read_from_each_place(fields: dict[str, str], licence: str) -> None:
    assert isinstance(Distribution(**fields).metadata, Message)
    assert licence_of(Distribution(**fields)) == licence


@pytest.mark.parametrize("licence", ["", "AGPL-3.0-only", "MIT AND SSPL-1.0", *ONLY_BUNDLED])
def test_a_licence_that_is_not_allowed_is_named(licence: str) -> None:
    with pytest.raises(UnknownLicence, match="some: expected a licence of ALLOWED"):
        check_allowed("some", licence)


def test_licence_texts_are_copied_for_the_image(tmp_path: Path) -> None:
    packages = list(licensed(["numpy", "grpcio", "structlog", "opencv-python-headless"]))
    assert copy_texts(packages, tmp_path) >= 6
    for package in packages:
        texts = [
            path for path in (tmp_path / f"{package.name}-{package.version}").rglob("*") if path.is_file()
        ]
        assert any(path.stat().st_size > 500 for path in texts)
    assert not list(tmp_path.rglob("*.py"))
