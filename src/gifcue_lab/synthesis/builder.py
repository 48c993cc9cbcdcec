"""Where a sequence is put together: what was dealt so far, and the pieces that everything is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from gifcue.reactions.settings import ReactionSettings
from gifcue_lab.synthesis.participants import Cast, Person
from gifcue_lab.synthesis.script import Guest, Key, Layer, Light, Segment, Shot, Span
from gifcue_lab.synthesis.subjects import Still
from gifcue_lab.synthesis.talking_clips import TalkingClip

T = TypeVar("T")

# Held for less, nobody can say that it was meant.
MIN_MEANT_S = 0.8
# What a policy needs over its dwell to see that there is something.
OVER_DWELL_S = 0.3
MAX_MEANT_S = 3.0
# A reaction may start so long after what looked like it: the evaluation's own grace.
AFTER_S = 1.0
# Beyond release and cooldown, before a label is meant again.
APART_S = 1.5
# A body that shifts, as one photograph blends into another.
BLEND_S = 0.2
# Somebody else's camera comes on.
CUT_S = 0.08
# How often nothing goes on in another photograph, and how long in one.
OTHER_PLATE_SHARE, PLATE_S = 0.3, (1.5, 6.0)


@dataclass(slots=True)
class Tally:
    """What was shown so far, over all sequences: the rarest comes next.

    How often each label was meant, and each visitor seen, by photograph.
    """

    meant: Counter[str] = field(default_factory=Counter)
    visits: Counter[str] = field(default_factory=Counter)


class Desk:
    """One sequence in the making. `rng` decides everything.

    `now_s` is where it has come to, `plate` the photograph that is seen without hands, `cuts` whether what comes next
    comes without blending over.
    """

    def __init__(
        self,
        person: Person,
        cast: Cast,
        clips: Sequence[TalkingClip],
        policy: ReactionSettings,
        tally: Tally,
        fps: int,
        rng: np.random.Generator,
    ) -> None:
        self.person, self.cast, self.clips = person, cast, clips
        self.policy, self.tally, self.fps, self.rng = policy, tally, fps, rng
        self.segments: list[Segment] = []
        self.now_s = 0.0
        self.cuts = True
        self.plates = person.plates
        self.plate = self.pick(self.plates)
        self._over_s: dict[str, float] = {}

    def stay(self, still: Still) -> None:
        """What comes next is seen in the same photograph, if it may be shown without anything happening."""
        if still in self.plates:
            self.plate = still

    def idle(self, took_s: float) -> None:
        """Nothing: the person without hands, once in a while in another photograph."""
        begin_s = self.now_s
        end_s, shots = begin_s + took_s, list[Shot]()
        while self.now_s < end_s - 1e-6:
            if self.rng.random() < OTHER_PLATE_SHARE:
                self.plate = self.pick(self.plates)
            until_s = min(end_s, self.now_s + self.between(*PLATE_S))
            fade_s = 0.0 if self.cuts else BLEND_S
            shots.append(self.plate_shot(self.plate, self.now_s, until_s, fade_s=fade_s))
            self.now_s, self.cuts = until_s, False
        self.now_s = begin_s
        self.add("idle", end_s, shots, (), self.doubts(shots, set()))

    def plate_shot(
        self,
        still: Still,
        from_s: float,
        to_s: float,
        *,
        fade_s: float = 0.0,
        guest: Guest | None = None,
        talks: bool = False,
    ) -> Shot:
        fillers = self.fillers(still)
        return Shot(from_s, to_s, still.name, fillers, fade_s=fade_s, guest=guest, talks=talks)

    def layer_shot(
        self,
        plate: Still,
        hand: Still,
        keys: tuple[Key, ...],
        from_s: float,
        to_s: float,
        *,
        cup: bool = False,
    ) -> Shot:
        layer = Layer(hand.name, self.fillers(hand), keys, cup)
        return Shot(from_s, to_s, plate.name, self.fillers(plate), layer=layer)

    def fillers(self, still: Still) -> tuple[str, ...]:
        for person in (self.person, *self.cast.people):
            if still.name in person.fills:
                return person.fills[still.name].names
        return ()

    def doubts(self, shots: Sequence[Shot], meant: set[str]) -> tuple[Span, ...]:
        spans: list[Span] = []
        for shot in shots:
            still = self.cast.stills[shot.photo]
            doubtful = still.doubtful_faces if shot.fillers and shot.layer is None else still.doubtful
            spans += self.spans(doubtful - meant, shot.start_s, shot.end_s)
        return tuple(spans)

    def spans(self, labels: frozenset[str], from_s: float, to_s: float) -> tuple[Span, ...]:
        return tuple(Span(label, from_s, to_s + AFTER_S) for label in sorted(labels))

    def add(
        self,
        kind: str,
        end_s: float,
        shots: Sequence[Shot],
        expect: tuple[Span, ...],
        allow: tuple[Span, ...],
        lights: tuple[Light, ...] = (),
    ) -> None:
        self.segments.append(Segment(kind, self.now_s, end_s, tuple(shots), expect, allow, lights))
        self.now_s = end_s
        for span in expect:
            self.tally.meant[span.label] += 1
        for span, grace_s in (*((each, 0.0) for each in expect), *((each, AFTER_S) for each in allow)):
            self._over_s[span.label] = max(self._over_s.get(span.label, 0.0), span.end_s - grace_s)

    def is_free(self, label: str) -> bool:
        """Whether the policy can tell it again: it answers nothing while it cools down.

        What may have been told since counts too.
        """
        if label not in self._over_s:
            return True
        settings = self.policy.labels[label]
        rest_s = settings.release_s + settings.cooldown_s + APART_S
        return self.now_s >= self._over_s[label] + rest_s

    def long_enough(self, label: str) -> float:
        """Seconds of a hold that is meant: over the policy's dwell, which promises nothing for less."""
        least = MIN_MEANT_S
        if label in self.policy.labels:
            least = max(least, self.policy.labels[label].dwell_s + OVER_DWELL_S)
        return self.between(least, max(MAX_MEANT_S, least + 1.0))

    def between(self, low: float, high: float) -> float:
        return round(float(self.rng.uniform(low, high)), 3)

    def pick(self, things: Sequence[T]) -> T:
        return things[int(self.rng.integers(len(things)))]
