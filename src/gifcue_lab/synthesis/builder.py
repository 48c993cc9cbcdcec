"""One sequence while it is put together.

In: a `Person`, the `Subjects`, talking clips, the reaction settings and a random generator. Out: the list of `Segment`
in `SequenceBuilder.segments`, without gaps. `positives` and `distractors` add segments through `add`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from gifcue.reactions.settings import ReactionSettings
from gifcue_lab.synthesis.participants import Person, Subjects
from gifcue_lab.synthesis.script import Guest, Held, Key, Layer, Light, Segment, Shot, Span
from gifcue_lab.synthesis.subjects import Still
from gifcue_lab.synthesis.talking_clips import TalkingClip

T = TypeVar("T")

# A gesture held for less is ambiguous.
MIN_POSITIVE_S = 0.8
# The policy needs this much more than its dwell, to detect the onset.
OVER_DWELL_S = 0.3
MAX_POSITIVE_S = 3.0
# A reaction may start this long after its cause, as in the evaluation.
AFTER_S = 1.0
# Added to release and cooldown before a label is expected again.
APART_S = 1.5
# The transition between two photographs of a scene.
BLEND_S = 0.2
# The transition to another camera.
CUT_S = 0.08
# Share of idle time that begins with another photograph, and seconds (least, most) of one photograph.
OTHER_BACKGROUND_SHARE, BACKGROUND_S = 0.3, (1.5, 6.0)


@dataclass(slots=True)
class Tally:
    """What all sequences have shown so far. The rarest is shown next.

    Attributes:
        positives: number of expected reactions by label.
        visits: number of visits by the photograph's name.
    """

    positives: Counter[str] = field(default_factory=Counter)
    visits: Counter[str] = field(default_factory=Counter)


class SequenceBuilder:
    """Collects the segments of one sequence. Every random choice comes from `rng`.

    Attributes:
        now_s: the end of the last segment, in seconds from the start of the sequence.
        background: the photograph that is shown without its hands when nothing happens.
        backgrounds: the photographs that may be shown so.
        cuts: whether the next segment starts with a cut instead of a transition.
        segments: the segments so far.
    """

    def __init__(
        self,
        person: Person,
        subjects: Subjects,
        clips: Sequence[TalkingClip],
        policy: ReactionSettings,
        tally: Tally,
        fps: int,
        rng: np.random.Generator,
    ) -> None:
        self.person, self.subjects, self.clips = person, subjects, clips
        self.policy, self.tally, self.fps, self.rng = policy, tally, fps, rng
        self.segments: list[Segment] = []
        self.now_s = 0.0
        self.cuts = True
        self.backgrounds = person.backgrounds
        self.background = self.pick(self.backgrounds)
        self._over_s: dict[str, float] = {}

    def stay(self, still: Still) -> None:
        """Keeps this photograph for the next segment, if it is one of the backgrounds."""
        if still in self.backgrounds:
            self.background = still

    def idle(self, took_s: float) -> None:
        """Adds `took_s` seconds in which nothing happens: the person without hands, sometimes in another photograph."""
        begin_s = self.now_s
        end_s, shots = begin_s + took_s, list[Shot]()
        while self.now_s < end_s - 1e-6:
            if self.rng.random() < OTHER_BACKGROUND_SHARE:
                self.background = self.pick(self.backgrounds)
            until_s = min(end_s, self.now_s + self.between(*BACKGROUND_S))
            fade_s = 0.0 if self.cuts else BLEND_S
            shots.append(self.background_shot(self.background, self.now_s, until_s, fade_s=fade_s))
            self.now_s, self.cuts = until_s, False
        self.now_s = begin_s
        self.add("idle", end_s, shots, (), self.ambiguous_spans(shots, set()))

    def background_shot(
        self,
        still: Still,
        from_s: float,
        to_s: float,
        *,
        fade_s: float = 0.0,
        guest: Guest | None = None,
        talks: bool = False,
    ) -> Shot:
        """A shot of a photograph without its hands."""
        fillers = self.fillers(still)
        return Shot(from_s, to_s, still.name, fillers, fade_s=fade_s, guest=guest, talks=talks)

    def layer_shot(
        self,
        background: Still,
        hand: Still,
        keys: tuple[Key, ...],
        from_s: float,
        to_s: float,
        *,
        held: Held = "",
        talks: bool = False,
    ) -> Shot:
        """A shot of a background with the moving hand of another photograph in front."""
        layer = Layer(hand.name, self.fillers(hand), keys, held)
        return Shot(from_s, to_s, background.name, self.fillers(background), layer=layer, talks=talks)

    def fillers(self, still: Still) -> tuple[str, ...]:
        """The photographs whose pixels replace the hands of this one; empty if that is impossible."""
        for person in (self.person, *self.subjects.people):
            if still.name in person.fills:
                return person.fills[still.name].names
        return ()

    def ambiguous_spans(self, shots: Sequence[Shot], shown: set[str]) -> tuple[Span, ...]:
        """The labels other than `shown` that could be seen in these shots, for as long as they are visible."""
        spans: list[Span] = []
        for shot in shots:
            still = self.subjects.stills[shot.photo]
            ambiguous = still.ambiguous_faces if shot.fillers and shot.layer is None else still.ambiguous
            spans += self.spans(ambiguous - shown, shot.start_s, shot.end_s)
        return tuple(spans)

    def spans(self, labels: frozenset[str], from_s: float, to_s: float) -> tuple[Span, ...]:
        """A span for each label, with the time in which its reaction may still start."""
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
        """Appends a segment from `now_s` to `end_s`. `expect` and `allow` are as in `Segment`."""
        self.segments.append(Segment(kind, self.now_s, end_s, tuple(shots), expect, allow, lights))
        self.now_s = end_s
        for span in expect:
            self.tally.positives[span.label] += 1
        for span, grace_s in (*((each, 0.0) for each in expect), *((each, AFTER_S) for each in allow)):
            self._over_s[span.label] = max(self._over_s.get(span.label, 0.0), span.end_s - grace_s)

    def is_available(self, label: str) -> bool:
        """Whether a reaction of this label can be expected: no earlier one, expected or allowed, is cooling down."""
        if label not in self._over_s:
            return True
        settings = self.policy.labels[label]
        rest_s = settings.release_s + settings.cooldown_s + APART_S
        return self.now_s >= self._over_s[label] + rest_s

    def hold_seconds(self, label: str) -> float:
        """Seconds to hold a label, at random, but longer than the policy's dwell."""
        least = MIN_POSITIVE_S
        if label in self.policy.labels:
            least = max(least, self.policy.labels[label].dwell_s + OVER_DWELL_S)
        return self.between(least, max(MAX_POSITIVE_S, least + 1.0))

    def between(self, low: float, high: float) -> float:
        """A random number of this range, rounded to a millisecond."""
        return round(float(self.rng.uniform(low, high)), 3)

    def pick(self, things: Sequence[T]) -> T:
        """A random element."""
        return things[int(self.rng.integers(len(things)))]
