"""Sends sources as participants of one stream and hears what comes back: the work of `stream` and `demo`."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from gifcue.client import (
    Event,
    Phase,
    Reaction,
    ReactionClient,
    Ready,
    ReconnectingParticipant,
    ReconnectingStream,
    Statistics,
    StreamOptions,
)
from gifcue.client.exceptions import ClientError
from gifcue.errors import ConfigError
from gifcue.ingest.pacing import POLL_S, ClosedLoop, Pacer, RealTime, Unpaced
from gifcue.ingest.reader import reading
from gifcue.ingest.source import is_live

# Seconds that the end of a source waits for its last frames to be judged.
DRAIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Job:
    """A participant and where its video comes from."""

    participant_id: str
    where: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What to stream and how. `labels` empty means every reaction that the server knows."""

    jobs: Sequence[Job]
    stream: StreamOptions
    labels: Sequence[str] = ()
    fast: bool = False
    loop: bool = False
    wait_for_server: bool = False


@dataclass(slots=True)
class Summary:
    """What came of it. `statistics` is None where the server was gone at the end."""

    sent: int = 0
    not_sent: int = 0
    connections: int = 0
    started: Counter[str] = field(default_factory=Counter)
    statistics: Statistics | None = None


def jobs_of(sources: Sequence[str], participants: int) -> list[Job]:
    """One participant a source, or `participants` of each; names are unique and short."""
    jobs: list[Job] = []
    taken: set[str] = set()
    for where in sources:
        stem = where.rstrip("/").rsplit("/", 1)[-1].rsplit("\\", 1)[-1].partition("?")[0]
        stem = stem.rsplit(".", 1)[0][:100] or "source"
        for number in range(1, participants + 1):
            base = stem if participants == 1 else f"{stem}-{number}"
            name, again = base, 2
            while name in taken:
                name, again = f"{base}~{again}", again + 1
            taken.add(name)
            jobs.append(Job(name, where))
    return jobs


async def stream_all(
    client: ReactionClient,
    plan: Plan,
    on_event: Callable[[Event], None],
    on_progress: Callable[[str, float, float | None], None],
    stop: asyncio.Event,
) -> Summary:
    """Streams every job to its end, or until `stop` is set. Raises what ends the stream or a source.

    `on_progress` is told participant, seconds of the recording sent, and its length where it has one.
    """
    summary = Summary()
    async with client.reconnecting(plan.stream, wait_for_server=plan.wait_for_server) as stream:
        labels = _allowed(plan.labels, stream.ready)

        async def send_and_close() -> None:
            await all_or_none(
                [_send(stream, job, labels, plan, on_progress, stop, summary) for job in plan.jobs]
            )
            with contextlib.suppress(ClientError):
                summary.statistics = await stream.statistics()
            await stream.half_close()

        # Side by side: where hearing fails, as when nobody reads our output any more, sending ends too.
        await all_or_none([_hear(stream, summary, on_event), send_and_close()])
        summary.connections = stream.connections
    return summary


def _allowed(wanted: Sequence[str], ready: Ready) -> Sequence[str]:
    for label in wanted:
        if label not in ready.reaction_labels:
            known = ", ".join(ready.reaction_labels)
            raise ConfigError(f"--labels: expected some of {known}, got {label!r}")
    return wanted or ready.reaction_labels


async def _hear(stream: ReconnectingStream, summary: Summary, on_event: Callable[[Event], None]) -> None:
    async for event in stream.events():
        if isinstance(event, Reaction) and event.phase is Phase.STARTED:
            summary.started[event.label] += 1
        on_event(event)


async def _send(
    stream: ReconnectingStream,
    job: Job,
    labels: Sequence[str],
    plan: Plan,
    on_progress: Callable[[str, float, float | None], None],
    stop: asyncio.Event,
    summary: Summary,
) -> None:
    async with reading(job.where, plan.loop) as read:
        source = read.source
        participant = await stream.join(job.participant_id, source.codec, source.extradata, labels)
        pacer = _pacer(stream, job, plan)
        try:
            async for packet in read.packets():
                await pacer.wait(packet)
                if stop.is_set():
                    break
                await participant.send(packet.payload, packet.pts, packet.clock_hz, packet.keyframe)
                on_progress(job.participant_id, packet.due_s, source.duration_s)
            await _settle(stream, participant)
        finally:
            summary.sent += participant.sent
            summary.not_sent += participant.not_sent


def _pacer(stream: ReconnectingStream, job: Job, plan: Plan) -> Pacer:
    if is_live(job.where):
        return Unpaced()
    if plan.fast:
        return ClosedLoop(lambda: _in_flight(stream, job.participant_id))
    return RealTime()


async def _in_flight(stream: ReconnectingStream, participant_id: str) -> int:
    try:
        return (await stream.statistics()).participant(participant_id).books.in_flight
    except (ClientError, KeyError):
        return 0  # no connection, or the join was refused: nothing to wait for


async def _settle(stream: ReconnectingStream, participant: ReconnectingParticipant) -> None:
    """The last frames are judged before the participant leaves: leaving drops what is still under way."""
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + DRAIN_S
    # The books are the server's: nothing here is told when they change.
    while loop.time() < deadline_s and await _in_flight(stream, participant.id) > 0:  # noqa: ASYNC110
        await asyncio.sleep(POLL_S)
    await participant.leave()


async def all_or_none(works: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Runs all; the first one that fails cancels the others and is raised."""
    tasks = [asyncio.ensure_future(each) for each in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
