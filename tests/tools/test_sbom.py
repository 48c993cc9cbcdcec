"""The bill of materials is valid, complete, and names the model's files and the libraries in wheels."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tools.licences import licensed
from tools.locks import ROOT, SERVING, read_lock
from tools.sbom import check, model, sbom


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The bill of materials of what the image would contain, as it is installed here."""
    return sbom(Path(sys.executable), read_lock(SERVING))


def by_name(components: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {component["name"]: component for component in components}


def test_it_is_valid_cyclonedx(document: dict[str, Any]) -> None:
    check(json.dumps(document))


@pytest.mark.parametrize("breaks", [{"serialNumber": "none"}, {"components": [{"name": "no type"}]}])
def test_an_invalid_one_is_refused(document: dict[str, Any], breaks: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"expected valid CycloneDX 1\.6"):
        check(json.dumps({**document, **breaks}))


def test_gifcue_is_the_subject_and_every_package_a_component(document: dict[str, Any]) -> None:
    assert document["metadata"]["component"]["name"] == "gifcue"
    installed = {each.name: each.version for each in licensed(read_lock(SERVING))}
    listed = {
        each["purl"].partition("@")[0].removeprefix("pkg:pypi/").replace(".", "-"): each["version"]
        for each in document["components"]
    }
    assert listed == installed


def test_the_model_is_a_part_of_gifcue_with_the_digest_of_each_file(document: dict[str, Any]) -> None:
    (described,) = document["metadata"]["component"]["components"]
    assert described == model()
    files = by_name(described["components"])
    assert files.keys() == {
        "detector.int8.tflite", "face.int8.tflite", "hand.int8.tflite", "label_map.pbtxt", "metadata.json",
    }  # fmt: skip
    for name, file in files.items():
        content = (ROOT / "models" / name).read_bytes()
        assert file["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(content).hexdigest()}]


@pytest.mark.parametrize(
    ("wheel", "library", "licence"),
    [
        ("av", "x264", "GPL-2.0-or-later"),
        ("av", "FFmpeg", "LGPL-3.0-or-later"),
        ("opencv-python-headless", "OpenSSL", "OpenSSL"),
    ],
)
def test_libraries_in_wheels_are_parts_of_them(
    document: dict[str, Any], wheel: str, library: str, licence: str
) -> None:
    part = by_name(by_name(document["components"])[wheel]["components"])[library]
    assert part["licenses"] == [{"expression": licence}]
    assert len(part["hashes"][0]["content"]) == 64


def test_what_a_wheel_declares_itself_is_taken_over(document: dict[str, Any]) -> None:
    parts = by_name(by_name(document["components"])["pydantic_core"]["components"])
    assert parts["pyo3"]["purl"].startswith("pkg:cargo/pyo3@")


def test_references_are_unique_and_no_path_of_this_machine_is_in_it(document: dict[str, Any]) -> None:
    def references(component: dict[str, Any]) -> list[str]:
        return [
            component["bom-ref"],
            *(ref for part in component.get("components", ()) for ref in references(part)),
        ]

    found = [
        ref
        for each in (document["metadata"]["component"], *document["components"])
        for ref in references(each)
    ]
    assert len(found) == len(set(found))
    text = json.dumps(document)
    for place in (sys.prefix, str(ROOT), str(Path.home()) + "/"):
        assert place not in text
    assert "timestamp" not in document["metadata"]
