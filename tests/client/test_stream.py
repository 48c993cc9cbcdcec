from __future__ import annotations

import asyncio

import grpc
import pytest

from gifcue.client import (
    Codec,
    ConnectionOptions,
    Draining,
    Fault,
    FaultCode,
    KeyframeRequested,
    Participant,
    Phase,
    Reaction,
    ReactionClient,
    Ready,
    SlowDown,
    StreamOptions,
    SubjectPolicy,
)
from gifcue.client.exceptions import (
    InvalidRequest,
    ServerBusy,
    ServerTimeout,
    ServerUnavailable,
    StreamCancelled,
    StreamClosed,
)
from gifcue.testing import FakeServer
from gifcue.v1 import media_pb2, reaction_service_pb2

# The longest time that a test waits for an expected event, in seconds.
TIMEOUT_S = 30.0

CONFIG = StreamOptions(room_id="weekly", client_name="test/1", preset="careful", send_holding=True)


async def test_the_config_goes_first_and_once(server: FakeServer, client: ReactionClient) -> None:
    async with client.open(CONFIG) as stream:
        assert stream.ready.preset == "careful"
        assert stream.ready.reaction_labels == ("smile", "thumbs_up", "wave")
        assert stream.ready.limits.max_fps == 60
        alice = await stream.join("alice", Codec.VP8, allowed_labels=["smile"])
        await alice.send(b"k", pts=0, keyframe=True)
    kinds = [request.WhichOneof("message") for request in server.service.streams[0].requests]
    assert kinds == ["config", "participant", "frame"]
    config = server.service.streams[0].requests[0].config
    assert (config.room_id, config.client_name, config.send_holding) == ("weekly", "test/1", True)
    assert not config.HasField("speaking_suppresses_hands")
    assert config.subject == reaction_service_pb2.SUBJECT_POLICY_UNSPECIFIED


@pytest.mark.parametrize("suppresses", [True, False])
@pytest.mark.parametrize("subject", list(SubjectPolicy))
async def test_the_rooms_settings_are_in_the_config(
    server: FakeServer, client: ReactionClient, suppresses: bool, subject: SubjectPolicy
) -> None:
    async with client.open(StreamOptions(speaking_suppresses_hands=suppresses, subject=subject)):
        pass
    config = server.service.streams[0].requests[0].config
    assert config.HasField("speaking_suppresses_hands")
    assert config.speaking_suppresses_hands is suppresses
    assert reaction_service_pb2.SubjectPolicy.Name(config.subject) == f"SUBJECT_POLICY_{subject.name}"


@pytest.mark.parametrize("codec", list(Codec))
async def test_every_codec_has_its_name_on_the_wire(
    server: FakeServer, client: ReactionClient, codec: Codec
) -> None:
    async with client.open() as stream:
        await stream.join("alice", codec, extradata=b"header", allowed_labels=["wave", "smile"])
    join = server.service.streams[0].joins["alice"]
    assert media_pb2.Codec.Name(join.codec) == f"CODEC_{codec.name}"
    assert join.extradata == b"header"
    assert list(join.allowed_labels) == ["wave", "smile"]


async def test_frames_count_up_and_a_loss_leaves_a_gap(server: FakeServer, client: ReactionClient) -> None:
    async with client.open() as stream:
        alice = await stream.join("alice", Codec.H264)
        bob = await stream.join("bob", Codec.H264)
        assert await alice.send(b"0", pts=0, keyframe=True) == 0
        assert await bob.send(bytearray(b"1"), pts=5, clock_hz=1000) == 0
        assert await alice.send(memoryview(b"2"), pts=3000) == 1
        alice.mark_lost(2)
        assert alice.next_sequence == 4
        assert await alice.send(b"3", pts=9000) == 4
        with pytest.raises(ValueError, match="1 or more"):
            alice.mark_lost(0)
    frames = server.service.streams[0].frames
    assert [(f.participant_id, f.sequence, f.pts, f.clock_hz, f.keyframe, f.payload) for f in frames] == [
        ("alice", 0, 0, 90_000, True, b"0"),
        ("bob", 0, 5, 1000, False, b"1"),
        ("alice", 1, 3000, 90_000, False, b"2"),
        ("alice", 4, 9000, 90_000, False, b"3"),
    ]


async def test_reactions_come_in_order_with_their_gif(client: ReactionClient) -> None:
    async with client.open(CONFIG) as stream:
        alice = await stream.join("alice", Codec.H264, allowed_labels=["smile"])
        await alice.send(b"k", pts=45_000, keyframe=True)
        await stream.half_close()
        events = [event async for event in stream.events()]
    assert isinstance(events[0], Ready)
    reactions = [event for event in events if isinstance(event, Reaction)]
    assert [event.phase for event in reactions] == [Phase.HOLDING, Phase.STARTED, Phase.ENDED]
    holding, started, ended = reactions
    assert holding.progress == 0.5
    assert holding.gif is None
    assert started.gif is not None
    assert started.gif.title == "A smile"
    assert started.at_s == 0.5
    assert started.box.ymax == pytest.approx(0.5)
    assert ended.end_reason == "left"
    assert {event.reaction_id for event in reactions} == {"r-alice"}


async def test_participant_updates_reach_the_server(server: FakeServer, client: ReactionClient) -> None:
    async with client.open() as stream:
        alice = await stream.join("alice", Codec.H264)
        await alice.set_speaking(True)
        await alice.set_allowed(["wave"])
        assert await alice.dismiss("r-alice") is True
        await alice.leave()
    updates = [r.participant for r in server.service.streams[0].requests[1:]]
    assert [update.WhichOneof("update") for update in updates] == [
        "join",
        "speaking",
        "allowed",
        "dismiss",
        "leave",
    ]
    assert updates[1].speaking.speaking
    assert list(updates[2].allowed.labels) == ["wave"]
    assert updates[3].dismiss.reaction_id == "r-alice"


async def test_a_dismissed_reaction_ends_and_an_unknown_one_is_a_fault(client: ReactionClient) -> None:
    async with client.open() as stream:
        alice = await stream.join("alice", Codec.H264, allowed_labels=["smile"])
        await alice.send(b"key", pts=0, keyframe=True)
        await alice.dismiss("r-alice")
        await alice.dismiss("r-bob")
        await stream.half_close()
        events = [event async for event in stream.events()]
    reactions = [event for event in events if isinstance(event, Reaction)]
    assert [event.phase for event in reactions] == [Phase.STARTED, Phase.ENDED]
    assert reactions[-1].end_reason == "dismissed"
    assert [event.code for event in events if isinstance(event, Fault)] == [FaultCode.INVALID_ARGUMENT]


async def test_a_server_that_knows_no_dismissals_gets_none(
    server: FakeServer, client: ReactionClient
) -> None:
    server.service.features = ("resume",)
    async with client.open() as stream, client.reconnecting() as moving:
        for opened in (stream, moving):
            alice = await opened.join("alice", Codec.H264)
            assert await alice.dismiss("r-alice") is False
    for seen in server.service.streams:
        assert [each.WhichOneof("message") for each in seen.requests] == ["config", "participant"]
        assert seen.requests[1].participant.HasField("join")


async def test_a_keyframe_request_is_an_event_a_callback_and_a_flag(
    server: FakeServer, client: ReactionClient
) -> None:
    requests: list[KeyframeRequested] = []
    async with client.open() as stream:
        alice = await stream.join("alice", Codec.H264, on_keyframe_request=requests.append)
        await stream.join("bob", Codec.H264, on_keyframe_request=lambda _: pytest.fail("bob was asked"))
        fake = await server.service.stream(0)
        fake.answer(
            control=reaction_service_pb2.StreamControl(
                keyframe=reaction_service_pb2.KeyframeRequest(participant_id="alice", reason="sequence_gap")
            )
        )
        wanted = KeyframeRequested("alice", "sequence_gap")
        async for event in stream.events():
            if event == wanted:
                break
        assert requests == [wanted]
        assert alice.keyframe_wanted
        await alice.send(b"inter", pts=0)
        assert alice.keyframe_wanted
        await alice.send(b"key", pts=1, keyframe=True)
        assert not alice.keyframe_wanted


async def test_faults_and_controls(server: FakeServer, client: ReactionClient) -> None:
    async with client.open() as stream:
        fake = await server.service.stream(0)
        pb = reaction_service_pb2
        fake.answer(
            fault=pb.ParticipantFault(
                participant_id="bob",
                code=pb.FAULT_CODE_INVALID_DATA,
                message="expected VP8",
                sequence=7,
                count=3,
            )
        )
        fake.answer(control=pb.StreamControl(slow_down=pb.SlowDown(max_fps=15, reason="overload")))
        fake.answer(control=pb.StreamControl(drain=pb.Drain(deadline_ms=5000)))
        fake.end()
        events = [event async for event in stream.events()]
    assert events[1:] == [
        Fault("bob", FaultCode.INVALID_DATA, "expected VP8", 7, 3),
        SlowDown("", 15.0, "overload"),
        Draining(5000),
    ]


async def test_every_fault_code_of_the_wire_has_a_name() -> None:
    wire = {
        name.removeprefix("FAULT_CODE_").lower()
        for name in reaction_service_pb2.FaultCode.DESCRIPTOR.values_by_name
    }
    assert wire == {code.value for code in FaultCode}


async def test_statistics_count_all_that_was_sent_before(client: ReactionClient) -> None:
    async with client.open() as stream:
        alice = await stream.join("alice", Codec.H264)
        bob = await stream.join("bob", Codec.H264)
        for number in range(5):
            await alice.send(b"x", pts=number)
        await bob.send(b"x", pts=0)
        statistics = await stream.statistics()
        assert statistics.participant("alice").frames.received == 5
        assert statistics.total.received == 6
        assert statistics.total.is_consistent
        with pytest.raises(KeyError, match="'alice', 'bob', got 'carol'"):
            statistics.participant("carol")


async def test_statistics_that_never_come_raise(server: FakeServer, client: ReactionClient) -> None:
    stream = client.open()

    async def ask_until_refused() -> None:
        async with stream, asyncio.timeout(TIMEOUT_S):
            fake = await server.service.stream(0)
            fake.end(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many streams")
            while True:
                await stream.statistics()

    with pytest.raises(ServerBusy, match="too many streams"):
        await ask_until_refused()


@pytest.mark.parametrize("attempt", range(10))
async def test_events_are_delivered_if_the_server_ends_while_frames_are_sent(
    server: FakeServer, client: ReactionClient, attempt: int
) -> None:
    # In grpc.aio a write that fails as the call ends hides the server's status behind INTERNAL.
    async with client.open() as stream:
        alice = await stream.join("alice", Codec.H264)
        fake = await server.service.stream(0)
        fake.end()
        with pytest.raises(StreamClosed):
            await _send_until_refused(alice)
    assert [type(event) async for event in stream.events()] == [Ready]


async def _send_until_refused(participant: Participant) -> None:
    number = 0
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            number = await participant.send(bytes(1000), pts=number) + 1
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("code", "kind", "retryable"),
    [
        (grpc.StatusCode.FAILED_PRECONDITION, InvalidRequest, False),
        (grpc.StatusCode.UNAVAILABLE, ServerUnavailable, True),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, ServerBusy, True),
        (grpc.StatusCode.DEADLINE_EXCEEDED, ServerTimeout, True),
    ],
)
async def test_the_status_that_ends_a_stream_is_raised_after_its_events(
    server: FakeServer, client: ReactionClient, code: grpc.StatusCode, kind: type[Exception], retryable: bool
) -> None:
    seen: list[object] = []

    async def iterate() -> None:
        async with client.open() as stream:
            fake = await server.service.stream(0)
            fake.answer(control=reaction_service_pb2.StreamControl(drain=reaction_service_pb2.Drain()))
            fake.end(code, "the reason")
            async for event in stream.events():
                seen.append(event)

    with pytest.raises(kind, match=f"{code.name}: the reason") as caught:
        await iterate()
    assert [type(event) for event in seen] == [Ready, Draining]
    assert caught.value.retryable is retryable  # type: ignore[attr-defined]


async def test_leaving_the_block_raises_the_status_too(server: FakeServer, client: ReactionClient) -> None:
    stream = await client.open().__aenter__()
    fake = await server.service.stream(0)
    fake.end(grpc.StatusCode.FAILED_PRECONDITION, "second config")
    with pytest.raises(InvalidRequest, match="second config"):
        await stream.__aexit__(None, None, None)


async def test_refused_before_it_is_ready(server: FakeServer, client: ReactionClient) -> None:
    server.service.refuse = (grpc.StatusCode.UNAVAILABLE, "no detector is ready")
    with pytest.raises(ServerUnavailable, match="no detector is ready"):
        async with client.open():
            raise AssertionError("opened")


async def test_no_server_is_unavailable() -> None:
    async with FakeServer() as gone:
        target = gone.target
    async with ReactionClient(target) as client:
        with pytest.raises(ServerUnavailable):
            async with client.open():
                raise AssertionError("opened")


async def test_a_silent_server_times_out(server: FakeServer) -> None:
    server.service.silent = True
    async with ReactionClient(server.target, ConnectionOptions(open_timeout_s=0.01)) as client:
        with pytest.raises(ServerTimeout, match="ready within"):
            async with client.open():
                raise AssertionError("opened")


async def test_a_closed_stream_leaves_no_task_behind(client: ReactionClient) -> None:
    before = asyncio.all_tasks()
    async with client.open() as stream:
        alice = await stream.join("alice", Codec.H264, allowed_labels=["smile"])
        await alice.send(b"k", pts=0, keyframe=True)
    with pytest.raises(ZeroDivisionError):
        async with client.open():
            raise ZeroDivisionError
    ours = {task for task in asyncio.all_tasks() - before if task.get_name().startswith("gifcue")}
    assert not ours
    with pytest.raises(StreamClosed, match="open another"):
        await stream.__aenter__()


async def test_nothing_can_be_sent_after_the_half_close(client: ReactionClient) -> None:
    async with client.open() as stream:
        alice = await stream.join("alice", Codec.H264)
        await stream.half_close()
        with pytest.raises(StreamClosed):
            await alice.send(b"late", pts=0)


async def test_an_exception_in_the_block_cancels_the_call(server: FakeServer, client: ReactionClient) -> None:
    with pytest.raises(ZeroDivisionError):
        async with client.open() as stream:
            raise ZeroDivisionError
    assert stream.ended
    with pytest.raises(StreamCancelled):
        async for _ in stream.events():
            pass


async def test_a_cancelled_send_does_not_end_the_stream(server: FakeServer) -> None:
    # A full outbox makes `send` wait; in grpc.aio itself, a cancelled write would end the call.
    async with (
        ReactionClient(server.target, ConnectionOptions(outbox_bytes=10)) as client,
        client.open() as stream,
    ):
        alice = await stream.join("alice", Codec.H264)
        await alice.send(b"x" * 64, pts=0, keyframe=True)
        waiting = asyncio.create_task(alice.send(b"y" * 64, pts=1))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await alice.send(b"z" * 64, pts=2) == 1
    assert [frame.payload[:1] for frame in server.service.streams[0].frames] == [b"x", b"z"]


async def test_a_failing_callback_ends_the_stream_and_is_raised(
    server: FakeServer, client: ReactionClient
) -> None:
    def fail(request: KeyframeRequested) -> None:
        raise ZeroDivisionError

    stream = await client.open().__aenter__()
    await stream.join("alice", Codec.H264, on_keyframe_request=fail)
    fake = await server.service.stream(0)
    fake.say(KeyframeRequested("alice", "sequence_gap"))
    with pytest.raises(ZeroDivisionError):
        [event async for event in stream.events()]
    with pytest.raises(ZeroDivisionError):
        await stream.close()


async def test_a_payload_over_the_servers_limit_ends_with_its_status(
    server: FakeServer, client: ReactionClient
) -> None:
    # The fake server keeps grpc's own limit of 4 MiB.
    stream = await client.open().__aenter__()
    alice = await stream.join("alice", Codec.H264)
    await alice.send(bytes(6 * 1024 * 1024), pts=0, keyframe=True)
    with pytest.raises(ServerBusy, match="larger than max"):
        await stream.close()


async def test_metadata_is_sent(server: FakeServer) -> None:
    options = ConnectionOptions(metadata=(("authorization", "Bearer abc"),))
    async with ReactionClient(server.target, options) as client, client.open():
        pass
    assert ("authorization", "Bearer abc") in server.service.metadata
