"""What a server without video does to a client of `examples/`. Each script gets the servers that the client knows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc

from gifcue.testing import FakeServer, FakeStream
from gifcue.v1.reaction_service_pb2 import (
    FAULT_CODE_TOO_MANY_JOINS,
    FAULT_CODE_TOO_MANY_PARTICIPANTS,
    FAULT_CODE_UNKNOWN_PARTICIPANT,
    FAULT_CODE_UNSUPPORTED_CODEC,
    PHASE_ENDED,
    PHASE_STARTED,
    Drain,
    FaultCode,
    ParticipantFault,
    Phase,
    ReactionEvent,
    StreamControl,
)

# What proxies make of a server that died.
_LOST = "Received RST_STREAM with error code 2"
# The shortest first and second pause before another attempt: 0.25 and 0.5 s, less 20 %.
_PAUSES_S = (0.2, 0.4)


@dataclass(frozen=True, slots=True)
class Script:
    """`clip` is the name of the clip that the client sends, `servers` how many servers it knows."""

    play: Callable[[Sequence[FakeServer]], Coroutine[Any, Any, None]]
    clip: str = "clip"
    servers: int = 1


def _fault(stream: FakeStream, code: FaultCode.ValueType, sequence: int = 0) -> None:
    fault = ParticipantFault(participant_id="ada", code=code, message="refused", sequence=sequence, count=1)
    stream.answer(fault=fault)


def _react(stream: FakeStream, phase: Phase.ValueType, reaction_id: str) -> None:
    event = ReactionEvent(participant_id="ada", reaction_id=reaction_id, label="smile", phase=phase)
    stream.answer(reaction=event)


def _drain(stream: FakeStream) -> None:
    stream.answer(control=StreamControl(drain=Drain(deadline_ms=500)))


def _updates(stream: FakeStream) -> list[str]:
    """The kinds of the messages that are no frames."""
    kinds = (
        (each.participant.WhichOneof("update") or "") if each.HasField("participant") else message
        for each in stream.requests
        if (message := each.WhichOneof("message"))
    )
    return [kind for kind in kinds if kind not in ("frame", "frames")]


def _carried(stream: FakeStream) -> list[int]:
    """How many running reactions each join carried."""
    joins = [each.participant.join for each in stream.requests if each.participant.HasField("join")]
    return [len(each.resume.running) for each in joins]


def _sends_again(joins: int) -> Callable[[FakeStream], bool]:
    return lambda seen: _updates(seen).count("join") == joins and seen.requests[-1].HasField("frame")


async def _full(servers: Sequence[FakeServer]) -> None:
    """Drains during a reaction, and refuses the next join, for longer than the server waits for a sign of life."""
    service = servers[0].service
    service.limits.idle_timeout_ms = 3000
    first = await service.stream(0)
    await first.until(lambda seen: bool(seen.frames))
    _drain(first)
    # A join that met the drain was refused, which ends nothing.
    _fault(first, FAULT_CODE_TOO_MANY_PARTICIPANTS)
    # What was in flight: the reaction ends, and another starts. That one goes on at the next server.
    _react(first, PHASE_ENDED, "r-ada")
    _react(first, PHASE_STARTED, "late")
    first.end()
    second = await service.stream(1)
    assert _updates(first) == ["config", "join"]
    assert not first.half_closed.is_set()
    await second.until(lambda seen: bool(seen.joins))
    assert [each.reaction_id for each in second.joins["ada"].resume.running] == ["late"]
    _fault(second, FAULT_CODE_TOO_MANY_JOINS)
    await second.until(_sends_again(joins=2))
    assert _carried(second) == [1, 0]
    assert any(each.HasField("frames") and not each.frames.frames for each in second.requests)


async def _unheard(servers: Sequence[FakeServer]) -> None:
    """Refuses a join without saying so, but that it knows nobody whose frames these are. Later it refuses the codec."""
    stream = await servers[0].service.stream(0)
    await stream.until(lambda seen: bool(seen.frames))
    del stream.joins["ada"]
    await stream.until(_sends_again(joins=2))
    _fault(stream, FAULT_CODE_UNKNOWN_PARTICIPANT, sequence=0)  # of a frame before the second join
    sent = len(stream.frames)
    await stream.until(lambda seen: len(seen.frames) > sent + 2)
    _fault(stream, FAULT_CODE_UNSUPPORTED_CODEC)
    sent = len(stream.frames)
    await stream.half_closed.wait()
    assert len(stream.frames) < sent + 15, "expected no frames after a join that would be refused again"
    assert _updates(stream) == ["config", "join", "join"]


async def _uncarried(servers: Sequence[FakeServer]) -> None:
    """Starts another reaction in place of the first, and moves the client to a server that takes nothing over."""
    service = servers[0].service
    first = await service.stream(0)
    await first.until(lambda seen: bool(seen.frames))
    _react(first, PHASE_STARTED, "other")
    service.features = ()
    _drain(first)
    first.end()
    second = await service.stream(1)
    await second.until(lambda seen: bool(seen.frames))
    assert not second.joins["ada"].HasField("resume")


async def _silent(servers: Sequence[FakeServer]) -> None:
    """The first server dies during a reaction. The second one is never ready, until the reaction has ended."""
    lost, silent = servers
    silent.service.silent = True
    first = await lost.service.stream(0)
    await first.until(lambda seen: bool(seen.frames))
    await lost.kill()
    await silent.service.stream(0)
    await lost.start()
    again = await lost.service.stream(1)
    await again.until(lambda seen: bool(seen.joins))
    assert _carried(again) == [0]


async def _short(servers: Sequence[FakeServer]) -> None:
    """Refuses the join. The clip is over before the client joins again."""
    stream = await servers[0].service.stream(0)
    await stream.until(lambda seen: bool(seen.joins))
    _fault(stream, FAULT_CODE_TOO_MANY_JOINS)
    await stream.half_closed.wait()
    assert _updates(stream) == ["config", "join"]


async def _over(servers: Sequence[FakeServer]) -> None:
    """The clip is over before the server is ready: the client joins, so that the server knows who leaves."""
    stream = await servers[0].service.stream(0)
    await stream.half_closed.wait()
    assert _updates(stream) == ["config", "join", "leave"]


async def _resets(servers: Sequence[FakeServer]) -> None:
    """Ends the stream as a proxy does whose server died, twice, and then because of a defect."""
    service, now = servers[0].service, asyncio.get_running_loop().time
    stream = await service.stream(0)
    await stream.until(lambda seen: bool(seen.frames))
    for number, pause_s in enumerate(_PAUSES_S, 1):
        ended_s = now()
        stream.end(grpc.StatusCode.INTERNAL, _LOST)
        stream = await service.stream(number)
        assert now() - ended_s >= pause_s
    stream.end(grpc.StatusCode.INTERNAL, "a defect")


async def _elsewhere(servers: Sequence[FakeServer]) -> None:
    """The first server knows no `frames`. It ends the stream and names a pause, which is none of the other server."""
    first, second = (each.service for each in servers)
    first.limits.idle_timeout_ms = 30
    first.limits.max_frames_per_message = 0
    first.retry_after_ms = 3_600_000
    stream = await first.stream(0)
    await stream.until(lambda seen: len(seen.frames) > 5)
    assert not any(each.HasField("frames") for each in stream.requests)
    stream.end(grpc.StatusCode.RESOURCE_EXHAUSTED, "full")
    await (await second.stream(0)).half_closed.wait()


async def _av1(servers: Sequence[FakeServer]) -> None:
    """Every third frame begins with a sequence header, and each has a temporal delimiter in the file."""
    stream = await servers[0].service.stream(0)
    await stream.half_closed.wait()
    assert [each.keyframe for each in stream.frames[:6]] == [True, False, False] * 2
    assert all(each.payload == AV1_UNITS[not each.keyframe] for each in stream.frames)


# Units of AV1: a sequence header, and a frame whose size looks like the header of one.
AV1_UNITS = (b"\x0a\x01\x07", b"\x32\x0a" + bytes(10))

SCRIPTS: Mapping[str, Script] = {
    "full": Script(_full),
    "unheard": Script(_unheard),
    "uncarried": Script(_uncarried),
    "silent": Script(_silent, "pause", servers=2),
    "short": Script(_short, "short"),
    "over": Script(_over, "moment"),
    "resets": Script(_resets),
    "elsewhere": Script(_elsewhere, servers=2),
    "av1": Script(_av1, "av1"),
}
