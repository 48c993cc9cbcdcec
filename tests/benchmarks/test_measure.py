from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from benchmarks.footage import Footage, own_footage
from benchmarks.measure import Load, figures, plans
from benchmarks.sender import FrameTotals, SenderResult
from benchmarks.server_process import ProcessCost, spent, summed, worker_kind
from gifcue.ingest.source import EncodedPacket
from gifcue.protocol.codecs import Codec
from gifcue.sample_video.clips import EncodedClip
from gifcue.sample_video.photo import MOVING_S, STILL_S

CLIP = EncodedClip(Codec.VP8, b"", [EncodedPacket(0, 90_000, True, b"key")], 64, 48, 10.0)
FOOTAGE = [Footage(CLIP, (True,))]


def load(**changes: Any) -> Load:
    return Load(
        **{"participants": 2, "fps": 10.0, "seconds": 4.0, "footage": FOOTAGE, "warm_up_s": 1.0, **changes}
    )


def test_channels_have_the_rooms_of_the_load() -> None:
    made = plans(load(participants=7, mcus=3, senders=2, rooms=("a", "b", "c", "more")), "host:1")

    assert [plan.rooms for plan in made] == [("a", "c"), ("b",)]


def test_participants_and_channels_are_assigned_in_turn() -> None:
    made = plans(load(participants=7, mcus=3, senders=2), "host:1")

    names = [[[participant.name for participant in stream] for stream in plan.streams] for plan in made]
    assert names == [
        [
            ["participant-0", "participant-3", "participant-6"],
            ["participant-2", "participant-5"],
        ],
        [["participant-1", "participant-4"]],
    ]


def test_no_stream_has_more_participants_than_a_server_takes() -> None:
    (plan,) = plans(load(participants=150, mcus=2), "host:1")

    assert [len(stream) for stream in plan.streams] == [50, 50, 50]


def test_participants_of_the_same_footage_begin_at_different_times() -> None:
    (plan,) = plans(load(participants=40, footage=FOOTAGE * 4), "host:1")

    begins: dict[int, list[float]] = {}
    for participant in plan.streams[0]:
        begins.setdefault(participant.footage, []).append(participant.offset_s)
    assert sorted(begins) == [0, 1, 2, 3]
    between_s = (STILL_S + MOVING_S) / 4
    for offsets in begins.values():
        ordered = sorted(offsets)
        gaps = [later - earlier for earlier, later in itertools.pairwise(ordered)]
        assert min(gaps) > 0.01
        assert max(gaps) < between_s / 4
        # All participants send before the measured time begins.
        assert ordered[-1] < plan.warm_up_s - 1.0 + 0.1


@pytest.mark.parametrize("field", ["participants", "fps", "seconds", "mcus", "senders"])
def test_zero_is_refused(field: str) -> None:
    with pytest.raises(ValueError, match=f"{field}: expected more than 0, got 0"):
        load(**{field: 0})


def test_generated_footage_marks_the_frames_in_motion() -> None:
    first, second = own_footage(Codec.VP8, (64, 48), 10.0, (1.0, 2.0), variants=2, clip_s=STILL_S + MOVING_S)

    assert first.moving == (False,) * 21 + (True,) * 19
    assert second.moving is not None
    assert sum(second.moving) == 19
    assert second.moving[0] is False
    assert second.moving[1] is True
    assert [place for place, each in enumerate(first.clip.packets) if each.keyframe] == [0, 10, 20, 30]
    assert [place for place, each in enumerate(second.clip.packets) if each.keyframe] == [0, 20]


def test_the_report_counts_only_the_measured_time() -> None:
    before = FrameTotals(
        received=10, analysed=4, in_flight=1, skipped={"paced": 4}, dropped={"superseded": 1}
    )
    after = FrameTotals(
        received=88,
        analysed=36,
        in_flight=1,
        skipped={"paced": 44, "similar": 2},
        dropped={"superseded": 3, "no_slot": 2},
    )
    result = SenderResult(
        offered=80,
        latencies_ms=[20.0] * 30,
        late_ms=[1.0, 3.0],
        moving_s=[2.0, 4.0, 0.0],
        moving_analysed=[8, 12, 0],
        before=before,
        after=after,
        cpu_s=0.4,
    )
    costs = [ProcessCost("front", 2.0, 50, 30, 40), ProcessCost("decode", 1.0, 5, 3, 4)]

    report = figures(load(), [result], costs, window_s=4.0)

    assert report["received"] == 78
    assert report["lost_on_the_way"] == 2
    assert report["analysed"] == 32
    assert report["skipped"] == {"paced": 40, "similar": 2}
    assert report["dropped"] == {"superseded": 2, "no_slot": 2}
    assert report["consistent"]
    # Dropped, lost on the way and still in flight: none of these was decided.
    assert report["due_to_decision_ms"]["missing"] == 4 + 2 + 1
    assert report["due_to_decision_ms"]["p50"] == 20.0
    assert report["due_to_decision_ms"]["p95"] is None
    assert report["analysed_moving_s"] == {"least": 3.0, "mean": 3.5}
    assert report["analysed_per_participant_s"] == 4.0
    assert report["cpu_cores"] == {"front": 0.5, "decode": 0.25, "load generator": 0.1}
    json.dumps(report, allow_nan=False)


def test_inconsistent_frame_counts_are_reported() -> None:
    result = SenderResult(offered=3, after=FrameTotals(received=3, analysed=2))

    assert not figures(load(), [result], [], window_s=1.0)["consistent"]


def test_workers_of_one_kind_are_summed_up() -> None:
    command = ["python", "-P", "-m", "gifcue.workers.child", "decode-1", "gifcue.media.worker:main", "7"]

    assert worker_kind(command) == "decode"
    assert worker_kind(["something"]) == "something"
    assert worker_kind([]) == "unknown"
    costs = [ProcessCost("decode", 1.0, 10, 5, 7), ProcessCost("decode", 2.0, 20, 6, 8)]
    assert summed(costs) == [ProcessCost("decode", 3.0, 30, 11, 15)]
    later = [ProcessCost("decode", 4.5, 1, 2, 3), ProcessCost("new", 1.0, 1, 1, 1)]
    assert spent(summed(costs), later) == [
        ProcessCost("decode", 1.5, 1, 2, 3),
        ProcessCost("new", 1.0, 1, 1, 1),
    ]
