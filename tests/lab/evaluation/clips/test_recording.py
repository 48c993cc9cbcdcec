"""Recorded detections, and the policy that is run on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gifcue.detect.regions import Region
from gifcue.protocol.geometry import Box
from gifcue.reactions import ReactionSettings
from gifcue_lab.datasets.annotation import DatasetError
from gifcue_lab.evaluation.clips.local import recording_digest, replay
from gifcue_lab.evaluation.clips.recording import (
    Recorded,
    Recording,
    is_recording_of,
    read_recording,
    recording_path,
    write_recording,
)
from gifcue_lab.evaluation.clips.truth import Clip
from tests.support.people import face, hand, play, policy, times


def test_what_is_written_is_read(tmp_path: Path) -> None:
    points = np.array([[0.2, 0.4, 0.0], [0.4, 0.2, 0.0]], np.float32)
    palm = Region("hand", Box(0.1, 0.2, 0.3, 0.4), 0.25, {"wave": 0.5}, points)
    frames = [Recorded(0.0, (face(smile=0.97), palm)), Recorded(0.1, ()), Recorded(0.2, (face(),))]
    path = tmp_path / "a.mp4.npz"
    write_recording(path, Recording(7.5, tuple(frames), "digest", {"model": "m"}))
    recording = read_recording(path)
    assert (recording.seconds, recording.of, recording.about) == (7.5, "digest", {"model": "m"})
    assert is_recording_of(path, "digest")
    assert not is_recording_of(path, "other")
    assert not is_recording_of(tmp_path / "none.npz", "digest")
    read = recording.frames
    assert [frame.at_s for frame in read] == [0.0, 0.1, 0.2]
    assert [[each.kind for each in frame.regions] for frame in read] == [["face", "hand"], [], ["face"]]
    smiling, waving = read[0].regions
    assert (smiling.box, smiling.score, dict(smiling.attributes)) == (face().box, 0.9, {"smile": 0.97})
    assert smiling.center_of_landmarks() is None
    assert dict(waving.attributes) == {"wave": 0.5}
    assert waving.center_of_landmarks() == pytest.approx((0.3, 0.3))
    assert dict(read[2].regions[0].attributes) == {}


def test_the_policy_decides_the_same_on_a_recording(tmp_path: Path) -> None:
    def scene(at_s: float) -> list[Region]:
        swing = 0.1 * np.sin(2 * np.pi * 1.2 * at_s)
        shown = [hand(0.25 + swing, landmarks=True, wave=0.9)] if at_s > 1.0 else []
        return [face(smile=0.97 if at_s < 2.0 else 0.1), *shown]

    at = times(5.0)
    live = play(policy(), scene, at)
    frames = tuple(Recorded(at_s, tuple(scene(at_s))) for at_s in at)
    clip = Clip("a.mp4", tmp_path / "a.mp4")
    clip.path.write_bytes(b"video")
    write_recording(
        recording_path(tmp_path, "a.mp4"), Recording(5.0, frames, recording_digest(clip, "model"))
    )
    again, _ = replay(tmp_path, clip, ReactionSettings())
    steps = [(event.phase, event.label, event.at_s) for event in again.events[: len(live)]]
    assert steps == [(event.phase, event.label, event.at_s) for event in live]
    assert {event.label for event in again.started} == {"smile", "wave"}
    clip.path.write_bytes(b"another video")
    with pytest.raises(DatasetError, match="got one of other video"):
        replay(tmp_path, clip, ReactionSettings())


def test_a_missing_or_damaged_recording_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"a\.npz: expected a recording"):
        read_recording(tmp_path / "a.npz")
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04")
    with pytest.raises(DatasetError, match=r"a\.npz: expected a recording"):
        read_recording(tmp_path / "a.npz")
