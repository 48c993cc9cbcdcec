"""What happens when: deals a participant's minute out of what the person's photographs can show.

Most of the time nobody means anything. What is meant is held long enough for the policy, and far enough from the
last of its label for the cooldown to be over.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from gifcue.reactions.settings import PolicySettings
from gifcue.training.dataset.composing import moves
from gifcue.training.dataset.composing.cast import NEUTRAL, Still
from gifcue.training.dataset.composing.people import Cast, Person
from gifcue.training.dataset.composing.script import Guest, Key, Layer, Light, Segment, Shot, Span
from gifcue.training.dataset.composing.talks import TalkingClip
from gifcue.training.samples import NONE

T = TypeVar("T")

# Held for less, nobody can say that it was meant.
MIN_MEANT_S = 0.8
# What a policy needs over its dwell to see that there is something.
OVER_DWELL_S = 0.3
MAX_MEANT_S = 3.0
# A reaction may start so long after what looked like it: the evaluation's own grace.
AFTER_S = 1.0
# Beyond the cooldown, before a label is meant again.
APART_S = 1.5
# Shorter than any dwell that asks for intent, hands up and down included.
DROPPED_S = (0.1, 0.25)
FLICKER_S = 0.2
# A body that shifts, as one photograph blends into another.
BLEND_S = 0.2
# Somebody else's camera comes on.
CUT_S = 0.08
# The nothing between two things that happen, and before the first.
IDLE_S = (1.8, 6.0)
# How often each thing happens, of those that can.
WEIGHTS = {
    "meant": 13.0,
    "palm": 1.2,
    "flicker": 2.0,
    "dropped": 2.0,
    "passing": 2.0,
    "touch": 1.6,
    "drink": 1.2,
    "other_hand": 1.6,
    "light": 1.6,
    "guest": 1.2,
    "talk": 2.2,
    "visitor": 0.8,
    "clip": 0.8,
}


@dataclass(slots=True)
class Tally:
    """What was shown so far, over all sequences: the rarest comes next.

    How often each label was meant, and each visitor seen, by photograph.
    """

    meant: Counter[str] = field(default_factory=Counter)
    visits: Counter[str] = field(default_factory=Counter)


class Plot:
    """Deals one sequence. `rng` decides everything: the same one deals the same."""

    def __init__(
        self,
        person: Person,
        cast: Cast,
        clips: Sequence[TalkingClip],
        policy: PolicySettings,
        tally: Tally,
        fps: int,
        rng: np.random.Generator,
    ) -> None:
        self._person, self._cast, self._clips = person, cast, clips
        self._policy, self._tally, self._fps, self._rng = policy, tally, fps, rng
        self._over_s: dict[str, float] = {}
        self._segments: list[Segment] = []
        self._now_s = 0.0
        self._cuts = True
        self._plates = person.plates
        self._plate = self._pick(self._plates)
        self._events: Mapping[str, Callable[[float], bool]] = {
            "meant": self._meant,
            "palm": self._palm,
            "flicker": self._flicker,
            "dropped": self._dropped,
            "passing": self._passing,
            "touch": self._touch,
            "drink": self._drink,
            "other_hand": self._other_hand,
            "light": self._light,
            "guest": self._guest,
            "talk": self._talk,
            "visitor": self._visitor,
            "clip": self._clip,
        }

    def deal(self, seconds: float) -> tuple[Segment, ...]:
        """The segments of `seconds`, without a gap."""
        kinds, weights = list(WEIGHTS), np.array(list(WEIGHTS.values()))
        self._idle(self._between(*IDLE_S))
        while True:
            kind = kinds[int(self._rng.choice(len(kinds), p=weights / weights.sum()))]
            # What happens comes to its end before the sequence does, with the grace of what it may start.
            if not self._events[kind](seconds - AFTER_S):
                if self._now_s > seconds - 4.0:
                    break
                kind = "idle"
            self._idle(min(self._between(*IDLE_S), max(0.2, seconds - self._now_s)))
            if self._now_s >= seconds - 1e-6:
                break
        if self._now_s < seconds:
            self._idle(seconds - self._now_s)
        return tuple(self._segments)

    # What is meant

    def _meant(self, until_s: float) -> bool:
        """The label that was meant the least, of those that may be again."""
        labels = [
            label
            for label in self._policy.labels
            if (label in self._person.offers or self._cast.visitors.get(label)) and self._is_free(label)
        ]
        if not labels:
            return False
        least = min(self._tally.meant[label] for label in labels)
        label = self._pick([label for label in labels if self._tally.meant[label] == least])
        if label not in self._person.offers:
            return self._visit(label, until_s)
        if self._policy.labels[label].motion != "none":
            return self._wave(label, until_s)
        if self._policy.labels[label].kind == "face":
            return self._expression(label, until_s)
        return self._gesture(label, until_s)

    def _gesture(self, label: str, until_s: float) -> bool:
        held_s = self._long_enough(label)
        return self._show_hand("meant", label, self._person.showing(label), held_s, until_s, meant=True)

    def _show_hand(
        self, kind: str, label: str, stills: Sequence[Still], held_s: float, until_s: float, *, meant: bool
    ) -> bool:
        """A hand comes, is held, with other photographs of it in between, and goes."""
        first = self._pick(stills)
        if self._now_s + held_s + 1.5 > until_s:
            return False
        begin_s, shots = self._now_s, list[Shot]()
        at_s, onset_s = begin_s, begin_s
        rises = first.name in self._person.fills and first.is_one_hand
        if rises:
            # The room as it was when the hand was there: only the hand comes and goes.
            at_s += 0.4
            shots.append(self._plate_shot(first, begin_s, at_s, fade_s=BLEND_S))
            onset_s = at_s + self._between(0.25, 0.4)
        else:
            onset_s = at_s + 0.1
        over_s = onset_s + held_s
        changes = self._changes(first, stills, onset_s, over_s)
        for number, (still, from_s, to_s) in enumerate(changes):
            if number == 0 and rises:
                keys = (
                    *moves.rise(still, at_s, onset_s - at_s),
                    *moves.hold(still, onset_s, to_s, self._rng),
                )
                shots.append(self._layer_shot(still, still, keys, at_s, to_s))
            else:
                begin = at_s if number == 0 else from_s
                shots.append(Shot(begin, to_s, still.name, fade_s=BLEND_S if number == 0 else 0.12))
        last = changes[-1][0]
        end_s = over_s
        if last is first and rises:
            end_s += self._between(0.25, 0.4)
            keys = moves.fall(last, over_s, end_s - over_s)
            shots.append(self._layer_shot(last, last, keys, over_s, end_s))
            self._stay(last)
        allow = self._doubts(shots, {label} if meant else set())
        expect = (Span(label, onset_s, over_s),) if meant else ()
        self._add(kind, end_s, shots, expect, allow)
        return True

    def _changes(
        self, first: Still, stills: Sequence[Still], from_s: float, to_s: float
    ) -> list[tuple[Still, float, float]]:
        """Which photograph is shown when: another one of the same hand every so often."""
        cuts, at_s = [from_s], from_s + self._between(0.5, 1.5)
        others = [still for still in stills if still is not first and _is_like(still, first)]
        while others and at_s < to_s - 0.4:
            cuts.append(at_s)
            at_s += self._between(0.5, 1.5)
        shown = [first, *(self._pick(others) for _ in cuts[1:])]
        return [
            (still, *span)
            for still, span in zip(shown, zip(cuts, [*cuts[1:], to_s], strict=True), strict=True)
        ]

    def _wave(self, label: str, until_s: float) -> bool:
        still = self._pick(self._person.showing(label))
        hz, travel = self._between(0.8, 2.5), self._between(0.6, 1.6)
        # Each half of a turn is a swing; one more than the policy asks for, as it sees the first one late.
        enough_s = (self._policy.swings.min_swings + 1.5) / (2 * hz) + OVER_DWELL_S
        held_s = max(self._long_enough(label), enough_s)
        if self._now_s + held_s + 2.0 > until_s:
            return False
        begin_s, up_s = self._now_s, self._now_s + 0.3
        onset_s = up_s + self._between(0.25, 0.4)
        over_s = onset_s + held_s
        end_s = over_s + self._between(0.25, 0.4)
        keys = (
            *moves.rise(still, up_s, onset_s - up_s),
            *moves.wave(still, onset_s, over_s - 0.1, hz, travel, self._rng),
            *moves.fall(still, over_s, end_s - over_s),
        )
        shots = [
            self._plate_shot(still, begin_s, up_s, fade_s=BLEND_S),
            self._layer_shot(still, still, keys, up_s, end_s),
        ]
        self._stay(still)
        self._add("meant", end_s, shots, (Span(label, onset_s, over_s),), self._doubts(shots, {label}))
        return True

    def _expression(self, label: str, until_s: float) -> bool:
        """From a face known to be neutral to one that shows it, and back."""
        still = self._pick(self._person.showing(label))
        neutral = self._pick([each for each in self._person.plates if each.expression == NEUTRAL])
        held_s = self._long_enough(label)
        if self._now_s + held_s + 2.5 > until_s:
            return False
        begin_s = self._now_s
        from_s = begin_s + self._between(0.8, 1.5)
        over_s = from_s + 0.1 + held_s
        shots = [
            self._plate_shot(neutral, begin_s, from_s, fade_s=BLEND_S),
            Shot(from_s, over_s, still.name, fade_s=BLEND_S),
            self._plate_shot(neutral, over_s, over_s + 0.5, fade_s=BLEND_S),
        ]
        self._stay(neutral)
        expect = (Span(label, from_s + 0.1, over_s),)
        self._add("meant", over_s + 0.5, shots, expect, self._doubts(shots, {label}))
        return True

    def _visit(self, label: str, until_s: float) -> bool:
        """Somebody else takes the camera, with an expression that is known."""
        visitors = self._cast.visitors[label]
        fewest = min(self._tally.visits[still.name] for still in visitors)
        still = self._pick([still for still in visitors if self._tally.visits[still.name] == fewest])
        held_s = self._long_enough(label) + 0.5
        if self._now_s + held_s + 1.0 > until_s:
            return False
        over_s = self._now_s + held_s
        shots = [Shot(self._now_s, over_s, still.name, fade_s=CUT_S, whole=True)]
        expect = (Span(label, self._now_s + CUT_S / 2, over_s),) if label in self._policy.labels else ()
        self._add("visitor", over_s, shots, expect, self._doubts(shots, {label}))
        self._tally.visits[still.name] += 1
        self._cuts = True
        return True

    # What nobody means

    def _palm(self, until_s: float) -> bool:
        """What is meant only when it moves, held still."""
        found = [
            (label, still)
            for label, settings in self._policy.labels.items()
            if settings.motion != "none"
            for still in self._person.stills
            if still.gesture == label
        ]
        if not found:
            return False
        label = found[0][0]
        stills = [self._pick([still for each, still in found if each == label])]
        return self._show_hand("palm", label, stills, self._between(1.5, 3.5), until_s, meant=False)

    def _flicker(self, until_s: float) -> bool:
        """A gesture for a frame or a few."""
        stills = [still for still in self._person.stills if still.gesture != NONE]
        if not stills:
            return False
        still = self._pick(stills)
        frames = int(self._rng.integers(1, max(2, int(FLICKER_S * self._fps)) + 1))
        # Ends halfway between two frames: so many are seen, whatever the rounding.
        end_s = (math.ceil(self._now_s * self._fps) + frames - 0.5) / self._fps
        if end_s + 1.0 > until_s:
            return False
        shots = [Shot(self._now_s, end_s, still.name)]
        self._add("flicker", end_s, shots, (), self._doubts(shots, set()))
        # Blending out of it would make it longer.
        self._cuts = True
        return True

    def _dropped(self, until_s: float) -> bool:
        """A gesture that comes up and is let go before it is meant."""
        stills = [still for still in self._person.movable if still.gesture != NONE]
        if not stills:
            return False
        still, held_s = self._pick(stills), self._between(*DROPPED_S)
        if self._now_s + 2.0 > until_s:
            return False
        up_s, took_s = self._now_s + 0.4, self._between(0.2, 0.3)
        down_s = up_s + took_s + held_s
        end_s = down_s + took_s
        keys = (*moves.rise(still, up_s, took_s), *moves.fall(still, down_s, took_s))
        shots = [
            self._plate_shot(still, self._now_s, up_s, fade_s=BLEND_S),
            self._layer_shot(still, still, keys, up_s, end_s),
        ]
        self._stay(still)
        self._add("dropped", end_s, shots, (), self._doubts(shots, set()))
        return True

    def _passing(self, until_s: float) -> bool:
        """A hand crosses the picture."""
        took_s = self._between(0.3, 0.8)
        if self._now_s + took_s > until_s:
            return False
        still = self._pick(self._person.movable)
        keys = moves.cross(still, self._now_s, took_s, self._rng)
        self._move("passing", still, keys, self._now_s + took_s)
        return True

    def _touch(self, until_s: float) -> bool:
        """A scratch at the cheek."""
        return self._to_face("touch", self._between(0.2, 0.45), until_s, mouth=False)

    def _drink(self, until_s: float) -> bool:
        """A cup at the mouth."""
        return self._to_face("drink", self._between(1.0, 2.5), until_s, mouth=True)

    def _to_face(self, kind: str, there_s: float, until_s: float, *, mouth: bool) -> bool:
        stills = [still for still in self._person.movable if still.gesture == NONE]
        face = self._plate.face
        end_s = self._now_s + there_s + 0.6
        if not stills or face is None or end_s > until_s:
            return False
        still = self._pick(stills)
        keys = moves.touch(still, face.box, self._now_s, there_s, self._rng, mouth=mouth)
        self._move(kind, still, keys, end_s, cup=mouth)
        return True

    def _move(
        self, kind: str, still: Still, keys: tuple[Key, ...], end_s: float, *, cup: bool = False
    ) -> None:
        shot = self._layer_shot(self._plate, still, keys, self._now_s, end_s, cup=cup)
        self._add(kind, end_s, [shot], (), self._spans(self._plate.doubtful_faces, self._now_s, end_s))

    def _other_hand(self, until_s: float) -> bool:
        """A hand held that shows none of the labels."""
        stills = [still for still in self._person.stills if still.gesture == NONE and still.hands]
        held_s = self._between(0.8, 3.0)
        if not stills:
            return False
        return self._show_hand("other_hand", NONE, [self._pick(stills)], held_s, until_s, meant=False)

    def _light(self, until_s: float) -> bool:
        """The light in the room changes, or that of a screen on the face."""
        took_s = self._between(2.0, 7.0)
        if self._now_s + took_s > until_s:
            return False
        end_s = self._now_s + took_s
        tint = tuple(float(each) for each in np.round(self._rng.uniform(0.82, 1.15, 3), 3))
        flickers = self._rng.random() < 0.35
        light = Light(
            self._now_s,
            end_s,
            0.3 if flickers else self._between(0.1, 1.5),
            gain=self._between(0.9, 1.12) if flickers else self._between(0.5, 1.45),
            gamma=self._between(0.8, 1.3),
            tint=(tint[0], tint[1], tint[2]),
            hz=self._between(1.0, 5.0) if flickers else 0.0,
        )
        shot = self._plate_shot(self._plate, self._now_s, end_s)
        self._add("light", end_s, [shot], (), self._doubts([shot], set()), (light,))
        return True

    def _guest(self, until_s: float) -> bool:
        """Somebody else leans into the picture, with a neutral face."""
        stills = [
            still
            for person in self._cast.people
            if person.stills[0].photo.group != self._person.stills[0].photo.group
            for still in person.plates
            if still.expression == NEUTRAL and not still.doubtful_faces
        ]
        took_s = self._between(2.5, 6.0)
        if not stills or self._now_s + took_s > until_s or self._plate.face is None:
            return False
        still, face = self._pick(stills), self._plate.face
        end_s = self._now_s + took_s
        on_the_right = float(face.box[0] + face.box[2]) / 2 < self._plate.photo.width / 2
        guest = Guest(
            still.name,
            self._cast_fillers(still),
            "right" if on_the_right else "left",
            face_share=self._between(0.55, 0.95),
            reach=self._between(0.14, 0.22),
        )
        shot = self._plate_shot(self._plate, self._now_s, end_s, guest=guest)
        self._add("guest", end_s, [shot], (), self._doubts([shot], set()))
        return True

    def _talk(self, until_s: float) -> bool:
        """The jaw moves."""
        end_s = self._now_s + self._between(3.0, 9.0)
        if end_s > until_s or self._plate.face is None:
            return False
        shot = self._plate_shot(self._plate, self._now_s, end_s, talks=True)
        self._add("talk", end_s, [shot], (), self._doubts([shot], set()))
        return True

    def _visitor(self, until_s: float) -> bool:
        """Somebody else takes the camera and shows nothing."""
        return bool(self._cast.visitors.get(NEUTRAL)) and self._visit(NEUTRAL, until_s)

    def _clip(self, until_s: float) -> bool:
        """Somebody talks, in a real clip."""
        if not self._clips:
            return False
        clip = self._pick(self._clips)
        took_s = min(self._between(7.0, 20.0), clip.seconds)
        if self._now_s + took_s > until_s:
            return False
        from_s = self._between(0.0, clip.seconds - took_s)
        end_s = self._now_s + took_s
        shot = Shot(self._now_s, end_s, fade_s=CUT_S, whole=True, clip=clip.name, clip_from_s=from_s)
        allow = clip.within(from_s, from_s + took_s, self._now_s, AFTER_S)
        self._add("clip", end_s, [shot], (), allow)
        self._cuts = True
        return True

    # Building

    def _stay(self, still: Still) -> None:
        """What comes next is seen in the same photograph, if it may be shown without anything happening."""
        if still in self._plates:
            self._plate = still

    def _idle(self, took_s: float) -> None:
        """Nothing: the person without hands, once in a while in another photograph."""
        begin_s = self._now_s
        end_s, shots = begin_s + took_s, list[Shot]()
        while self._now_s < end_s - 1e-6:
            if self._rng.random() < 0.3:
                self._plate = self._pick(self._plates)
            until_s = min(end_s, self._now_s + self._between(1.5, 6.0))
            fade_s = 0.0 if self._cuts else BLEND_S
            shots.append(self._plate_shot(self._plate, self._now_s, until_s, fade_s=fade_s))
            self._now_s, self._cuts = until_s, False
        self._now_s = begin_s
        self._add("idle", end_s, shots, (), self._doubts(shots, set()))

    def _plate_shot(
        self,
        still: Still,
        from_s: float,
        to_s: float,
        *,
        fade_s: float = 0.0,
        guest: Guest | None = None,
        talks: bool = False,
    ) -> Shot:
        fillers = self._cast_fillers(still)
        return Shot(from_s, to_s, still.name, fillers, fade_s=fade_s, guest=guest, talks=talks)

    def _layer_shot(
        self,
        plate: Still,
        hand: Still,
        keys: tuple[Key, ...],
        from_s: float,
        to_s: float,
        *,
        cup: bool = False,
    ) -> Shot:
        layer = Layer(hand.name, self._cast_fillers(hand), keys, cup)
        return Shot(from_s, to_s, plate.name, self._cast_fillers(plate), layer=layer)

    def _cast_fillers(self, still: Still) -> tuple[str, ...]:
        for person in (self._person, *self._cast.people):
            if still.name in person.fills:
                return person.fills[still.name].names
        return ()

    def _doubts(self, shots: Sequence[Shot], meant: set[str]) -> tuple[Span, ...]:
        spans: list[Span] = []
        for shot in shots:
            still = self._cast.stills[shot.photo]
            hidden = shot.layer is None and still.name in self._person.fills and shot.fillers
            doubtful = still.doubtful_faces if hidden else still.doubtful
            spans += self._spans(doubtful - meant, shot.start_s, shot.end_s)
        return tuple(spans)

    def _spans(self, labels: frozenset[str], from_s: float, to_s: float) -> tuple[Span, ...]:
        return tuple(Span(label, from_s, to_s + AFTER_S) for label in sorted(labels))

    def _add(
        self,
        kind: str,
        end_s: float,
        shots: Sequence[Shot],
        expect: tuple[Span, ...],
        allow: tuple[Span, ...],
        lights: tuple[Light, ...] = (),
    ) -> None:
        self._segments.append(Segment(kind, self._now_s, end_s, tuple(shots), expect, allow, lights))
        self._now_s = end_s
        for span in expect:
            self._tally.meant[span.label] += 1
        for span, grace_s in (*((each, 0.0) for each in expect), *((each, AFTER_S) for each in allow)):
            self._over_s[span.label] = max(self._over_s.get(span.label, 0.0), span.end_s - grace_s)

    def _is_free(self, label: str) -> bool:
        """Whether the policy can tell it again: it answers nothing while it cools down.

        What may have been told since counts too.
        """
        if label not in self._over_s:
            return True
        settings = self._policy.labels[label]
        rest_s = settings.release_s + settings.cooldown_s + APART_S
        return self._now_s >= self._over_s[label] + rest_s

    def _long_enough(self, label: str) -> float:
        """Seconds of a hold that is meant: over the policy's dwell, which promises nothing for less."""
        least = MIN_MEANT_S
        if label in self._policy.labels:
            least = max(least, self._policy.labels[label].dwell_s + OVER_DWELL_S)
        return self._between(least, max(MAX_MEANT_S, least + 1.0))

    def _between(self, low: float, high: float) -> float:
        return round(float(self._rng.uniform(low, high)), 3)

    def _pick(self, things: Sequence[T]) -> T:
        return things[int(self._rng.integers(len(things)))]


def _is_like(one: Still, other: Still) -> bool:
    """Whether two photographs of a gesture can follow each other without a jump: face and hand are near."""
    if one.photo.width != other.photo.width or len(one.hands) != len(other.hands):
        return False
    hands = [float(abs(a.box - b.box).max()) for a, b in zip(one.hands, other.hands, strict=True)]
    return max(hands, default=0.0) < 0.12 * one.photo.width
