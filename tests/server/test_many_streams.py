"""200 WebSocket streams beside gRPC streams, and one that does not read: every frame is accounted for exactly."""

from __future__ import annotations

import asyncio
import resource
from collections import Counter

import grpc
import pytest

from gifcue.client import Codec
from gifcue.sample_video.clips import EncodedClip, encode
from gifcue.server.config import Settings
from gifcue.server.descriptors import raise_limit
from gifcue.server.lifecycle import Server
from gifcue.v1 import media_pb2
from gifcue.v1 import reaction_service_pb2 as pb
from tests.support.colour_detector import RED, TARGET, colour_frames
from tests.support.raw_streams import Over, RawStream, raw_stream
from tests.support.silent_websocket import silent_websocket
from tests.support.waiting import until

Request = pb.StreamReactionsRequest
WEBSOCKETS, GRPC_STREAMS = 200, 20
# The streams that are opened at the same time; all of them are open at the end.
OPENING = 20
# Both ends of each connection are in this process, and the port for HTTP has three eighths of the limit, of which one
# peer has half.
DESCRIPTORS = 2048


@pytest.fixture
def descriptors() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < DESCRIPTORS:
        pytest.skip(f"this process may not have {DESCRIPTORS} descriptors")
    raise_limit()


@pytest.fixture(scope="module")
def clip() -> EncodedClip:
    return encode(colour_frames(RED, 6), Codec.VP8, 5.0)


class Guest:
    """One stream with one participant."""

    def __init__(self, name: str, clip: EncodedClip, together: bool) -> None:
        self._name = name
        self._clip = clip
        # All frames in one message, or each in its own.
        self._together = together

    async def attend(
        self, stream: RawStream, opened: asyncio.Semaphore, all_open: asyncio.Barrier
    ) -> Counter[str]:
        """Sends the clip once all streams are open; returns what the server says of the frames."""
        async with opened:
            await stream.send(Request(config=pb.StreamConfig(room_id=self._name)))
            ready = await stream.read()
            assert ready is not None
            assert ready.HasField("ready")
        await all_open.wait()
        join = pb.Join(codec=media_pb2.CODEC_VP8, allowed_labels=["smile"])
        await stream.send(Request(participant=pb.ParticipantUpdate(participant_id=self._name, join=join)))
        frames = [
            media_pb2.Frame(
                participant_id=self._name,
                sequence=index,
                pts=packet.pts,
                clock_hz=packet.clock_hz,
                keyframe=packet.keyframe,
                payload=packet.payload,
            )
            for index, packet in enumerate(self._clip.packets)
        ]
        if self._together:
            await stream.send(Request(frames=pb.Frames(frames=frames)))
        else:
            for frame in frames:
                await stream.send(Request(frame=frame))
        while True:
            await stream.send(Request(statistics=pb.StatisticsRequest()))
            while (answer := await stream.read()) is not None and not answer.HasField("statistics"):
                pass
            assert answer is not None
            (each,) = answer.statistics.participants
            if not each.books.in_flight:
                break
        await stream.half_close()
        assert await stream.status() == (grpc.StatusCode.OK, "")
        books = each.books
        assert books.received == books.analysed + sum(books.skipped.values()) + sum(books.dropped.values())
        outcomes = Counter({"received": books.received, "analysed": books.analysed})
        outcomes.update({f"skipped {name}": count for name, count in books.skipped.items()})
        outcomes.update({f"dropped {name}": count for name, count in books.dropped.items()})
        return outcomes


@pytest.mark.usefixtures("descriptors")
async def test_frames_of_200_websockets_and_of_grpc_streams_are_accounted_for(
    settings: Settings, clip: EncodedClip
) -> None:
    opened, all_open = asyncio.Semaphore(OPENING), asyncio.Barrier(WEBSOCKETS + GRPC_STREAMS)
    async with (
        Server(settings, detector_target=TARGET) as server,
        silent_websocket(server.http_port) as silent,
    ):
        await silent.send(Request(config=pb.StreamConfig()))

        async def attend(number: int, over: Over) -> Counter[str]:
            async with raw_stream(server, over) as stream:
                guest = Guest(f"{over}-{number}", clip, together=number % 2 == 0)
                return await guest.attend(stream, opened, all_open)

        attending = [
            asyncio.create_task(attend(number, over))
            for over, count in ((Over.WEBSOCKET, WEBSOCKETS), (Over.GRPC, GRPC_STREAMS))
            for number in range(count)
        ]
        await until(lambda: server.engine.statistics().sessions == WEBSOCKETS + GRPC_STREAMS + 1)
        # One that does not read: more unread events than its connection holds.
        ghosts = [media_pb2.Frame(participant_id="x" * 128)] * 500
        for _ in range(8):
            await silent.send(Request(frames=pb.Frames(frames=ghosts)))
        outcomes: Counter[str] = sum(await asyncio.gather(*attending), Counter())
        assert outcomes["received"] == (WEBSOCKETS + GRPC_STREAMS) * len(clip.packets)
        assert server._streams.ended == {"OK": WEBSOCKETS + GRPC_STREAMS}
        counts = server.engine.statistics().frames
        assert counts.is_consistent
        assert counts.in_flight == 0
        unknown = counts.dropped["unknown_participant"]
        assert counts.received == outcomes["received"] + unknown
        assert counts.analysed == outcomes["analysed"]
        assert {
            **{f"skipped {name}": count for name, count in counts.skipped.items()},
            **{f"dropped {name}": count for name, count in counts.dropped.items()},
        } == {name: count for name, count in outcomes.items() if " " in name} | {
            "dropped unknown_participant": unknown
        }
