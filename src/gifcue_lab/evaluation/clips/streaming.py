"""Streams labelled clips to a server, each as a participant.

A frame is sent when the server has decided the one before, so that the result does not depend on the machine's speed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gifcue import __version__
from gifcue.cli.streaming import Job, Plan, Summary, all_or_none, stream_all
from gifcue.client import (
    Disconnected,
    Event,
    Fault,
    FrameDecided,
    Reaction,
    ReactionClient,
    Ready,
    StreamOptions,
)
from gifcue.errors import Unavailable
from gifcue.ingest.reader import reading
from gifcue.protocol.accounting import FrameCounts
from gifcue.protocol.geometry import Box
from gifcue.protocol.phases import Phase
from gifcue.reactions.events import PolicyEvent
from gifcue.server.config import Settings
from gifcue.server.lifecycle import Server
from gifcue_lab.evaluation.clips.run import ClipRun
from gifcue_lab.evaluation.clips.truth import Clip

# The only participant of a clip's stream. Each clip has a room of its own, because cooldowns of the rules are per room.
PARTICIPANT = "clip"

# Takes a clip's run, and the description of what it was run with.
OnDone = Callable[[Clip, ClipRun, dict[str, Any]], None]


def ignore_done(_: Clip, __: ClipRun, ___: dict[str, Any]) -> None:
    """Takes nothing."""


@dataclass(slots=True)
class _ClipEvents:
    """Collects what the server sends for one clip."""

    start_s: float
    ready: Ready | None = None
    events: list[PolicyEvent] = field(default_factory=list)
    analysed_s: list[float] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)

    def __call__(self, event: Event) -> None:
        match event:
            case Ready():
                self.ready = event
            case Reaction():
                self.events.append(_policy_event(event, self.start_s))
            case FrameDecided():
                self.analysed_s.append(round(event.pts / event.clock_hz - self.start_s, 6))
            case Fault():
                self.faults[event.code.value] += event.count
            case Disconnected():
                # A new connection starts the participant anew, so the result of the clip would be wrong.
                raise Unavailable(f"expected one connection for a whole clip, it broke: {event.reason}")


async def run_in_process(
    settings: Settings,
    clips: Sequence[Clip],
    *,
    at_once: int,
    on_progress: Callable[[float], None],
    on_done: OnDone = ignore_done,
    preset: str = "",
    detector_target: str | None = None,
) -> list[ClipRun]:
    """Starts a server for the clips and stops it afterwards. `detector_target` is as for `Server`.

    The rest is as for `run_clips`.
    """
    async with (
        Server(settings, detector_target=detector_target) as server,
        ReactionClient(f"127.0.0.1:{server.listen_port}") as client,
    ):
        return await run_clips(
            client, clips, at_once=at_once, on_progress=on_progress, on_done=on_done, preset=preset
        )


async def run_clips(
    client: ReactionClient,
    clips: Sequence[Clip],
    *,
    at_once: int,
    on_progress: Callable[[float], None],
    on_done: OnDone = ignore_done,
    preset: str = "",
) -> list[ClipRun]:
    """Streams every clip, `at_once` of them at the same time, and returns their runs in the same order.

    `on_progress` receives the seconds of video streamed since its last call, `on_done` each clip's run and the server's
    description of itself as soon as the clip is finished.

    Raises:
        SourceError: a clip is no video.
        Unavailable: a connection broke.
    """
    places = asyncio.Semaphore(at_once)
    done: dict[str, ClipRun] = {}

    async def one(clip: Clip, room_id: str) -> None:
        async with places:
            run, ready = await _run_clip(client, clip, room_id, preset, on_progress)
            done[clip.name] = run
            on_done(clip, run, _about(ready))

    await all_or_none([one(clip, f"evaluate-{number}") for number, clip in enumerate(clips)])
    return [done[clip.name] for clip in clips]


def _about(ready: Ready) -> dict[str, Any]:
    return {
        "model": ready.model.name,
        "model_version": ready.model.version,
        "backend": ready.model.backend,
        "preset": ready.preset,
        "server_version": ready.server_version,
        "reaction_labels": list(ready.reaction_labels),
    }


async def _run_clip(
    client: ReactionClient, clip: Clip, room_id: str, preset: str, on_progress: Callable[[float], None]
) -> tuple[ClipRun, Ready]:
    start_s, length_s = await _times(clip.path)
    heard, at_s = _ClipEvents(start_s), 0.0

    def progress(_: str, sent_s: float, __: float | None) -> None:
        nonlocal at_s
        on_progress(sent_s - at_s)
        at_s = sent_s

    options = StreamOptions(
        room_id=room_id,
        client_name=f"gifcue-evaluate/{__version__}",
        preset=preset,
        send_holding=True,
        send_decisions=True,
    )
    plan = Plan(jobs=[Job(PARTICIPANT, str(clip.path))], stream=options, fast=True)
    summary = await stream_all(client, plan, heard, progress, asyncio.Event())
    if heard.ready is None:
        raise Unavailable(f"{clip.name}: expected the server's ready, got none")
    seconds = length_s or clip.seconds or at_s
    run = ClipRun(
        clip.name,
        seconds,
        tuple(heard.events),
        _frame_counts(clip, summary),
        tuple(heard.analysed_s),
        heard.faults,
    )
    return run, heard.ready


async def _times(path: Path) -> tuple[float, float | None]:
    """A recording's first pts in seconds, where its clock starts, and its length if the file states it."""
    async with reading(str(path)) as read:
        async for packet in read.packets():
            return packet.pts / packet.clock_hz, read.source.duration_s
    raise Unavailable(f"{path}: expected video, got no packet")


def _frame_counts(clip: Clip, summary: Summary) -> FrameCounts:
    if summary.statistics is None:
        raise Unavailable(f"{clip.name}: expected the server's frame accounting at the end, got none")
    counts: FrameCounts = summary.statistics.participant(PARTICIPANT).frames
    return FrameCounts(
        counts.received, counts.analysed, dict(counts.skipped), dict(counts.dropped), counts.in_flight
    )


def _policy_event(event: Reaction, start_s: float) -> PolicyEvent:
    box = Box(event.box.ymin, event.box.xmin, event.box.ymax, event.box.xmax)
    return PolicyEvent(
        Phase(event.phase.value),
        event.reaction_id,
        event.label,
        event.progress,
        event.score,
        box,
        round(event.at_s - start_s, 6),
        event.end_reason,
    )
