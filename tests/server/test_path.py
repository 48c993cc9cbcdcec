"""The whole path from encoded video to reactions, with workers that are killed meanwhile."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest

from gifcue.client import Codec, Phase, Reaction, ReactionClient, ReactionStream, StreamOptions
from gifcue.sample_video.clips import EncodedClip, encode
from gifcue.server.lifecycle import Server
from tests.support.colour_detector import BLUE, GREEN, GREY, RED, colour_frames
from tests.support.sending import packets_from, send_all, send_in_step, settled, unaccounted
from tests.support.waiting import until

FPS = 5.0


@pytest.fixture(scope="module")
def smiling() -> EncodedClip:
    return encode(colour_frames(RED, 15), Codec.H264, FPS)


@pytest.fixture(scope="module")
def thumbs() -> EncodedClip:
    return encode(colour_frames(GREEN, 15), Codec.H264, FPS)


@pytest.fixture
async def stream(client: ReactionClient) -> AsyncIterator[ReactionStream]:
    async with client.open(StreamOptions(room_id="tests", send_holding=True)) as opened:
        yield opened


async def next_reaction(stream: ReactionStream, phase: Phase) -> Reaction:
    async for event in stream.events():
        if isinstance(event, Reaction) and event.phase is phase:
            return event
    raise AssertionError(f"expected a reaction that {phase}, the stream ended")


async def test_a_smile_is_held_started_with_a_gif_and_ended(
    stream: ReactionStream, smiling: EncodedClip
) -> None:
    alice = await stream.join("alice", smiling.codec, smiling.extradata, allowed_labels=["smile"])
    await send_in_step(stream, alice, smiling.packets)
    holding = await next_reaction(stream, Phase.HOLDING)
    assert 0.0 <= holding.progress < 1.0
    started = await next_reaction(stream, Phase.STARTED)
    assert started.reaction_id == holding.reaction_id
    assert (started.participant_id, started.label) == ("alice", "smile")
    assert started.score > 0.9
    assert started.gif is not None
    assert started.gif.url.startswith("/gifs/smile")
    assert smiling.packets[0].pts < started.pts <= smiling.packets[-1].pts
    await alice.leave()
    ended = await next_reaction(stream, Phase.ENDED)
    assert (ended.reaction_id, ended.end_reason) == (started.reaction_id, "left")


async def test_participants_of_a_stream_react_independently(
    stream: ReactionStream, smiling: EncodedClip, thumbs: EncodedClip
) -> None:
    labels = list(stream.ready.reaction_labels)
    alice = await stream.join("alice", smiling.codec, smiling.extradata, allowed_labels=labels)
    bob = await stream.join("bob", thumbs.codec, thumbs.extradata, allowed_labels=labels)
    carol = await stream.join("carol", thumbs.codec, thumbs.extradata, allowed_labels=["smile"])
    for packets in zip(smiling.packets, thumbs.packets, strict=True):
        for participant, packet in zip((alice, bob), packets, strict=True):
            await send_in_step(stream, participant, [packet])
        await send_in_step(stream, carol, [packets[1]])
    await stream.half_close()
    started = [
        (event.participant_id, event.label)
        async for event in stream.events()
        if isinstance(event, Reaction) and event.phase is Phase.STARTED
    ]
    assert sorted(started) == [("alice", "smile"), ("bob", "thumbs_up")]


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265, Codec.VP8, Codec.VP9, Codec.AV1, Codec.MJPEG])
async def test_every_codec_gives_the_same_reaction(stream: ReactionStream, codec: Codec) -> None:
    clip = encode(colour_frames(RED, 12), codec, FPS)
    alice = await stream.join("alice", codec, clip.extradata, allowed_labels=["smile", "thumbs_up"])
    await send_in_step(stream, alice, clip.packets)
    assert (await next_reaction(stream, Phase.STARTED)).label == "smile"
    assert unaccounted(await stream.statistics()) == []


@pytest.mark.parametrize("kind", ["decode", "detect"])
async def test_a_stream_survives_a_killed_worker(
    server: Server, stream: ReactionStream, smiling: EncodedClip, kind: str
) -> None:
    alice = await stream.join("alice", smiling.codec, smiling.extradata, allowed_labels=["smile"])
    await send_in_step(stream, alice, smiling.packets[:4])
    # Frames are in flight when the worker dies.
    await send_all(alice, smiling.packets[4:])
    await kill(server, kind)
    first = await settled(stream, "alice")
    assert first.received == len(smiling.packets)
    assert first.is_consistent

    # The video continues from a keyframe, and so do the reactions.
    await restarted(server, kind)
    later = packets_from(smiling, 60.0)
    await send_in_step(stream, alice, later)
    started = await next_reaction(stream, Phase.STARTED)
    while started.pts < later[0].pts:
        started = await next_reaction(stream, Phase.STARTED)
    assert started.label == "smile"

    counts = await settled(stream, "alice")
    assert counts.received == 2 * len(smiling.packets)
    assert counts.received == counts.analysed + sum(counts.skipped.values()) + sum(counts.dropped.values())
    assert counts.analysed > first.analysed
    everything = server.engine.statistics().frames
    assert everything.is_consistent
    assert everything.in_flight == 0


async def kill(server: Server, kind: str) -> None:
    """Kills a worker with SIGKILL, and returns once the server has noticed."""
    worker = next(each for each in server.engine.statistics().workers if each.name.startswith(kind))
    os.kill(worker.pid, signal.SIGKILL)
    await until(
        lambda: any(each.restarts > worker.restarts or each.pid != worker.pid for each in of(server, kind))
    )


async def restarted(server: Server, kind: str) -> None:
    # The loss may not have been noticed yet.
    await until(lambda: all(each.state == "ready" and each.restarts for each in of(server, kind)))


def of(server: Server, kind: str) -> list:  # type: ignore[type-arg]
    return [each for each in server.engine.statistics().workers if each.name.startswith(kind)]


async def test_a_failed_detection_drops_only_its_own_picture(stream: ReactionStream) -> None:
    frames = [*colour_frames(GREY, 3), *colour_frames(BLUE, 2), *colour_frames(RED, 12)]
    clip = encode(iter(frames), Codec.H264, FPS)
    alice = await stream.join("alice", clip.codec, clip.extradata, allowed_labels=["smile"])
    await send_in_step(stream, alice, clip.packets)
    assert (await next_reaction(stream, Phase.STARTED)).label == "smile"
    counts = await settled(stream, "alice")
    assert counts.dropped == {"detect_failed": 2}


async def test_a_drain_ends_reactions_and_closes_streams_with_ok(
    server: Server, client: ReactionClient, smiling: EncodedClip
) -> None:
    async with client.open() as stream:
        alice = await stream.join("alice", smiling.codec, smiling.extradata, allowed_labels=["smile"])
        await send_in_step(stream, alice, smiling.packets)
        stopping = asyncio.create_task(server.stop())
        phases = [event.phase async for event in stream.events() if isinstance(event, Reaction)]
        await stopping
    assert phases == [Phase.STARTED, Phase.ENDED]
    assert server.engine.statistics().frames.is_consistent


async def test_participants_who_left_stay_in_the_frame_accounting(
    server: Server, client: ReactionClient, smiling: EncodedClip
) -> None:
    async with client.open() as stream:
        alice = await stream.join("alice", smiling.codec, smiling.extradata, allowed_labels=["smile"])
        await send_all(alice, smiling.packets)
        await alice.leave()
        await settled(stream, "alice")
    await until(lambda: server.engine.statistics().sessions == 0)
    counts = server.engine.statistics().frames
    assert counts.received == len(smiling.packets)
    assert counts.is_consistent
