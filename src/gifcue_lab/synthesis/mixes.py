"""What sequences consist of: how often each type of segment occurs, how long nothing happens, and the kinds of video.

`meant` has as many expected reactions as the cooldowns allow. `busy` is a meeting in which people talk and move their
hands, and rarely mean a reaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from gifcue.errors import ConfigError
from gifcue_lab.synthesis import behaviour, distractors
from gifcue_lab.synthesis.builder import SequenceBuilder
from gifcue_lab.synthesis.positives import positive


class SegmentType(NamedTuple):
    """A type of segment: the function that adds it to a builder, and its weight in the random choice."""

    add: Callable[[SequenceBuilder, float], bool]
    weight: float


class Mix(NamedTuple):
    """What sequences consist of.

    Attributes:
        segment_types: what happens, each with its weight.
        idle_s: least and most seconds in which nothing happens, before and between segments.
        sizes: widths and heights of videos, which take turns.
        fps: frames per second, each with its weight.
    """

    segment_types: tuple[SegmentType, ...]
    idle_s: tuple[float, float]
    sizes: tuple[tuple[int, int], ...]
    fps: Mapping[int, float]


MEANT = Mix(
    (
        SegmentType(positive, 16.0),
        SegmentType(distractors.palm, 1.2),
        SegmentType(distractors.flicker, 2.0),
        SegmentType(distractors.dropped, 2.0),
        SegmentType(distractors.passing, 2.0),
        SegmentType(distractors.touch, 1.6),
        SegmentType(distractors.drink, 1.2),
        SegmentType(distractors.other_hand, 1.6),
        SegmentType(distractors.light, 1.6),
        SegmentType(distractors.guest, 1.2),
        SegmentType(distractors.talk, 2.2),
        SegmentType(distractors.visitor, 0.8),
        SegmentType(distractors.clip, 0.8),
    ),
    idle_s=(1.8, 6.0),
    sizes=((640, 360), (640, 360), (640, 360), (1280, 720)),
    fps={15: 2.0, 25: 1.0, 30: 1.0},
)
BUSY = Mix(
    (
        SegmentType(positive, 1.0),
        SegmentType(behaviour.speech, 5.0),
        SegmentType(behaviour.gesticulate, 5.0),
        SegmentType(behaviour.typing, 2.0),
        SegmentType(behaviour.company, 1.2),
        SegmentType(behaviour.telephone, 1.2),
        SegmentType(behaviour.hair, 1.6),
        SegmentType(behaviour.glasses, 1.6),
        SegmentType(behaviour.scratch, 2.0),
        SegmentType(behaviour.stranger, 2.4),
        SegmentType(distractors.touch, 1.2),
        SegmentType(distractors.drink, 1.6),
        SegmentType(distractors.passing, 1.2),
        SegmentType(distractors.other_hand, 1.6),
        SegmentType(distractors.palm, 0.5),
        SegmentType(distractors.flicker, 0.5),
        SegmentType(distractors.dropped, 0.5),
        SegmentType(distractors.light, 1.0),
        SegmentType(distractors.clip, 1.0),
    ),
    idle_s=(0.5, 3.5),
    # Many hours: as small as most participants of a meeting are sent, and at the rates of a busy network.
    sizes=((640, 360),),
    fps={15: 8.0, 25: 1.0, 30: 1.0},
)
MIXES: Mapping[str, Mix] = {"meant": MEANT, "busy": BUSY}


def mix_of(name: str) -> Mix:
    """The mix of a name. Raises ConfigError where there is none."""
    if name not in MIXES:
        raise ConfigError(f"--mix: expected one of {', '.join(MIXES)}, got {name!r}")
    return MIXES[name]
