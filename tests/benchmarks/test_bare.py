from __future__ import annotations

from multiprocessing.connection import Connection

import pytest

from benchmarks.bare import PARTICIPANTS_PER_LOOP, Bare, Loop, in_processes, media_settings
from benchmarks.ceiling import report, shares
from benchmarks.footage import own_footage
from gifcue.detect.detector import Frame
from gifcue.detect.regions import Region
from gifcue.protocol.codecs import Codec


class Detector:
    """Records the shapes of the frames and detects nothing."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def detect(self, frames: list[Frame]) -> list[list[Region]]:
        self.shapes += [frame.shape for frame in frames]
        return [[] for _ in frames]


def test_a_loop_analyses_the_frames_that_pass_pacing_and_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GIFCUE_MEDIA__MAX_ANALYSIS_FPS", raising=False)
    footage = own_footage(Codec.VP8, (96, 64), 10.0, (1.0, 1.0), variants=1, clip_s=8.0)
    detector = Detector()
    loop = Loop(footage, media_settings(5.0), detector, 10.0)  # type: ignore[arg-type]

    done = loop.run(lambda frames: frames >= 80 * PARTICIPANTS_PER_LOOP)

    # 8 s, alternating 2 s still and 2 s in motion: 5 analyses per second in motion, 1 per second when still.
    assert done.frames == 80 * PARTICIPANTS_PER_LOOP
    assert done.media_s == 8.0 * PARTICIPANTS_PER_LOOP
    assert done.analysed == len(detector.shapes)
    assert set(detector.shapes) == {(64, 96, 3)}
    per_participant = done.analysed / PARTICIPANTS_PER_LOOP
    assert 2 * 2 * 5 <= per_participant <= 2 * 2 * 5 + 6
    assert done.analysed <= done.compared + PARTICIPANTS_PER_LOOP <= 40 * PARTICIPANTS_PER_LOOP
    assert done.analysed_per_participant_s == per_participant / 8


def test_the_default_pace_is_the_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIFCUE_MEDIA__MAX_ANALYSIS_FPS", "7")

    assert media_settings(None).max_analysis_fps == 7.0
    assert media_settings(5.0).max_analysis_fps == 5.0


def saturated() -> Bare:
    """Two cores for 10 s: 60 participants at 30 fps, 2 analyses per second; 0.5 ms per frame, 10 ms per analysis."""
    bare = Bare(processes=2)
    for _ in range(2):
        bare.add(
            Bare(
                frames=9000,
                compared=1000,
                analysed=600,
                media_s=300.0,
                wall_s=10.0,
                cpu_total_s=10.5,
                cpu_s={"decode": 3.6, "filter": 0.8, "resize": 0.6, "infer": 5.4},
            )
        )
    return bare


def test_the_ceiling_at_another_rate_of_analysis() -> None:
    bare = saturated()

    assert bare.participants == 60.0
    assert bare.analysed_per_participant_s == 2.0
    # Everything except analysis is the cost of every frame, the loop's own time included.
    assert bare.cpu_per_participant_s(2.0, 30.0) == pytest.approx(21.0 / 600)
    assert bare.participants_at(2.0, 30.0) == pytest.approx(60.0)
    assert bare.cpu_per_participant_s(5.0, 30.0) == pytest.approx(21.0 / 600 + 3 * 0.010)
    assert bare.participants_at(5.0, 30.0) == pytest.approx(2.1 / (0.035 + 0.030))
    assert bare.ms() == pytest.approx({"decode": 0.4, "filter": 0.8, "resize": 1.0, "infer": 9.0})
    assert report(bare, 30.0)["participants"] == 60.0


def test_shares_of_the_ceiling() -> None:
    run = {
        "participants": 30,
        "analysed_per_participant_s": 2.0,
        "cpu_cores": {"front": 0.3, "decode": 0.5, "detect": 0.7, "load generator": 0.2},
    }

    share = shares(saturated(), run, 30.0)

    assert share["ceiling_participants"] == 60.0
    assert share["by_participants"] == 0.5
    assert share["by_cpu"] == pytest.approx(0.035 * 30 / 1.5, abs=0.001)
    assert share["by_cpu_with_sender"] == pytest.approx(0.035 * 30 / 1.7, abs=0.001)
    assert share["front_share_of_cpu"] == 0.2


def _twice(connection: Connection, number: int) -> None:
    connection.send("ready")
    connection.recv()
    if number < 0:
        raise SystemExit(3)
    connection.send(2 * number)


def test_processes_answer_in_the_order_of_their_arguments() -> None:
    assert in_processes(_twice, [(1,), (2,)]) == [2, 4]


def test_a_process_that_ends_without_an_answer_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="expected an answer of the process, it ended without one"):
        in_processes(_twice, [(-1,)])
