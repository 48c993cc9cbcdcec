"""Sends sources as participants of one stream and receives the events: the work of `stream` and `demo`."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from gifcue.client import (
    Backoff,
    ClientError,
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
from gifcue.errors import ConfigError
from gifcue.ingest.opening import STDIN, SourceError, is_live, is_network, shown
from gifcue.ingest.pacing import POLL_S, ClosedLoop, Pacer, RealTime, Unpaced
from gifcue.ingest.reader import reading

# Seconds for which a participant stays at the end of its source, until its last frames are analysed.
DRAIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Job:
    """A participant, and the file, URL or device that it sends."""

    participant_id: str
    where: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What to stream and how.

    No `labels` means every reaction that the server knows. `fast` sends as fast as the server analyses, otherwise a
    file is sent as recorded. `loop` starts a file again at its end. `track` counts a source's video tracks from 1.
    A source that comes over a network is opened again with the pauses of `source_backoff` when it is lost.
    """

    jobs: Sequence[Job]
    stream: StreamOptions
    labels: Sequence[str] = ()
    fast: bool = False
    loop: bool = False
    wait_for_server: bool = False
    track: int = 1
    source_backoff: Backoff = field(default_factory=lambda: Backoff(first_s=1.0, max_s=30.0))


@dataclass(frozen=True, slots=True)
class SourceLost:
    """A source over the network is lost. It is opened again in `retry_in_s` seconds."""

    participant_id: str
    problem: str
    retry_in_s: float


@dataclass(slots=True)
class Summary:
    """The result of streaming. `statistics` is None where the server was gone at the end."""

    sent: int = 0
    not_sent: int = 0
    connections: int = 0
    started: Counter[str] = field(default_factory=Counter)
    statistics: Statistics | None = None


def jobs_of(sources: Sequence[str], participants: int) -> list[Job]:
    """One job for each source, or `participants` of them. The participants' names are unique, and short enough.

    Raises:
        ConfigError: several participants would read standard input.
    """
    jobs: list[Job] = []
    taken: set[str] = set()
    if list(sources).count(STDIN) > 1 or (STDIN in sources and participants > 1):
        raise ConfigError("-: expected standard input for one participant, got several that would share it")
    for where in sources:
        stem = (
            "stdin"
            if where == STDIN
            else where.rstrip("/").rsplit("/", 1)[-1].rsplit("\\", 1)[-1].partition("?")[0]
        )
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
    on_lost: Callable[[SourceLost], None] = lambda _: None,
) -> Summary:
    """Streams every job to its end, or until `stop` is set. Every file is opened once before the server is contacted.

    `on_progress` gets the participant, the seconds of the recording sent, and its length or None where it has none.

    Raises:
        ConfigError: a label is not a reaction of the server.
        ClientError: the error that ended the stream.
        SourceError: a source cannot be read.
    """
    summary = Summary()
    for where in dict.fromkeys(job.where for job in plan.jobs):
        # Standard input can be opened once only, and what a live source sends meanwhile would be late.
        if where != STDIN and not is_live(where):
            async with reading(where, track=plan.track):
                pass
    async with client.reconnecting(plan.stream, wait_for_server=plan.wait_for_server) as stream:
        labels = allowed_of(plan.labels, stream.ready)

        async def send_and_close() -> None:
            await all_or_none(
                [_send(stream, job, labels, plan, on_progress, stop, summary, on_lost) for job in plan.jobs]
            )
            with contextlib.suppress(ClientError):
                summary.statistics = await stream.statistics()
            await stream.half_close()

        # Both at once: where receiving fails, as when the reader of our output is gone, sending must end too.
        await all_or_none([_receive(stream, summary, on_event), send_and_close()])
        summary.connections = stream.connections
    return summary


def allowed_of(wanted: Sequence[str], ready: Ready) -> Sequence[str]:
    """The labels to allow: `wanted`, or every reaction of the server where none is named.

    Raises:
        ConfigError: a label is not a reaction of the server.
    """
    for label in wanted:
        if label not in ready.reaction_labels:
            known = ", ".join(ready.reaction_labels)
            raise ConfigError(f"--labels: expected some of {known}, got {label!r}")
    return wanted or ready.reaction_labels


async def _receive(stream: ReconnectingStream, summary: Summary, on_event: Callable[[Event], None]) -> None:
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
    on_lost: Callable[[SourceLost], None],
) -> None:
    """Sends one source. One that comes over a network has no end: it is opened again, until `stop` is set."""
    attempt = 0
    has_been_open = False
    while True:
        opened = asyncio.Event()
        try:
            await _send_once(stream, job, labels, plan, on_progress, stop, summary, opened)
            problem = f"expected more video from {shown(job.where)}, got its end"
        except SourceError as error:
            # What was asked to stop may stop in the middle of a packet. A source that never opened has a wrong address,
            # which no attempt improves.
            if stop.is_set() and (has_been_open or opened.is_set()):
                return
            if not is_network(job.where) or not (has_been_open or opened.is_set()):
                raise
            problem = str(error)
        if stop.is_set() or not is_network(job.where):
            return
        has_been_open = has_been_open or opened.is_set()
        attempt = 1 if opened.is_set() else attempt + 1
        delay_s = plan.source_backoff.delay_s(attempt)
        on_lost(SourceLost(job.participant_id, problem, delay_s))
        if await _stopped_within(stop, delay_s, plan.source_backoff):
            return


async def _stopped_within(stop: asyncio.Event, delay_s: float, backoff: Backoff) -> bool:
    """Waits; True where `stop` was set meanwhile."""
    sleeping = asyncio.ensure_future(backoff.sleep(delay_s))
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({sleeping, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        sleeping.cancel()
        stopping.cancel()
    return stop.is_set()


async def _send_once(
    stream: ReconnectingStream,
    job: Job,
    labels: Sequence[str],
    plan: Plan,
    on_progress: Callable[[str, float, float | None], None],
    stop: asyncio.Event,
    summary: Summary,
    opened: asyncio.Event,
) -> None:
    """Sends a source to its end; sets `opened` at its first packet. The participant leaves at the end, because what is
    opened later has times of its own.
    """
    async with reading(job.where, plan.loop, plan.track) as read:
        source = read.source
        participant = await stream.join(job.participant_id, source.codec, source.extradata, labels)
        pacer = _pacer(stream, job, plan)
        try:
            async for packet in read.packets():
                opened.set()
                await pacer.wait(packet)
                if stop.is_set():
                    break
                await participant.send(
                    packet.payload, packet.pts, packet.clock_hz, packet.keyframe, rotation=packet.rotation
                )
                on_progress(job.participant_id, packet.due_s, source.duration_s)
            await _settle(stream, participant)
        except SourceError:
            await _settle(stream, participant)
            raise
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
        return (await stream.statistics()).participant(participant_id).frames.in_flight
    except (ClientError, KeyError):
        return 0  # no connection, or the join was refused: there is nothing to wait for


async def _settle(stream: ReconnectingStream, participant: ReconnectingParticipant) -> None:
    """Waits until the last frames are analysed, then leaves: what is analysed after the leave has no effect."""
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + DRAIN_S
    # Only the server counts frames, and it sends its counts when asked. So this polls.
    while loop.time() < deadline_s and await _in_flight(stream, participant.id) > 0:  # noqa: ASYNC110
        await asyncio.sleep(POLL_S)
    await participant.leave()


async def all_or_none(coroutines: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Runs all at once. The first error cancels the others and is raised.

    asyncio.TaskGroup would raise an ExceptionGroup, which the command line cannot print as one line.
    """
    tasks = [asyncio.ensure_future(each) for each in coroutines]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
