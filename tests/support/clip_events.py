"""Makes events, clips and runs for tests of the evaluation on clips."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path

from gifcue.protocol.accounting import FrameCounts
from gifcue.protocol.geometry import Box
from gifcue.protocol.phases import Phase
from gifcue.reactions.events import PolicyEvent
from gifcue_lab.evaluation.clips.run import ClipRun
from gifcue_lab.evaluation.clips.truth import Clip, Expected

BOX = Box(0.1, 0.2, 0.3, 0.4)
_numbers = itertools.count(1)


def reaction(
    label: str, started_s: float, ended_s: float | None = None, score: float = 0.9
) -> list[PolicyEvent]:
    """The events of a reaction that starts, and that ends if `ended_s` is given."""
    name = f"r{next(_numbers)}"
    events = [PolicyEvent(Phase.STARTED, name, label, 1.0, score, BOX, started_s)]
    if ended_s is not None:
        events.append(PolicyEvent(Phase.ENDED, name, label, 1.0, score, BOX, ended_s, "released"))
    return events


def hold(label: str, from_s: float, to_s: float, progress: float) -> list[PolicyEvent]:
    """The events of a hold that reaches `progress` and is cancelled."""
    name = f"r{next(_numbers)}"
    steps = (
        (Phase.HOLDING, progress / 2, from_s),
        (Phase.HOLDING, progress, to_s),
        (Phase.CANCELLED, progress, to_s),
    )
    return [PolicyEvent(phase, name, label, share, 0.8, BOX, at_s) for phase, share, at_s in steps]


def clip(
    expect: Iterable[tuple[str, float, float]] = (),
    allow: Iterable[str] = (),
    name: str = "a.mp4",
    spans: Iterable[tuple[str, float, float]] = (),
) -> Clip:
    """A clip that expects each (label, start_s, end_s), and allows the labels `allow` and the `spans`."""
    return Clip(name, Path(name), None, _spans(expect), frozenset(allow), _spans(spans))


def _spans(spans: Iterable[tuple[str, float, float]]) -> tuple[Expected, ...]:
    return tuple(Expected(label=label, start_s=start, end_s=end) for label, start, end in spans)


def run(
    *events: Sequence[PolicyEvent],
    seconds: float = 20.0,
    name: str = "a.mp4",
    counts: FrameCounts | None = None,
) -> ClipRun:
    """A run with these events, sorted by time."""
    flat = sorted(itertools.chain(*events), key=lambda event: event.at_s)
    return ClipRun(name, seconds, tuple(flat), counts or FrameCounts())
