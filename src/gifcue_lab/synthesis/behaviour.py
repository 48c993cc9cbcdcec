"""Segments of a busy meeting, without an expected reaction.

In: a `SequenceBuilder` and the time `until_s` at which the segment must have ended. Each function adds one segment to
the builder and returns True, or returns False if the person's photographs or the time do not allow it.
"""

from __future__ import annotations

from gifcue_lab.synthesis import hand_motion
from gifcue_lab.synthesis.builder import CUT_S, SequenceBuilder
from gifcue_lab.synthesis.distractors import move_hand, to_face, two_people
from gifcue_lab.synthesis.script import Shot


def speech(builder: SequenceBuilder, until_s: float) -> bool:
    """The person talks for long, in one photograph after another."""
    end_s = builder.now_s + builder.between(8.0, 25.0)
    if end_s > until_s or builder.background.face is None:
        return False
    begin_s, shots = builder.now_s, list[Shot]()
    at_s = begin_s
    while at_s < end_s - 1e-6:
        to_s = min(end_s, at_s + builder.between(4.0, 12.0))
        shots.append(builder.background_shot(builder.background, at_s, to_s, fade_s=0.2, talks=True))
        at_s = to_s
        builder.background = builder.pick(builder.backgrounds)
    builder.background = builder.subjects.stills[shots[-1].photo]
    builder.add("speech", end_s, shots, (), builder.ambiguous_spans(shots, set()))
    return True


def gesticulate(builder: SequenceBuilder, until_s: float) -> bool:
    """The person talks and moves a hand with it. The hand shows none of the labels."""
    stills = builder.person.idle_hands
    end_s = builder.now_s + builder.between(2.0, 9.0)
    if not stills or end_s > until_s:
        return False
    still = builder.pick(stills)
    keys = hand_motion.beat(still, builder.now_s, end_s, builder.rng)
    move_hand(builder, "gesticulate", still, keys, end_s, talks=True)
    return True


def typing(builder: SequenceBuilder, until_s: float) -> bool:
    """A hand at the lower edge of the picture types."""
    end_s = builder.now_s + builder.between(4.0, 15.0)
    if not builder.person.movable or end_s > until_s:
        return False
    still = builder.pick(builder.person.movable)
    keys = hand_motion.type_keys(still, builder.now_s, end_s, builder.rng)
    move_hand(builder, "typing", still, keys, end_s)
    return True


def hair(builder: SequenceBuilder, until_s: float) -> bool:
    """A hand in the hair."""
    return to_face(builder, "hair", hand_motion.HAIR, builder.between(0.4, 3.0), until_s)


def glasses(builder: SequenceBuilder, until_s: float) -> bool:
    """A hand that sets glasses right."""
    return to_face(builder, "glasses", hand_motion.GLASSES, builder.between(0.4, 1.5), until_s)


def scratch(builder: SequenceBuilder, until_s: float) -> bool:
    """A hand that scratches forehead, nose or neck."""
    place = builder.pick((hand_motion.FOREHEAD, hand_motion.NOSE, hand_motion.NECK))
    return to_face(builder, "scratch", place, builder.between(0.3, 2.5), until_s)


def telephone(builder: SequenceBuilder, until_s: float) -> bool:
    """A hand that holds a telephone to the ear, while the person talks."""
    there_s = builder.between(4.0, 15.0)
    return to_face(builder, "telephone", hand_motion.EAR, there_s, until_s, held="phone", talks=True)


def company(builder: SequenceBuilder, until_s: float) -> bool:
    """Another person sits beside the one who talks."""
    return two_people(builder, "company", builder.between(8.0, 25.0), until_s, talks=True)


def stranger(builder: SequenceBuilder, until_s: float) -> bool:
    """Another person takes the place, whose face and hands show none of the labels.

    Such photographs show what is mistaken for a reaction: a hand at a face without thinking, a telephone, a cup, other
    gestures. While a hand is not known, every gesture is allowed.
    """
    stills = builder.subjects.strangers
    if not stills:
        return False
    fewest = min(builder.tally.visits[still.name] for still in stills)
    still = builder.pick([still for still in stills if builder.tally.visits[still.name] == fewest])
    end_s = builder.now_s + builder.between(3.0, 9.0)
    if end_s > until_s:
        return False
    talks = not still.hands and builder.rng.random() < 0.5
    shot = Shot(builder.now_s, end_s, still.name, fade_s=CUT_S, whole=True, talks=talks)
    builder.add("stranger", end_s, [shot], (), builder.ambiguous_spans([shot], set()))
    builder.tally.visits[still.name] += 1
    builder.cuts = True
    return True
