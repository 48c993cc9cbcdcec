from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from benchmarks.footage import Footage, own_footage
from benchmarks.seats import Seat
from benchmarks.sender import Plan, Seen, Sender, Tally, _Participant
from benchmarks.wire import CallEnded
from gifcue.ingest.source import EncodedPacket
from gifcue.protocol.codecs import Codec
from gifcue.sample_video.clips import EncodedClip
from gifcue.server.config import load_settings
from gifcue.server.lifecycle import Server
from gifcue.v1 import media_pb2
from tests.support.colour_detector import TARGET


def packets(count: int, keyframe_every: int) -> list[EncodedPacket]:
    return [
        EncodedPacket(place * 9000, 90_000, place % keyframe_every == 0, bytes([place]))
        for place in range(count)
    ]


def plan(footage: list[Footage], streams: list[list[Seat]], target: str = "", **changes: float) -> Plan:
    values = {"fps": 10.0, "warm_up_s": 0.3, "seconds": 1.0, "jitter_ms": 30.0, "seed": 7, **changes}
    return Plan(target, footage, streams, **values)  # type: ignore[arg-type]


def participant(jitter_ms: float = 0.0) -> _Participant:
    footage = Footage(EncodedClip(Codec.VP8, b"", packets(6, 3), 64, 48, 10.0), (True,) * 6)
    made = plan([footage], [], jitter_ms=jitter_ms)
    return _Participant(made, Seat("somebody", 0, 0.25), None, 100.0)  # type: ignore[arg-type]


def sent(frame: media_pb2.Frame) -> tuple[int, int, bool, int]:
    """Sequence number, pts, keyframe and place in the clip of a frame."""
    return frame.sequence, frame.pts, frame.keyframe, frame.payload[0]


def test_due_times_are_laid_down_whenever_frames_are_taken() -> None:
    somebody = participant()

    for number in range(5):
        due_s = somebody.next_due_s()
        assert due_s == pytest.approx(100.25 + number / 10)
        somebody.take(due_s)


def test_jitter_delays_frames_and_never_swaps_them() -> None:
    somebody, twin = participant(jitter_ms=250.0), participant(jitter_ms=250.0)

    for number in range(100):
        due_s = somebody.next_due_s()
        assert 0 <= due_s - (100.25 + number / 10) <= 0.25
        somebody.take(due_s)
        twin.take(twin.next_due_s())
    assert somebody.due_s == sorted(somebody.due_s)
    assert somebody.due_s == twin.due_s, "expected the same jitter of the same seed"


def test_a_clip_goes_round_with_time_that_goes_on() -> None:
    somebody = participant()

    frames = [sent(somebody.take(0.0)) for _ in range(8)]

    assert [sequence for sequence, *_ in frames] == list(range(8))
    assert [pts for _, pts, *_ in frames] == [number * 9000 for number in range(8)]
    assert [place for *_, place in frames] == [0, 1, 2, 3, 4, 5, 0, 1]


def test_a_keyframe_asked_for_comes_next() -> None:
    somebody = participant()
    somebody.take(0.0)

    somebody.jump()
    assert sent(somebody.take(0.0)) == (1, 9000, True, 3)
    somebody.jump()
    assert sent(somebody.take(0.0)) == (2, 18000, True, 0)
    assert sent(somebody.take(0.0)) == (3, 27000, False, 1)


def test_books_since_a_moment() -> None:
    before = Tally(5, 2, 1, {"paced": 2}, {})
    after = Tally(9, 4, 0, {"paced": 3}, {"superseded": 2})

    assert after.since(before) == Tally(4, 2, 0, {"paced": 1}, {"superseded": 2})
    assert after.is_balanced
    assert not Tally(9, 4, 0, {"paced": 3}, {}).is_balanced


@pytest.fixture
async def target() -> AsyncIterator[str]:
    settings = load_settings(
        None,
        {
            "server": {"listen": "127.0.0.1:0", "http_listen": ""},
            # No picture is replaced by a newer one, however slow the machine.
            "media": {"workers": 1, "late_ms": 10_000.0},
            "detect": {"workers": 1},
            "log": {"level": "error"},
        },
    )
    async with Server(settings, detector_target=TARGET) as running:
        yield f"127.0.0.1:{running.listen_port}"


async def test_every_frame_offered_is_in_the_servers_books(target: str) -> None:
    footage = own_footage(Codec.VP8, (64, 48), 10.0, (0.5, 1.0), variants=2, clip_s=2.0)
    streams = [[Seat("anna", 0, 0.0), Seat("ben", 1, 0.02)], [Seat("cleo", 0, 0.05)]]

    def send() -> Seen:
        with contextlib.closing(Sender(plan(footage, streams, target))) as sender:
            sender.open()
            return sender.run(time.monotonic() + 0.1)

    seen = await asyncio.to_thread(send)

    books = seen.after.since(seen.before)
    assert seen.offered == 30
    assert books.received == 30
    assert books.dropped == {}
    assert seen.after.is_balanced
    assert seen.after.in_flight == 0
    assert len(seen.late_ms) == 30
    assert 0 < len(seen.latencies_ms) <= books.analysed + seen.before.in_flight
    assert min(seen.latencies_ms) > 0


async def test_a_server_that_refuses_a_stream_is_told() -> None:
    settings = load_settings(
        None,
        {
            "server": {"listen": "127.0.0.1:0", "http_listen": "", "max_streams": 1},
            "log": {"level": "error"},
        },
    )
    footage = own_footage(Codec.VP8, (64, 48), 10.0, (0.5, 1.0), variants=1, clip_s=2.0)
    async with Server(settings, detector_target=TARGET) as running:
        streams = [[Seat("anna", 0, 0.0)], [Seat("ben", 0, 0.0)]]
        made = plan(footage, streams, f"127.0.0.1:{running.listen_port}")
        with (
            contextlib.closing(Sender(made)) as sender,
            pytest.raises(CallEnded, match="ended it first"),
        ):
            await asyncio.to_thread(sender.open)
