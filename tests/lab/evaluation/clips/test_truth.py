from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gifcue_lab.datasets.annotation import DatasetError
from gifcue_lab.evaluation.clips.truth import Expected, read_clips, unlisted


def folder(path: Path, clips: Any, *names: str) -> Path:
    (path / "events.json").write_text(json.dumps({"about": "…", "clips": clips}), encoding="utf-8")
    for name in names:
        (path / name).write_bytes(b"")
    return path


def test_clips_come_by_name_with_what_they_hold(tmp_path: Path) -> None:
    smile = {"label": "smile", "start_s": 1, "end_s": 2.5}
    entries = {"b.mp4": {"seconds": 3.0, "expect": [smile], "allow": ["wave"], "licence": "MIT"}, "a.mp4": {}}
    first, second = read_clips(folder(tmp_path, entries, "a.mp4", "b.mp4"))
    assert (first.name, first.seconds, first.expect, first.allow) == ("a.mp4", None, (), frozenset())
    assert second.path == tmp_path / "b.mp4"
    assert second.expect == (Expected(label="smile", start_s=1.0, end_s=2.5),)
    assert second.allow == {"wave"}
    assert [clip.name for clip in read_clips(tmp_path, ["b.mp4"])] == ["b.mp4"]


def test_an_allowed_label_may_have_a_span(tmp_path: Path) -> None:
    span = {"label": "wave", "start_s": 1, "end_s": 2.5}
    (clip,) = read_clips(folder(tmp_path, {"a.mp4": {"allow": ["smile", span]}}, "a.mp4"))
    assert clip.allow == {"smile"}
    assert clip.allow_spans == (Expected(label="wave", start_s=1.0, end_s=2.5),)


def test_videos_without_a_description_are_named(tmp_path: Path) -> None:
    clips = read_clips(folder(tmp_path, {"a.mp4": {}}, "a.mp4", "b.MP4", "c.webm", "notes.txt"))
    assert unlisted(tmp_path, clips) == ["b.MP4", "c.webm"]


@pytest.mark.parametrize(
    ("clips", "message"),
    [
        (
            {"a.mp4": {"expect": [{"label": "smile", "start_s": 2, "end_s": 1}]}},
            "end_s to be at least start_s",
        ),
        ({"a.mp4": {"expect": [{"label": "smile", "start_s": 2}]}}, "clips.a.mp4.expect.0.end_s"),
        ({"a.mp4": {"seconds": 0}}, "clips.a.mp4.seconds"),
        ({"a.mp4": {"allow": [{"label": "smile", "start_s": 2}]}}, "clips.a.mp4.allow.0"),
        ({"a.mp4": {"expects": []}}, "expected 'expect' by its name, got 'expects'"),
        ({"b.mp4": {}}, "expected b.mp4 beside it"),
        ({"../a.mp4": {}}, "expected the name of a file beside it"),
        ({}, "at least one clip"),
        ([], "clips"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, clips: Any, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        read_clips(folder(tmp_path, clips, "a.mp4"))


def test_no_file_and_no_such_clip(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"events\.json: expected what the clips hold"):
        read_clips(tmp_path)
    with pytest.raises(DatasetError, match=r"by the name of z\.mp4"):
        read_clips(folder(tmp_path, {"a.mp4": {}}, "a.mp4"), ["z.mp4"])
