"""A held smile on real servers, of which one is killed and one is drained meanwhile. Its GIF is delivered once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.server_process import free_port
from gifcue.client import Backoff, Codec, Phase, Reaction, ReactionClient, StreamOptions
from gifcue.client.exceptions import ClientError
from gifcue.client.reconnecting import ReconnectingStream
from gifcue.client.reconnecting_participant import ReconnectingParticipant
from gifcue.sample_video.clips import encode
from tests.support.colour_detector import GREY, RED, colour_frames
from tests.support.deliveries import SECRET
from tests.support.fake_meeting_api import FakeMeetingApi
from tests.support.real_server import RealServer
from tests.support.sending import packets_from
from tests.support.waiting import TIMEOUT_S

FPS = 5.0
FRAMES = 15
# Analysed frames after which a server has gone on: more than a smile needs to start.
MANY = 8
# A machine that is busy must not end the smile: a reaction without a frame ends this and 0.75 s later.
SETTINGS = """
[expert.reactions.labels.smile]
release_s = 5.0
[delivery]
public_url = "https://cues.example.org"
[delivery.webhook]
url = "{receiver}/hook"
secret = "{secret}"
"""


@pytest.fixture
async def receiver() -> AsyncIterator[FakeMeetingApi]:
    async with FakeMeetingApi() as api:
        yield api


@pytest.fixture
def servers(tmp_path: Path, receiver: FakeMeetingApi) -> Iterator[list[RealServer]]:
    settings = SETTINGS.format(receiver=receiver.url, secret=SECRET)
    made = [RealServer(tmp_path / f"{n}", free_port(), free_port(), free_port(), settings) for n in range(2)]
    for each in made:
        each.start()
    yield made
    for each in made:
        each.kill()


class Ada:
    """A participant that sends a clip again and again, each frame once the one before has arrived. Every frame is a
    keyframe, so that a busy machine that drops one leaves no gap.
    """

    def __init__(self, stream: ReconnectingStream, participant: ReconnectingParticipant) -> None:
        self._stream = stream
        self._participant = participant
        self._clips = {
            colour: encode(colour_frames(colour, FRAMES), Codec.MJPEG, FPS) for colour in (RED, GREY)
        }
        self._rounds = 0

    async def show(self, colour: tuple[int, int, int], until: Callable[[], bool]) -> None:
        """Sends whole clips until the condition holds."""
        async with asyncio.timeout(TIMEOUT_S):
            while not until():
                await self._stream.wait_connected()
                clip = self._clips[colour]
                for packet in packets_from(clip, self._rounds * FRAMES / FPS):
                    await self._participant.send(packet.payload, packet.pts, packet.clock_hz, packet.keyframe)
                    await self.analysed()
                self._rounds += 1

    async def analysed(self) -> int:
        """Frames that the present server has analysed, once none is in flight; 0 without a server. Frames that come
        faster than they are analysed replace each other, and those that are left would lie too far apart.
        """
        while True:
            try:
                frames = (await self._stream.statistics()).participant("ada").frames
            except (ClientError, KeyError):
                return 0
            if not frames.in_flight:
                return frames.analysed


async def deliveries_of(server: RealServer) -> str:
    """The metric of what the server has handed to the webhook."""
    async with ReactionClient(server.operator_target) as operator:
        lines = (await operator.metrics()).splitlines()
    (line,) = [each for each in lines if each.startswith("gifcue_delivery_handed_total")]
    return line


async def test_a_held_smile_outlives_a_killed_and_a_drained_server(
    servers: list[RealServer], receiver: FakeMeetingApi
) -> None:
    for each in servers:
        await each.wait_until_serving()
    events: list[Reaction] = []

    async def read(stream: ReconnectingStream) -> None:
        async for event in stream.events():
            if isinstance(event, Reaction):
                events.append(event)

    async with (
        ReactionClient([each.target for each in servers]) as client,
        client.reconnecting(StreamOptions(room_id="weekly"), Backoff(first_s=0.05)) as stream,
    ):
        reader = asyncio.create_task(read(stream))
        participant = await stream.join("ada", Codec.MJPEG, allowed_labels=["smile"])
        ada = Ada(stream, participant)
        await ada.show(RED, lambda: bool(events))
        used = [each for each in servers if stream.ready.session_id in await each.session_ids()]
        (first,) = used
        second = servers[1 - servers.index(first)]

        async def goes_on(connections: int) -> None:
            while await ada.analysed() < MANY or stream.connections < connections:
                await ada.show(RED, iter([False, True]).__next__)

        await receiver.arrived(1)
        first.kill()
        await goes_on(2)
        first.start()
        serving = asyncio.create_task(first.wait_until_serving())
        await ada.show(RED, serving.done)
        await serving
        async with ReactionClient(second.operator_target) as operator:
            await operator.drain()
        await goes_on(3)
        await ada.show(GREY, lambda: len(events) > 1)
    await reader
    assert [(each.phase, each.end_reason) for each in events] == [
        (Phase.STARTED, ""),
        (Phase.ENDED, "released"),
    ]
    assert events[0].reaction_id == events[1].reaction_id
    assert [each.gif is not None for each in events] == [True, False]
    keys = [each.values["idempotency_key"] for each in receiver.received]
    assert keys == [f"{events[0].reaction_id}:started"]
    # The servers to which it moved have nothing to deliver.
    for each in servers:
        assert await deliveries_of(each) == 'gifcue_delivery_handed_total{sink="webhook"} 0.0'
