from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from benchmarks.footage import Footage, own_footage
from benchmarks.participants import Participant
from benchmarks.sender import FrameSource, FrameTotals, Plan, Sender, SenderResult
from benchmarks.wire import CallEnded
from gifcue.ingest.source import EncodedPacket
from gifcue.protocol.codecs import Codec
from gifcue.sample_video.clips import EncodedClip
from gifcue.server.config import load_settings
from gifcue.server.lifecycle import Server
from gifcue.v1 import media_pb2
from tests.support.colour_detector import TARGET

NO_OTHER_PORTS = {"http_listen": "", "operator_listen": "", "operator_http_listen": ""}


def packets(count: int, keyframe_every: int) -> list[EncodedPacket]:
    return [
        EncodedPacket(place * 9000, 90_000, place % keyframe_every == 0, bytes([place]))
        for place in range(count)
    ]


def plan(
    footage: list[Footage], streams: list[list[Participant]], target: str = "", **changes: float
) -> Plan:
    values = {"fps": 10.0, "warm_up_s": 0.3, "seconds": 1.0, "jitter_ms": 30.0, "seed": 7, **changes}
    return Plan(target, footage, streams, **values)  # type: ignore[arg-type]


def source(jitter_ms: float = 0.0) -> FrameSource:
    footage = Footage(EncodedClip(Codec.VP8, b"", packets(6, 3), 64, 48, 10.0), (True,) * 6)
    made = plan([footage], [], jitter_ms=jitter_ms)
    return FrameSource(made, Participant("anna", 0, 0.25), None, 100.0)  # type: ignore[arg-type]


def sent(frame: media_pb2.Frame) -> tuple[int, int, bool, int]:
    """Sequence number, pts, keyframe flag and index in the clip of a frame."""
    return frame.sequence, frame.pts, frame.keyframe, frame.payload[0]


def test_due_times_are_evenly_spaced_without_jitter() -> None:
    anna = source()

    for number in range(5):
        due_s = anna.next_due_s()
        assert due_s == pytest.approx(100.25 + number / 10)
        anna.take(due_s)


def test_jitter_delays_frames_and_keeps_their_order() -> None:
    anna, twin = source(jitter_ms=250.0), source(jitter_ms=250.0)

    for number in range(100):
        due_s = anna.next_due_s()
        assert 0 <= due_s - (100.25 + number / 10) <= 0.25
        anna.take(due_s)
        twin.take(twin.next_due_s())
    assert anna.due_s == sorted(anna.due_s)
    assert anna.due_s == twin.due_s, "expected the same jitter for the same seed"


def test_a_repeated_clip_has_increasing_timestamps() -> None:
    anna = source()

    frames = [sent(anna.take(0.0)) for _ in range(8)]

    assert [sequence for sequence, *_ in frames] == list(range(8))
    assert [pts for _, pts, *_ in frames] == [number * 9000 for number in range(8)]
    assert [place for *_, place in frames] == [0, 1, 2, 3, 4, 5, 0, 1]


def test_a_requested_keyframe_is_sent_next() -> None:
    anna = source()
    anna.take(0.0)

    anna.jump()
    assert sent(anna.take(0.0)) == (1, 9000, True, 3)
    anna.jump()
    assert sent(anna.take(0.0)) == (2, 18000, True, 0)
    assert sent(anna.take(0.0)) == (3, 27000, False, 1)


def test_the_difference_of_two_totals() -> None:
    before = FrameTotals(5, 2, 1, {"paced": 2}, {})
    after = FrameTotals(9, 4, 0, {"paced": 3}, {"superseded": 2})

    assert after.since(before) == FrameTotals(4, 2, 0, {"paced": 1}, {"superseded": 2})
    assert after.is_consistent
    assert not FrameTotals(9, 4, 0, {"paced": 3}, {}).is_consistent


@pytest.fixture
async def target() -> AsyncIterator[str]:
    settings = load_settings(
        None,
        {
            "server": {**NO_OTHER_PORTS, "listen": "127.0.0.1:0"},
            # No picture is superseded, even on a slow machine.
            "media": {"workers": 1, "late_ms": 10_000.0},
            "detect": {"workers": 1},
            "log": {"level": "error"},
        },
    )
    async with Server(settings, detector_target=TARGET) as running:
        yield f"127.0.0.1:{running.listen_port}"


async def test_every_offered_frame_is_counted_by_the_server(target: str) -> None:
    footage = own_footage(Codec.VP8, (64, 48), 10.0, (0.5, 1.0), variants=2, clip_s=2.0)
    streams = [[Participant("anna", 0, 0.0), Participant("ben", 1, 0.02)], [Participant("cleo", 0, 0.05)]]

    def send() -> SenderResult:
        with contextlib.closing(Sender(plan(footage, streams, target))) as sender:
            sender.open()
            return sender.run(time.monotonic() + 0.1)

    result = await asyncio.to_thread(send)

    counts = result.after.since(result.before)
    assert result.offered == 30
    assert counts.received == 30
    assert counts.dropped == {}
    assert result.after.is_consistent
    assert result.after.in_flight == 0
    assert len(result.late_ms) == 30
    assert 0 < len(result.latencies_ms) <= counts.analysed + result.before.in_flight
    assert min(result.latencies_ms) > 0


async def test_a_refused_stream_is_an_error() -> None:
    settings = load_settings(
        None,
        {
            "server": {**NO_OTHER_PORTS, "listen": "127.0.0.1:0", "max_streams": 1},
            "log": {"level": "error"},
        },
    )
    footage = own_footage(Codec.VP8, (64, 48), 10.0, (0.5, 1.0), variants=1, clip_s=2.0)
    async with Server(settings, detector_target=TARGET) as running:
        streams = [[Participant("anna", 0, 0.0)], [Participant("ben", 0, 0.0)]]
        made = plan(footage, streams, f"127.0.0.1:{running.listen_port}")
        with (
            contextlib.closing(Sender(made)) as sender,
            pytest.raises(CallEnded, match="expected the client to end the call first"),
        ):
            await asyncio.to_thread(sender.open)
