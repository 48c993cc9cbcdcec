"""Hand-written regions of people in front of a camera, for tests of the reaction policy."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from gifcue.detect.regions import Region
from gifcue.protocol.geometry import Box
from gifcue.protocol.phases import Phase
from gifcue.reactions.events import PolicyEvent
from gifcue.reactions.policy import ReactionPolicy
from gifcue.reactions.settings import ReactionSettings

# The regions of a scene at a time in seconds; None stands for a frame that was skipped as similar.
Scene = Callable[[float], Sequence[Region] | None]


def hand(
    x: float = 0.25,
    y: float = 0.5,
    size: float = 0.1,
    *,
    score: float = 0.9,
    landmarks: bool = False,
    **attributes: float,
) -> Region:
    """A hand centred at (x, y), `size` wide and 1.5 times as high, with a probability for each label."""
    height = size * 1.5
    points = np.array([[x, y - height * 0.4], [x, y + height * 0.4]], np.float32) if landmarks else None
    return Region("hand", _around(x, y, size, height), score, attributes, points)


def face(
    x: float = 0.5, y: float = 0.4, size: float = 0.2, *, score: float = 0.9, **attributes: float
) -> Region:
    """A face centred at (x, y), `size` wide and 1.5 times as high, with a probability for each label."""
    return Region("face", _around(x, y, size, size * 1.5), score, attributes)


def numbered_ids() -> Callable[[], str]:
    """A function that returns the ids r1, r2, ..."""
    numbers = itertools.count(1)
    return lambda: f"r{next(numbers)}"


def policy(settings: ReactionSettings | None = None, allowed: Iterable[str] | None = None) -> ReactionPolicy:
    """A policy that allows the given labels, by default all."""
    settings = settings or ReactionSettings()
    return ReactionPolicy(
        settings, frozenset(settings.reaction_labels if allowed is None else allowed), numbered_ids()
    )


def times(until_s: float, fps: float = 10.0, from_s: float = 0.0) -> list[float]:
    """Times in seconds, evenly spaced, `until_s` excluded."""
    return [from_s + number / fps for number in range(round((until_s - from_s) * fps))]


def play(policy: ReactionPolicy, scene: Scene, at: Iterable[float]) -> list[PolicyEvent]:
    """Passes a scene to a policy and returns the events."""
    events: list[PolicyEvent] = []
    for at_s in at:
        shown = scene(at_s)
        events += policy.inherit(at_s) if shown is None else policy.observe(shown, at_s)
    return events


def started(events: Iterable[PolicyEvent]) -> list[str]:
    """The labels whose reaction started, in order."""
    return [event.label for event in events if event.phase is Phase.STARTED]


def phases(events: Iterable[PolicyEvent]) -> list[str]:
    """The phases, with consecutive equal ones given once."""
    names = [event.phase.value for event in events]
    return [name for name, _ in itertools.groupby(names)]


def _around(x: float, y: float, width: float, height: float) -> Box:
    return Box(y - height / 2, x - width / 2, y + height / 2, x + width / 2)
