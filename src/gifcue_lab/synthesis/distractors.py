"""What nobody means. Every function adds it to the desk, and is False where it cannot, or not before `until_s`."""

from __future__ import annotations

import math

import numpy as np

from gifcue_lab.synthesis import hand_motion
from gifcue_lab.synthesis.builder import AFTER_S, BLEND_S, CUT_S, Desk
from gifcue_lab.synthesis.positives import show_hand, visit
from gifcue_lab.synthesis.script import Guest, Key, Light, Shot
from gifcue_lab.synthesis.subjects import NEUTRAL, Still
from gifcue_lab.training.samples import NONE

# In its place for less than any dwell that asks for intent.
DROPPED_S = (0.1, 0.25)
FLICKER_S = 0.2


def palm(desk: Desk, until_s: float) -> bool:
    """What is meant only when it moves, held still."""
    found = [
        (label, still)
        for label, settings in desk.policy.labels.items()
        if settings.motion != "none"
        for still in desk.person.stills
        if still.gesture == label
    ]
    if not found:
        return False
    label = found[0][0]
    stills = [desk.pick([still for each, still in found if each == label])]
    return show_hand(desk, "palm", label, stills, desk.between(1.5, 3.5), until_s, is_meant=False)


def flicker(desk: Desk, until_s: float) -> bool:
    """A gesture for a frame or a few."""
    stills = [still for still in desk.person.stills if still.gesture != NONE]
    if not stills:
        return False
    still = desk.pick(stills)
    frames = int(desk.rng.integers(1, max(2, int(FLICKER_S * desk.fps)) + 1))
    # Ends halfway between two frames: so many are seen, whatever the rounding.
    end_s = (math.ceil(desk.now_s * desk.fps) + frames - 0.5) / desk.fps
    if end_s + 1.0 > until_s:
        return False
    shots = [Shot(desk.now_s, end_s, still.name)]
    desk.add("flicker", end_s, shots, (), desk.doubts(shots, set()))
    # Blending out of it would make it longer.
    desk.cuts = True
    return True


def dropped(desk: Desk, until_s: float) -> bool:
    """A gesture that comes up and is let go before it is meant."""
    stills = [still for still in desk.person.movable if still.gesture != NONE]
    if not stills:
        return False
    still, held_s = desk.pick(stills), desk.between(*DROPPED_S)
    if desk.now_s + 2.0 > until_s:
        return False
    up_s, took_s = desk.now_s + 0.4, desk.between(0.2, 0.3)
    down_s = up_s + took_s + held_s
    end_s = down_s + took_s
    keys = (*hand_motion.rise(still, up_s, took_s), *hand_motion.fall(still, down_s, took_s))
    shots = [
        desk.plate_shot(still, desk.now_s, up_s, fade_s=BLEND_S),
        desk.layer_shot(still, still, keys, up_s, end_s),
    ]
    desk.stay(still)
    desk.add("dropped", end_s, shots, (), desk.doubts(shots, set()))
    return True


def passing(desk: Desk, until_s: float) -> bool:
    """A hand crosses the picture."""
    took_s = desk.between(0.3, 0.8)
    if desk.now_s + took_s > until_s:
        return False
    still = desk.pick(desk.person.movable)
    keys = hand_motion.cross(still, desk.now_s, took_s, desk.rng)
    _move(desk, "passing", still, keys, desk.now_s + took_s)
    return True


def touch(desk: Desk, until_s: float) -> bool:
    """A scratch at the cheek."""
    return _to_face(desk, "touch", desk.between(0.2, 0.45), until_s, mouth=False)


def drink(desk: Desk, until_s: float) -> bool:
    """A cup at the mouth."""
    return _to_face(desk, "drink", desk.between(1.0, 2.5), until_s, mouth=True)


def _to_face(desk: Desk, kind: str, there_s: float, until_s: float, *, mouth: bool) -> bool:
    stills = [still for still in desk.person.movable if still.gesture == NONE]
    face = desk.plate.face
    end_s = desk.now_s + there_s + 0.6
    if not stills or face is None or end_s > until_s:
        return False
    still = desk.pick(stills)
    keys = hand_motion.touch(still, face.box, desk.now_s, there_s, desk.rng, mouth=mouth)
    _move(desk, kind, still, keys, end_s, cup=mouth)
    return True


def _move(
    desk: Desk, kind: str, still: Still, keys: tuple[Key, ...], end_s: float, *, cup: bool = False
) -> None:
    shot = desk.layer_shot(desk.plate, still, keys, desk.now_s, end_s, cup=cup)
    desk.add(kind, end_s, [shot], (), desk.spans(desk.plate.doubtful_faces, desk.now_s, end_s))


def other_hand(desk: Desk, until_s: float) -> bool:
    """A hand held that shows none of the labels."""
    stills = [still for still in desk.person.stills if still.gesture == NONE and still.hands]
    held_s = desk.between(0.8, 3.0)
    if not stills:
        return False
    return show_hand(desk, "other_hand", NONE, [desk.pick(stills)], held_s, until_s, is_meant=False)


def light(desk: Desk, until_s: float) -> bool:
    """The light in the room changes, or that of a screen on the face."""
    took_s = desk.between(2.0, 7.0)
    if desk.now_s + took_s > until_s:
        return False
    end_s = desk.now_s + took_s
    tint = tuple(float(each) for each in np.round(desk.rng.uniform(0.82, 1.15, 3), 3))
    flickers = desk.rng.random() < 0.35
    light = Light(
        desk.now_s,
        end_s,
        0.3 if flickers else desk.between(0.1, 1.5),
        gain=desk.between(0.9, 1.12) if flickers else desk.between(0.5, 1.45),
        gamma=desk.between(0.8, 1.3),
        tint=(tint[0], tint[1], tint[2]),
        hz=desk.between(1.0, 5.0) if flickers else 0.0,
    )
    shot = desk.plate_shot(desk.plate, desk.now_s, end_s)
    desk.add("light", end_s, [shot], (), desk.doubts([shot], set()), (light,))
    return True


def guest(desk: Desk, until_s: float) -> bool:
    """Somebody else leans into the picture, with a neutral face."""
    stills = [
        still
        for person in desk.cast.people
        if person.stills[0].photo.group != desk.person.stills[0].photo.group
        for still in person.plates
        if still.expression == NEUTRAL and not still.doubtful_faces
    ]
    took_s = desk.between(2.5, 6.0)
    if not stills or desk.now_s + took_s > until_s or desk.plate.face is None:
        return False
    still, face = desk.pick(stills), desk.plate.face
    end_s = desk.now_s + took_s
    on_the_right = float(face.box[0] + face.box[2]) / 2 < desk.plate.photo.width / 2
    guest = Guest(
        still.name,
        desk.fillers(still),
        "right" if on_the_right else "left",
        face_share=desk.between(0.55, 0.95),
        reach=desk.between(0.14, 0.22),
    )
    shot = desk.plate_shot(desk.plate, desk.now_s, end_s, guest=guest)
    desk.add("guest", end_s, [shot], (), desk.doubts([shot], set()))
    return True


def talk(desk: Desk, until_s: float) -> bool:
    """The jaw moves."""
    end_s = desk.now_s + desk.between(3.0, 9.0)
    if end_s > until_s or desk.plate.face is None:
        return False
    shot = desk.plate_shot(desk.plate, desk.now_s, end_s, talks=True)
    desk.add("talk", end_s, [shot], (), desk.doubts([shot], set()))
    return True


def visitor(desk: Desk, until_s: float) -> bool:
    """Somebody else takes the camera and shows nothing."""
    return bool(desk.cast.visitors.get(NEUTRAL)) and visit(desk, NEUTRAL, until_s)


def clip(desk: Desk, until_s: float) -> bool:
    """Somebody talks, in a real clip."""
    if not desk.clips:
        return False
    clip = desk.pick(desk.clips)
    took_s = min(desk.between(7.0, 20.0), clip.seconds)
    if desk.now_s + took_s > until_s:
        return False
    from_s = desk.between(0.0, clip.seconds - took_s)
    end_s = desk.now_s + took_s
    shot = Shot(desk.now_s, end_s, fade_s=CUT_S, whole=True, clip=clip.name, clip_from_s=from_s)
    allow = clip.within(from_s, from_s + took_s, desk.now_s, AFTER_S)
    desk.add("clip", end_s, [shot], (), allow)
    desk.cuts = True
    return True
