from __future__ import annotations

import json
from pathlib import Path

import pytest

from gifcue.protocol.accounting import FrameCounts
from gifcue_lab.evaluation.clips.matching import ClipResult, match_clip
from gifcue_lab.evaluation.clips.metrics import report
from gifcue_lab.evaluation.clips.run import ClipRun
from gifcue_lab.evaluation.clips.text import print_clips_report, wrong_lines
from tests.support.clip_events import clip, hold, reaction, run

BOOKS = FrameCounts(100, 30, {"paced": 50, "similar": 20}, {}, 0)
A = clip([("smile", 1.0, 3.0), ("smile", 6.0, 8.0), ("wave", 10.0, 12.0)], ["thinking"])
B = clip(name="b.mp4")


def results() -> list[ClipResult]:
    return [
        match_clip(
            A,
            run(
                reaction("smile", 1.8, 2.9),
                reaction("smile", 7.0, 8.0),
                hold("wave", 10.5, 11.0, 0.5),
                reaction("thinking", 14.0, 15.0),
                seconds=900.0,
                counts=BOOKS,
            ),
        ),
        match_clip(B, run(reaction("wave", 2.0, 3.0, 0.75), seconds=900.0, name="b.mp4", counts=BOOKS)),
    ]


def test_the_figures_of_two_clips() -> None:
    document = report(results(), dwell_s={"smile": 0.8}, about={"model": "m"})
    assert (document["clips"], document["seconds"], document["participant_hours"]) == (2, 1800.0, 0.5)
    assert document["labels"]["smile"] == {
        "expected": 2,
        "found": 2,
        "missed": 0,
        "misses": {"nothing": 0, "held": 0, "early": 0, "taken": 0},
        "recall": 1.0,
        "recall_interval": [0.1581, 1.0],
        "false": 0,
        "false_per_hour": 0.0,
        "false_per_hour_upper": 5.9915,
        "allowed": 0,
        "onset_to_started": {"n": 2, "median_s": 0.9, "p95_s": 0.99},
        "dwell_s": 0.8,
        "watched_hours": 0.4983,
        "watched_false": 0,
        "false_per_watched_hour": 0.0,
        "false_per_watched_hour_upper": 6.0115,
    }
    wave, thinking, total = document["labels"]["wave"], document["labels"]["thinking"], document["total"]
    assert (wave["found"], wave["missed"], wave["false"], wave["false_per_hour"]) == (0, 1, 1, 2.0)
    assert wave["misses"] == {"nothing": 0, "held": 1, "early": 0, "taken": 0}
    assert wave["onset_to_started"] == {"n": 0, "median_s": None, "p95_s": None}
    assert (thinking["expected"], thinking["recall"], thinking["allowed"]) == (0, None, 1)
    assert (total["expected"], total["found"], total["false"], total["allowed"]) == (3, 2, 1, 1)
    assert document["frames"] == {
        "received": 200,
        "analysed": 60,
        "skipped": {"paced": 100, "similar": 40},
        "dropped": {},
        "share_similar": 0.2,
        "share_similar_of_due": 0.4,
        "share_not_analysed": 0.7,
    }
    assert document["filter_off"] is document["skipping"] is None
    assert document["warnings"] == []
    assert json.loads(json.dumps(document)) == document


def test_every_mistake_has_a_line() -> None:
    document = report(results())
    assert wrong_lines(document) == [
        "  missed: a.mp4 wave 10.0-12.0 s: held to 50% of the way",
        "  false: b.mp4 wave at 2.00 s, score 0.75",
    ]
    (wave,) = [each for each in document["by_clip"]["a.mp4"]["expectations"] if each["label"] == "wave"]
    assert (wave["started_s"], wave["miss"], wave["held"]) == (None, "held", 0.5)
    assert document["by_clip"]["b.mp4"]["false_reactions"] == [
        {"label": "wave", "at_s": 2.0, "score": 0.75, "why": "unasked", "during": None}
    ]


def test_the_effect_of_skipping_is_reported() -> None:
    everything = [
        match_clip(A, run(reaction("smile", 1.8), reaction("wave", 11.0), seconds=900.0)),
        match_clip(B, run(seconds=900.0, name="b.mp4")),
    ]
    document = report(results(), filter_off=everything)
    assert document["skipping"] == {
        "lost": [{"clip": "a.mp4", "label": "wave", "start_s": 10.0, "end_s": 12.0}],
        "gained": [{"clip": "a.mp4", "label": "smile", "start_s": 6.0, "end_s": 8.0}],
        "false_with": 1,
        "false_without": 0,
    }
    assert document["filter_off"]["labels"]["wave"]["found"] == 1


def test_frames_lost_on_the_way_and_faults_are_warnings() -> None:
    counts = FrameCounts(10, 7, {}, {"superseded": 2}, 0)
    bad = ClipRun("b.mp4", 5.0, (), counts, faults={"worker_lost": 1})
    document = report([match_clip(B, bad)], warnings=["first"])
    assert document["warnings"] == [
        "first",
        "b.mp4: expected every frame to be analysed or skipped, got dropped: 2 superseded",
        "b.mp4: expected no faults, got 1 worker_lost",
        "b.mp4: frame accounting is inconsistent: expected nothing in flight, got 0 in flight, 1 unaccounted for",
    ]


def test_a_rate_without_a_denominator_is_null() -> None:
    document = report([match_clip(B, run(seconds=0.0, name="b.mp4"))])
    assert (document["total"]["recall"], document["total"]["false_per_hour"]) == (None, None)
    assert document["frames"]["share_similar"] is None


def test_the_text_has_the_main_metrics(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    print_clips_report(report(results(), filter_off=results(), about={"model": "m", "preset": "normal"}))
    output = capsys.readouterr().out
    for words in (
        "m, preset normal: 2 clips, 30.0 minutes",
        "smile",
        "0.90",
        "20%",
        "67%",
        "9%–99%",
        "2.00",
        "9.49",
        "lost by skipping: 0",
        "b.mp4",
    ):
        assert words in output


def test_a_timeline_goes_over_several_lines(tmp_path: Path) -> None:
    import cv2

    from gifcue_lab.evaluation.clips.timeline import LINE_S, draw_timeline

    first = results()[0]
    heights = []
    for seconds in (LINE_S, 3 * LINE_S):
        match = match_clip(A, run(first.run.events, seconds=seconds))
        draw_timeline(match, tmp_path / "t.png", match)
        drawn = cv2.imread(str(tmp_path / "t.png"))
        assert drawn is not None
        heights.append(drawn.shape[0])
    assert heights[1] > 2 * heights[0]
    draw_timeline(match_clip(B, run(name="b.mp4")), tmp_path / "quiet.png")
    assert (tmp_path / "quiet.png").stat().st_size > 1000


def test_a_timeline_has_a_row_for_what_is_allowed_for_a_while(tmp_path: Path) -> None:
    import cv2

    from gifcue_lab.evaluation.clips.timeline import draw_timeline

    heights = []
    for spans in ([], [("thinking", 1.0, 4.0)]):
        draw_timeline(match_clip(clip(spans=spans), run()), tmp_path / "t.png")
        drawn = cv2.imread(str(tmp_path / "t.png"))
        assert drawn is not None
        heights.append(drawn.shape[0])
    assert heights[1] > heights[0]
