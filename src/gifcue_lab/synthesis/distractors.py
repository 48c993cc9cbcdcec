"""Segments without an expected reaction.

In: a `SequenceBuilder` and the time `until_s` at which the segment must have ended. Each function adds one segment to
the builder and returns True, or returns False if the person's photographs or the time do not allow it.
"""

from __future__ import annotations

import math

import numpy as np

from gifcue_lab.synthesis import hand_motion
from gifcue_lab.synthesis.builder import AFTER_S, BLEND_S, CUT_S, SequenceBuilder
from gifcue_lab.synthesis.positives import show_hand, visit
from gifcue_lab.synthesis.script import Guest, Held, Key, Light, Shot
from gifcue_lab.synthesis.subjects import NEUTRAL, Still
from gifcue_lab.training.samples import NONE

# Seconds in place, less than any dwell.
DROPPED_S = (0.1, 0.25)
FLICKER_S = 0.2


def palm(builder: SequenceBuilder, until_s: float) -> bool:
    """A gesture that needs motion (a wave) held still."""
    found = [
        (label, still)
        for label, settings in builder.policy.labels.items()
        if settings.motion != "none"
        for still in builder.person.stills
        if still.gesture == label
    ]
    if not found:
        return False
    label = found[0][0]
    stills = [builder.pick([still for each, still in found if each == label])]
    return show_hand(builder, "palm", label, stills, builder.between(1.5, 3.5), until_s, is_positive=False)


def flicker(builder: SequenceBuilder, until_s: float) -> bool:
    """A gesture for a few frames, at most `FLICKER_S`."""
    stills = [still for still in builder.person.stills if still.gesture != NONE]
    if not stills:
        return False
    still = builder.pick(stills)
    frames = int(builder.rng.integers(1, max(2, int(FLICKER_S * builder.fps)) + 1))
    # Ending halfway between two frames makes the number of frames independent of rounding.
    end_s = (math.ceil(builder.now_s * builder.fps) + frames - 0.5) / builder.fps
    if end_s + 1.0 > until_s:
        return False
    shots = [Shot(builder.now_s, end_s, still.name)]
    builder.add("flicker", end_s, shots, (), builder.ambiguous_spans(shots, set()))
    # A transition would make it longer.
    builder.cuts = True
    return True


def dropped(builder: SequenceBuilder, until_s: float) -> bool:
    """A gesture that is raised and lowered at once."""
    stills = [still for still in builder.person.movable if still.gesture != NONE]
    if not stills:
        return False
    still, held_s = builder.pick(stills), builder.between(*DROPPED_S)
    if builder.now_s + 2.0 > until_s:
        return False
    up_s, took_s = builder.now_s + 0.4, builder.between(0.2, 0.3)
    down_s = up_s + took_s + held_s
    end_s = down_s + took_s
    keys = (*hand_motion.rise(still, up_s, took_s), *hand_motion.fall(still, down_s, took_s))
    shots = [
        builder.background_shot(still, builder.now_s, up_s, fade_s=BLEND_S),
        builder.layer_shot(still, still, keys, up_s, end_s),
    ]
    builder.stay(still)
    builder.add("dropped", end_s, shots, (), builder.ambiguous_spans(shots, set()))
    return True


def passing(builder: SequenceBuilder, until_s: float) -> bool:
    """A hand that crosses the picture."""
    took_s = builder.between(0.3, 0.8)
    if builder.now_s + took_s > until_s:
        return False
    still = builder.pick(builder.person.movable)
    keys = hand_motion.cross(still, builder.now_s, took_s, builder.rng)
    move_hand(builder, "passing", still, keys, builder.now_s + took_s)
    return True


def touch(builder: SequenceBuilder, until_s: float) -> bool:
    """A hand that scratches a cheek."""
    return to_face(builder, "touch", hand_motion.CHEEK, builder.between(0.2, 0.45), until_s)


def drink(builder: SequenceBuilder, until_s: float) -> bool:
    """A hand that holds a cup to the mouth."""
    return to_face(builder, "drink", hand_motion.MOUTH, builder.between(1.0, 2.5), until_s, held="cup")


def to_face(
    builder: SequenceBuilder,
    kind: str,
    place: hand_motion.Place,
    there_s: float,
    until_s: float,
    *,
    held: Held = "",
    talks: bool = False,
) -> bool:
    """A hand without a gesture that is raised to a place at the face and stays there for `there_s`."""
    stills = builder.person.idle_hands
    face = builder.background.face
    end_s = builder.now_s + there_s + hand_motion.TO_PLACE_S
    if not stills or face is None or end_s > until_s:
        return False
    still = builder.pick(stills)
    keys = hand_motion.at_place(still, face.box, place, builder.now_s, there_s, builder.rng)
    move_hand(builder, kind, still, keys, end_s, held=held, talks=talks)
    return True


def move_hand(
    builder: SequenceBuilder,
    kind: str,
    still: Still,
    keys: tuple[Key, ...],
    end_s: float,
    *,
    held: Held = "",
    talks: bool = False,
) -> None:
    """Adds a segment in which the hand of `still` moves in front of the background."""
    background = builder.background
    shot = builder.layer_shot(background, still, keys, builder.now_s, end_s, held=held, talks=talks)
    builder.add(kind, end_s, [shot], (), builder.spans(background.ambiguous_faces, builder.now_s, end_s))


def other_hand(builder: SequenceBuilder, until_s: float) -> bool:
    """A hand that is held and shows none of the labels."""
    stills = [still for still in builder.person.stills if still.gesture == NONE and still.hands]
    held_s = builder.between(0.8, 3.0)
    if not stills:
        return False
    return show_hand(builder, "other_hand", NONE, [builder.pick(stills)], held_s, until_s, is_positive=False)


def light(builder: SequenceBuilder, until_s: float) -> bool:
    """The light changes slowly, like a room's, or flickers, like a screen's."""
    took_s = builder.between(2.0, 7.0)
    if builder.now_s + took_s > until_s:
        return False
    end_s = builder.now_s + took_s
    tint = tuple(float(each) for each in np.round(builder.rng.uniform(0.82, 1.15, 3), 3))
    flickers = builder.rng.random() < 0.35
    light = Light(
        builder.now_s,
        end_s,
        0.3 if flickers else builder.between(0.1, 1.5),
        gain=builder.between(0.9, 1.12) if flickers else builder.between(0.5, 1.45),
        gamma=builder.between(0.8, 1.3),
        tint=(tint[0], tint[1], tint[2]),
        hz=builder.between(1.0, 5.0) if flickers else 0.0,
    )
    shot = builder.background_shot(builder.background, builder.now_s, end_s)
    builder.add("light", end_s, [shot], (), builder.ambiguous_spans([shot], set()), (light,))
    return True


def guest(builder: SequenceBuilder, until_s: float) -> bool:
    """Another person with a neutral face leans into the picture."""
    return two_people(builder, "guest", builder.between(2.5, 6.0), until_s)


def two_people(
    builder: SequenceBuilder, kind: str, took_s: float, until_s: float, *, talks: bool = False
) -> bool:
    """Another person with a neutral face is beside the participant, who `talks` or not."""
    stills = [
        still
        for person in builder.subjects.people
        if person.stills[0].photo.group != builder.person.stills[0].photo.group
        for still in person.backgrounds
        if still.expression == NEUTRAL and not still.ambiguous_faces
    ]
    if not stills or builder.now_s + took_s > until_s or builder.background.face is None:
        return False
    still, face = builder.pick(stills), builder.background.face
    end_s = builder.now_s + took_s
    on_the_right = float(face.box[0] + face.box[2]) / 2 < builder.background.photo.width / 2
    guest = Guest(
        still.name,
        builder.fillers(still),
        "right" if on_the_right else "left",
        face_share=builder.between(0.55, 0.95),
        reach=builder.between(0.14, 0.22),
    )
    shot = builder.background_shot(builder.background, builder.now_s, end_s, guest=guest, talks=talks)
    builder.add(kind, end_s, [shot], (), builder.ambiguous_spans([shot], set()))
    return True


def talk(builder: SequenceBuilder, until_s: float) -> bool:
    """The person talks: the jaw moves."""
    end_s = builder.now_s + builder.between(3.0, 9.0)
    if end_s > until_s or builder.background.face is None:
        return False
    shot = builder.background_shot(builder.background, builder.now_s, end_s, talks=True)
    builder.add("talk", end_s, [shot], (), builder.ambiguous_spans([shot], set()))
    return True


def visitor(builder: SequenceBuilder, until_s: float) -> bool:
    """Another person takes the place, with a neutral face."""
    return bool(builder.subjects.visitors.get(NEUTRAL)) and visit(builder, NEUTRAL, until_s)


def clip(builder: SequenceBuilder, until_s: float) -> bool:
    """A part of a real clip of somebody who talks."""
    if not builder.clips:
        return False
    clip = builder.pick(builder.clips)
    took_s = min(builder.between(7.0, 20.0), clip.seconds)
    if builder.now_s + took_s > until_s:
        return False
    from_s = builder.between(0.0, clip.seconds - took_s)
    end_s = builder.now_s + took_s
    shot = Shot(builder.now_s, end_s, fade_s=CUT_S, whole=True, clip=clip.name, clip_from_s=from_s)
    allow = clip.within(from_s, from_s + took_s, builder.now_s, AFTER_S)
    builder.add("clip", end_s, [shot], (), allow)
    builder.cuts = True
    return True
