"""The file of measured capacities: what a figure holds for, and files that are damaged, foreign or not writable."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

import pytest

from gifcue.server.capacity import record
from gifcue.server.capacity.record import MeasuredCapacity, about, default_path, key_of, path_of, read, write
from gifcue.server.config import Settings, load_settings

FIGURE = MeasuredCapacity(54, 120.5, 640, 360, 30.0, 2.0, 31.5, 1_790_000_000, "p95 160 ms, over 150")


def key(settings: Settings) -> str:
    return key_of(about(settings))


def test_a_figure_is_read_as_it_was_written(tmp_path: Path) -> None:
    path, what = tmp_path / "made" / "capacity.json", about(load_settings(None))
    assert read(path, key_of(what)) is None
    write(path, what, FIGURE)
    assert read(path, key_of(what)) == FIGURE
    assert [each.name for each in path.parent.iterdir()] == ["capacity.json"]


@pytest.mark.parametrize(
    "changes",
    [{"media": {"workers": 7}}, {"media": {"max_analysis_fps": 5.0}}, {"detect": {"precision": "float"}}],
)
def test_a_figure_does_not_hold_for_other_settings_of_decoding_and_detection(changes: dict[str, Any]) -> None:
    assert key(load_settings(None, changes)) != key(load_settings(None))


def test_a_figure_does_not_hold_for_another_machine_version_or_model(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings(None)
    before = key(settings)
    for name, other in (
        ("usable_cores", lambda: 1.5),
        ("_machine", lambda: "another processor"),
        ("__version__", "99.0"),
        ("_model_digest", lambda settings: "0" * 64),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(record, name, other)
            assert key(settings) != before, name


def test_a_figure_holds_for_the_kind_and_the_number_of_gpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on(model: str, *devices: str) -> str:
        (tmp_path / "0000:01:00.0").mkdir(exist_ok=True)
        (tmp_path / "0000:01:00.0/information").write_text(f"Model: \t\t {model}\nIRQ:   \t\t 1\n")
        monkeypatch.setattr(record, "_NVIDIA", tmp_path)
        return key(load_settings(None, {"detect": {"workers": 1, "cuda_devices": devices}}))

    one = on("NVIDIA L4", "0")
    assert one == on("NVIDIA L4", "GPU-5a3c")
    assert len({one, on("NVIDIA H200", "0"), on("NVIDIA L4", "0", "1")}) == 3
    assert on("NVIDIA L4") == on("NVIDIA H200")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("processor\t: 0\nmodel name\t: Some Processor @ 2 GHz\n", "Some Processor @ 2 GHz"),
        (
            "CPU implementer\t: 0x41\nCPU variant\t: 0x1\nCPU part\t: 0xd4f\n\n"
            "CPU implementer\t: 0x41\nCPU variant\t: 0x1\nCPU part\t: 0xd40\n\n"
            "CPU implementer\t: 0x41\nCPU variant\t: 0x1\nCPU part\t: 0xd40\n",
            "aarch64 0x41/0xd40 0x41/0xd4f",
        ),
        ("", "aarch64"),
    ],
)
def test_a_processor_has_a_name_on_arm_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, name: str
) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(record, "_CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert record._machine() == name


def test_what_does_not_change_the_speed_does_not_change_the_key(tmp_path: Path) -> None:
    other = load_settings(None, {"server": {"listen": "0.0.0.0:1"}, "detect": {"gestures_dir": tmp_path}})
    assert key(other) == key(load_settings(None))


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b'{"a": 1}', b" " * (1 << 19)])
def test_a_file_that_is_none_counts_as_empty_and_is_replaced(tmp_path: Path, content: bytes) -> None:
    path, what = tmp_path / "capacity.json", about(load_settings(None))
    path.write_bytes(content)
    assert read(path, key_of(what)) is None
    write(path, what, FIGURE)
    assert read(path, key_of(what)) == FIGURE


def test_an_entry_with_other_fields_counts_as_none(tmp_path: Path) -> None:
    path, what = tmp_path / "capacity.json", about(load_settings(None))
    entries: list[Any] = [{"capacity": {"participants": 5}}, {"capacity": None}, {"about": 1}, [], "text"]
    for entry in entries:
        path.write_text(json.dumps({key_of(what): entry}))
        assert read(path, key_of(what)) is None


def test_the_file_keeps_the_figures_that_were_measured_last(tmp_path: Path) -> None:
    path = tmp_path / "capacity.json"
    for number in range(100):
        write(path, {"machine": number}, FIGURE)
    kept = json.loads(path.read_text())
    assert [entry["about"]["machine"] for entry in kept.values()] == list(range(36, 100))


def test_a_folder_that_cannot_be_written_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        write(tmp_path / "file" / "capacity.json", {}, FIGURE)


def test_the_file_lies_where_the_settings_the_system_or_the_user_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("CACHE_DIRECTORY", raising=False)
    assert default_path() == tmp_path / ".cache" / "gifcue" / "capacity.json"
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert default_path() == Path("/xdg/gifcue/capacity.json")
    monkeypatch.setenv("CACHE_DIRECTORY", "/var/cache/gifcue:/var/cache/other")
    assert default_path() == Path("/var/cache/gifcue/capacity.json")
    assert path_of(load_settings(None, {"limits": {"capacity_file": "/x/y.json"}})) == Path("/x/y.json")
