"""Misuse by a media server: each case gets its documented answer and does not affect others."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import grpc
import pytest
import pytest_asyncio

from gifcue.client import (
    Codec,
    Fault,
    FaultCode,
    KeyframeRequested,
    Participant,
    Reaction,
    ReactionClient,
    ReactionStream,
)
from gifcue.media.pool import DecodePool
from gifcue.sample_video.clips import EncodedClip, encode
from gifcue.server.lifecycle import Server
from gifcue.v1 import media_pb2
from gifcue.v1 import reaction_service_pb2 as pb
from tests.support.colour_detector import GREY, RED, colour_frames
from tests.support.raw_streams import Over, raw_stream
from tests.support.sending import send_all, send_in_step, settled, unaccounted

pytestmark = pytest.mark.asyncio(loop_scope="module")

SMILE = ["smile"]


@pytest.fixture
def server(shared_server: Server) -> Server:
    return shared_server


@pytest.fixture
def client(shared_client: ReactionClient) -> ReactionClient:
    return shared_client


@pytest.fixture(scope="module")
def clip() -> EncodedClip:
    return encode(colour_frames(RED, 12), Codec.H264, 5.0)


@pytest_asyncio.fixture(loop_scope="module")
async def stream(client: ReactionClient) -> AsyncIterator[ReactionStream]:
    async with client.open() as opened:
        yield opened


async def bystander(stream: ReactionStream, clip: EncodedClip) -> Participant:
    """Another participant of the same stream, halfway through its video."""
    participant = await stream.join("bystander", clip.codec, clip.extradata, allowed_labels=SMILE)
    await send_in_step(stream, participant, clip.packets[:6])
    return participant


async def unhurt(stream: ReactionStream, participant: Participant, clip: EncodedClip) -> None:
    """Sends the rest of the bystander's video. Every frame is analysed or skipped, none is dropped."""
    await send_in_step(stream, participant, clip.packets[6:])
    counts = await settled(stream, participant.id)
    assert counts.received == len(clip.packets)
    assert counts.dropped == {}
    assert counts.analysed > 0
    assert unaccounted(await stream.statistics()) == []


async def next_fault(stream: ReactionStream) -> Fault:
    async for event in stream.events():
        if isinstance(event, Fault):
            return event
    raise AssertionError("expected a fault, the stream ended")


CONFIG = pb.StreamReactionsRequest(config=pb.StreamConfig())
FRAME = pb.StreamReactionsRequest(frame=media_pb2.Frame(participant_id="alice", payload=b"\x00"))


@pytest.mark.parametrize(
    ("messages", "status", "words"),
    [
        ([FRAME], grpc.StatusCode.FAILED_PRECONDITION, "expected `config` as the first message, got `frame`"),
        ([CONFIG, CONFIG], grpc.StatusCode.FAILED_PRECONDITION, "expected `config` exactly once"),
        ([pb.StreamReactionsRequest()], grpc.StatusCode.FAILED_PRECONDITION, "got `an empty message`"),
        ([CONFIG, pb.StreamReactionsRequest()], grpc.StatusCode.INVALID_ARGUMENT, "got an empty message"),
        (
            [pb.StreamReactionsRequest(config=pb.StreamConfig(preset="wild"))],
            grpc.StatusCode.INVALID_ARGUMENT,
            "preset: expected one of",
        ),
        (
            [pb.StreamReactionsRequest(config=pb.StreamConfig(subject=99))],  # type: ignore[arg-type]
            grpc.StatusCode.INVALID_ARGUMENT,
            "subject: expected one of largest, centre, all, got 99",
        ),
        (
            [pb.StreamReactionsRequest(config=pb.StreamConfig(room_id="r" * 200))],
            grpc.StatusCode.INVALID_ARGUMENT,
            "room_id: expected at most 128 bytes, got 200",
        ),
        (
            [CONFIG, pb.StreamReactionsRequest(participant=pb.ParticipantUpdate(participant_id="alice"))],
            grpc.StatusCode.INVALID_ARGUMENT,
            "participant: expected one of",
        ),
        (
            [CONFIG, pb.StreamReactionsRequest(frames=pb.Frames(frames=[media_pb2.Frame()] * 513))],
            grpc.StatusCode.INVALID_ARGUMENT,
            "frames: expected at most 512 frames in a message, got 513",
        ),
        ([CONFIG, b"\xff\xff\xff"], grpc.StatusCode.INVALID_ARGUMENT, "got 3 bytes that are none"),
        # With the default settings: a frame of 2 MiB, extradata of 64 KiB, and 64 KiB for what is around them.
        ([CONFIG, bytes((2 << 20) + (128 << 10) + 1)], grpc.StatusCode.RESOURCE_EXHAUSTED, "larger"),
    ],
    ids=[
        "frame first",
        "second config",
        "empty first",
        "empty",
        "preset",
        "subject",
        "room",
        "empty update",
        "too many frames",
        "malformed",
        "oversized",
    ],
)
@pytest.mark.parametrize("over", Over)
async def test_misuse_of_the_protocol_ends_only_its_own_stream(
    server: Server,
    client: ReactionClient,
    clip: EncodedClip,
    messages: list[pb.StreamReactionsRequest | bytes],
    status: grpc.StatusCode,
    words: str,
    over: Over,
) -> None:
    async with client.open() as other:
        participant = await bystander(other, clip)
        async with raw_stream(server, over) as hostile:
            for message in messages:
                await hostile.send(message)
            code, details = await hostile.status()
        assert code is status
        assert words in details
        await unhurt(other, participant, clip)


@pytest.mark.parametrize("over", Over)
async def test_an_unknown_codec_is_a_fault(
    server: Server, stream: ReactionStream, clip: EncodedClip, over: Over
) -> None:
    other = await bystander(stream, clip)
    join = pb.ParticipantUpdate(participant_id="alice", join=pb.Join(codec=99, allowed_labels=SMILE))  # type: ignore[arg-type]
    async with raw_stream(server, over) as raw:
        await raw.send(CONFIG)
        await raw.send(pb.StreamReactionsRequest(participant=join))
        await raw.read()  # ready
        answer = await raw.read()
        assert answer is not None
        fault = answer.fault
        await raw.half_close()
        assert fault.code == pb.FAULT_CODE_UNSUPPORTED_CODEC
        assert fault.participant_id == "alice"
        assert "expected one of H264" in fault.message
        assert await raw.status() == (grpc.StatusCode.OK, "")
    await unhurt(stream, other, clip)


async def test_a_payload_of_0_bytes_is_a_fault(stream: ReactionStream, clip: EncodedClip) -> None:
    other = await bystander(stream, clip)
    alice = await stream.join("alice", clip.codec, clip.extradata, allowed_labels=SMILE)
    first, *rest = clip.packets
    await send_in_step(stream, alice, [first])
    await alice.send(b"", pts=first.pts + 1, clock_hz=first.clock_hz, keyframe=False)
    fault = await next_fault(stream)
    assert (fault.participant_id, fault.code) == ("alice", FaultCode.EMPTY_PAYLOAD)
    assert fault.message == "expected an encoded access unit, got 0 bytes"
    # The following frames depend on the missing one, until the next keyframe.
    await send_in_step(stream, alice, [rest[0], first])
    counts = await settled(stream, "alice")
    assert counts.dropped == {"empty_payload": 1, "awaiting_keyframe": 1}
    await unhurt(stream, other, clip)


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265, Codec.VP8, Codec.VP9, Codec.AV1, Codec.JPEG])
async def test_random_bytes_are_a_fault(stream: ReactionStream, clip: EncodedClip, codec: Codec) -> None:
    other = await bystander(stream, clip)
    alice = await stream.join("alice", codec, b"", allowed_labels=SMILE)
    noise = random.Random(7)
    for index in range(5):
        await alice.send(noise.randbytes(900), pts=index * 18_000, clock_hz=90_000, keyframe=True)
    counts = await settled(stream, "alice")
    assert counts.received == 5
    assert counts.analysed == 0
    assert counts.dropped.get("invalid_data", 0) >= 1
    fault = await next_fault(stream)
    assert (fault.participant_id, fault.code) == ("alice", FaultCode.INVALID_DATA)
    await unhurt(stream, other, clip)


async def test_a_frame_of_an_unknown_participant_is_a_fault(
    stream: ReactionStream, clip: EncodedClip
) -> None:
    other = await bystander(stream, clip)
    ghost = await stream.join("ghost", clip.codec, clip.extradata, allowed_labels=SMILE)
    await ghost.leave()
    await send_all(ghost, clip.packets[:1])
    fault = await next_fault(stream)
    assert (fault.participant_id, fault.code) == ("ghost", FaultCode.UNKNOWN_PARTICIPANT)
    await unhurt(stream, other, clip)


@pytest.mark.parametrize(
    ("name", "labels", "extradata", "code", "words"),
    [
        ("", SMILE, b"", FaultCode.INVALID_ARGUMENT, "1 to 128 bytes, got 0"),
        ("a" * 129, SMILE, b"", FaultCode.INVALID_ARGUMENT, "1 to 128 bytes, got 129"),
        ("alice", ["smile"] * 257, b"", FaultCode.INVALID_LABEL, "at most 256 labels, got 257"),
        ("alice", SMILE, bytes(70_000), FaultCode.INVALID_EXTRADATA, "got 70000"),
        ("alice", SMILE, b"\x01\x02", FaultCode.INVALID_EXTRADATA, "expected"),
    ],
)
async def test_a_wrong_join_is_a_fault(
    stream: ReactionStream,
    clip: EncodedClip,
    name: str,
    labels: list[str],
    extradata: bytes,
    code: FaultCode,
    words: str,
) -> None:
    other = await bystander(stream, clip)
    await stream.join(name, Codec.H264, extradata, allowed_labels=labels)
    fault = await next_fault(stream)
    assert fault.code is code
    assert words in fault.message
    await unhurt(stream, other, clip)


async def test_one_participant_too_many_is_a_fault(stream: ReactionStream, clip: EncodedClip) -> None:
    other = await bystander(stream, clip)
    for index in range(4):
        await stream.join(f"guest-{index}", clip.codec, b"", allowed_labels=SMILE)
    fault = await next_fault(stream)
    assert (fault.participant_id, fault.code) == ("guest-3", FaultCode.TOO_MANY_PARTICIPANTS)
    await unhurt(stream, other, clip)


async def test_a_gap_waits_for_a_keyframe_and_asks_for_one(stream: ReactionStream, clip: EncodedClip) -> None:
    alice = await stream.join("alice", clip.codec, clip.extradata, allowed_labels=SMILE)
    await send_in_step(stream, alice, clip.packets[:3])
    alice.mark_lost(1)
    await send_in_step(stream, alice, clip.packets[4:6])
    async for event in stream.events():
        if isinstance(event, KeyframeRequested):
            assert (event.participant_id, event.reason) == ("alice", "sequence_gap")
            break
    counts = await settled(stream, "alice")
    assert counts.dropped == {"sequence_gap": 1, "awaiting_keyframe": 1}
    await send_in_step(stream, alice, clip.packets[:1])
    assert (await settled(stream, "alice")).dropped == counts.dropped


async def test_nothing_is_decoded_before_a_label_is_allowed(client: ReactionClient) -> None:
    grey = encode(colour_frames(GREY, 4), Codec.H264, 5.0, keyframe_interval=1)
    async with client.open() as stream:
        alice = await stream.join("alice", grey.codec, grey.extradata, allowed_labels=[])
        await send_in_step(stream, alice, grey.packets[:2])
        assert (await settled(stream, "alice")).dropped == {"not_allowed": 2}
        await alice.set_allowed(SMILE)
        await send_in_step(stream, alice, grey.packets[2:])
        counts = await settled(stream, "alice")
        assert counts.dropped == {"not_allowed": 2}
        assert counts.analysed >= 1


async def test_decoder_state_is_discarded_with_the_last_label(
    stream: ReactionStream, clip: EncodedClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    started_over: list[int] = []
    own = DecodePool.start_over

    def start_over(pool: DecodePool, key: int) -> None:
        started_over.append(key)
        own(pool, key)

    monkeypatch.setattr(DecodePool, "start_over", start_over)
    alice = await stream.join("alice", clip.codec, clip.extradata, allowed_labels=SMILE)
    await send_in_step(stream, alice, clip.packets[:3])
    await alice.set_allowed([])
    await alice.set_allowed(SMILE)
    await send_in_step(stream, alice, clip.packets[3:5])
    async for event in stream.events():
        if isinstance(event, KeyframeRequested):
            assert (event.participant_id, event.reason) == ("alice", "allowed")
            break
    assert (await settled(stream, "alice")).dropped == {"awaiting_keyframe": 2}
    assert len(started_over) == 1
    await send_in_step(stream, alice, clip.packets[:2])
    assert (await settled(stream, "alice")).dropped == {"awaiting_keyframe": 2}


async def reactions_and_faults(stream: ReactionStream, participant: Participant) -> list[str]:
    """Leaves and ends the stream. Returns the reactions and faults since then, in order."""
    await participant.leave()
    await stream.half_close()
    return [
        f"{event.label} {event.phase} {event.end_reason}".strip()
        if isinstance(event, Reaction)
        else event.code.value
        async for event in stream.events()
        if isinstance(event, Reaction | Fault)
    ]


async def test_an_update_with_an_unknown_label_revokes_the_labels_it_omits(
    stream: ReactionStream, clip: EncodedClip
) -> None:
    alice = await stream.join("alice", clip.codec, clip.extradata, allowed_labels=["smile", "wave"])
    await send_in_step(stream, alice, clip.packets[:10])
    await alice.set_allowed(["wavee"])
    await send_in_step(stream, alice, clip.packets[10:])
    assert (await settled(stream, "alice")).dropped == {"not_allowed": 2}
    assert await reactions_and_faults(stream, alice) == [
        "smile started",
        "smile ended not_allowed",
        "invalid_label",
    ]


async def test_a_join_or_update_with_an_unknown_label_keeps_the_known_ones(
    stream: ReactionStream, clip: EncodedClip
) -> None:
    alice = await stream.join("alice", clip.codec, clip.extradata, allowed_labels=["smile", "smlie", "face"])
    bob = await stream.join("bob", clip.codec, clip.extradata, allowed_labels=["wave"])
    await bob.set_allowed(["smile", "wavee"])
    carol = await stream.join("carol", clip.codec, clip.extradata, allowed_labels=["smlie"])
    for participant in (alice, bob, carol):
        await send_in_step(stream, participant, clip.packets)
    # Nothing of a participant is decoded that agreed to nothing that the server knows.
    assert (await settled(stream, "carol")).dropped == {"not_allowed": len(clip.packets)}
    await bob.leave()
    assert await reactions_and_faults(stream, alice) == [
        "invalid_label",
        "invalid_label",
        "invalid_label",
        "smile started",
        "smile started",
        "smile ended left",
        "smile ended left",
    ]


async def test_a_refused_second_join_revokes_the_labels_it_omits(
    stream: ReactionStream, clip: EncodedClip
) -> None:
    alice = await stream.join("alice", clip.codec, clip.extradata, allowed_labels=["smile", "wave"])
    await stream.join("alice", clip.codec, bytes(70_000), allowed_labels=["wave", "thumbs_upp"])
    await send_in_step(stream, alice, clip.packets)
    assert (await settled(stream, "alice")).dropped == {}
    assert await reactions_and_faults(stream, alice) == ["invalid_extradata"]


async def test_concurrent_streams_do_not_affect_each_other(client: ReactionClient, clip: EncodedClip) -> None:
    async def one(name: str) -> int:
        async with client.open() as stream:
            alice = await stream.join(name, clip.codec, clip.extradata, allowed_labels=SMILE)
            await send_in_step(stream, alice, clip.packets)
            counts = (await stream.statistics()).total
            assert [each.participant_id for each in (await stream.statistics()).participants] == [name]
            return counts.received

    received = await asyncio.gather(*(one(f"alice-{index}") for index in range(6)))
    assert received == [len(clip.packets)] * 6
