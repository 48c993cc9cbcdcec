"""Explanations in words: a line for each change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gifcue.cli.why import _PHRASES, Explainer, phrase
from gifcue.client import FrameDecided, UnmetCondition
from gifcue.protocol.codecs import Codec
from gifcue.reactions.conditions import Condition
from gifcue.sample_video.clips import write
from gifcue.sample_video.photo import photo_frames
from gifcue.testing import FakeServer

from .conftest import Gifcue


def lines(*decisions: list[UnmetCondition]) -> list[list[str]]:
    explainer = Explainer()
    return [
        list(explainer.changes(FrameDecided("alice", 0, 0, 90_000, 1.0, unmet=tuple(unmet))))
        for unmet in decisions
    ]


def score(value: float, label: str = "smile") -> UnmetCondition:
    return UnmetCondition(label, "score", value, 0.8)


def test_every_condition_has_a_phrase() -> None:
    assert list(_PHRASES) == [condition.value for condition in Condition]


@pytest.mark.parametrize(
    ("unmet", "expected"),
    [
        (score(0.61), "score 0.61, needs 0.80"),
        (UnmetCondition("smile", "no_region", 0.1, 0.3), "no face or hand found: score 0.10, needs 0.30"),
        (UnmetCondition("wave", "motion", 1.0, 3.0), "1 swings, needs 3"),
        (UnmetCondition("smile", "hold", 250.0, 800.0), "held for 0.25 s, needs 0.80 s"),
        (UnmetCondition("smile", "cooldown", 1500.0, 0.0), "cooldown, 1.5 s left"),
        (UnmetCondition("smile", "face_cover", 0.75, 0.5), "75% of the hand over a face, at most 50%"),
        (UnmetCondition("smile", "of_a_newer_server", 0.5, 2.0), "of_a_newer_server 0.5, needs 2"),
    ],
)
def test_a_condition_in_words(unmet: UnmetCondition, expected: str) -> None:
    assert phrase(unmet) == expected


def test_a_line_comes_for_another_condition_or_a_score_that_moved_by_a_tenth() -> None:
    hold = UnmetCondition("smile", "hold", 100.0, 800.0)
    assert lines([score(0.61)], [score(0.65)], [score(0.70)], [score(0.72)], [hold], [score(0.72)]) == [
        ["smile: score 0.61, needs 0.80"],
        [],
        [],
        ["smile: score 0.72, needs 0.80"],
        ["smile: held for 0.10 s, needs 0.80 s"],
        ["smile: score 0.72, needs 0.80"],
    ]


def test_a_hold_that_goes_on_is_one_line() -> None:
    holds = [[UnmetCondition("smile", "hold", 100.0 * count, 800.0)] for count in range(8)]
    assert [len(each) for each in lines(*holds)] == [1, 0, 0, 0, 0, 0, 0, 0]


def test_a_label_that_started_is_explained_anew_after_its_end() -> None:
    assert lines([score(0.6)], [], [score(0.6)])[2] == ["smile: score 0.60, needs 0.80"]


def test_labels_and_participants_are_told_apart() -> None:
    explainer = Explainer()
    for name in ("alice", "bob"):
        unmet = (score(0.6), score(0.1, "thinking"))
        shown = list(explainer.changes(FrameDecided(name, 0, 0, 90_000, 1.0, unmet=unmet)))
        assert shown == ["smile: score 0.60, needs 0.80", "thinking: score 0.10, needs 0.80"]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write(photo_frames(0.6, 10, width=160, height=96), tmp_path / "clip.mp4", Codec.H264, 10)


def test_the_command_asks_for_it_and_prints_one_line_a_change(
    gifcue: Gifcue, server: FakeServer, clip: Path
) -> None:
    result = gifcue("stream", clip, "-s", server.target, "--fast", "--why", "--labels", "smile,wave")
    assert result.exit_code == 0, result.output
    assert result.stdout.count("0:00.00  clip  wave: score 0.61, needs 0.80") == 1
    assert result.stdout.count("wave: ") == 1
    config = server.service.streams[0].requests[0].config
    assert (config.send_decisions, config.explain, config.send_detections) == (True, True, False)


def test_without_it_nothing_is_asked_for(gifcue: Gifcue, server: FakeServer, clip: Path) -> None:
    result = gifcue("stream", clip, "-s", server.target, "--fast")
    assert result.exit_code == 0, result.output
    config = server.service.streams[0].requests[0].config
    assert (config.send_decisions, config.explain) == (False, False)


def test_as_json_every_decision_is_a_line(gifcue: Gifcue, server: FakeServer, clip: Path) -> None:
    result = gifcue(
        "stream", clip, "-s", server.target, "--fast", "--why", "--json", "--labels", "smile,wave"
    )
    assert result.exit_code == 0, result.output
    decided = [json.loads(line) for line in result.stdout.splitlines() if "frame_decided" in line]
    assert len(decided) == 6
    assert decided[0]["unmet"] == [
        {"label": "wave", "condition": "score", "value": pytest.approx(0.61), "needed": pytest.approx(0.8)}
    ]
