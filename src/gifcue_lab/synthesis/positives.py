"""Segments with an expected reaction.

In: a `SequenceBuilder` and the time `until_s` at which the segment must have ended. Each function adds one segment to
the builder and returns True, or returns False if there is no label or no time for it.
"""

from __future__ import annotations

from collections.abc import Sequence

from gifcue_lab.synthesis import hand_motion
from gifcue_lab.synthesis.builder import BLEND_S, CUT_S, OVER_DWELL_S, SequenceBuilder
from gifcue_lab.synthesis.script import Shot, Span
from gifcue_lab.synthesis.subjects import NEUTRAL, Still

# Seconds (least, most) to raise or lower a hand.
LIFT_S = (0.25, 0.4)
# Seconds (least, most) of one photograph of a gesture if there are others, and of the transition between two.
CHANGE_S, CHANGE_BLEND_S = (0.5, 1.5), 0.12
# Least and most periods per second of a wave, and hand widths between its turning points.
WAVE_HZ, WAVE_TRAVEL = (0.8, 2.5), (0.6, 1.6)


def positive(builder: SequenceBuilder, until_s: float) -> bool:
    """A reaction of the label with the fewest so far, among those that are available."""
    labels = [
        label
        for label in builder.policy.labels
        if (label in builder.person.available_labels or builder.subjects.visitors.get(label))
        and builder.is_available(label)
    ]
    if not labels:
        return False
    least = min(builder.tally.positives[label] for label in labels)
    label = builder.pick([label for label in labels if builder.tally.positives[label] == least])
    if label not in builder.person.available_labels:
        return visit(builder, label, until_s)
    if builder.policy.labels[label].motion != "none":
        return _wave(builder, label, until_s)
    if builder.policy.labels[label].kind == "face":
        return _expression(builder, label, until_s)
    return _gesture(builder, label, until_s)


def _gesture(builder: SequenceBuilder, label: str, until_s: float) -> bool:
    """A gesture, held for longer than its dwell."""
    held_s = builder.hold_seconds(label)
    return show_hand(
        builder, "meant", label, builder.person.showing(label), held_s, until_s, is_positive=True
    )


def show_hand(
    builder: SequenceBuilder,
    kind: str,
    label: str,
    stills: Sequence[Still],
    held_s: float,
    until_s: float,
    *,
    is_positive: bool,
) -> bool:
    """Adds a segment in which a hand is raised, held for `held_s` and lowered, with similar photographs in between.

    Args:
        kind: the segment's kind.
        label: what the hand shows.
        stills: photographs that show it.
        is_positive: whether the reaction is expected.
    """
    first = builder.pick(stills)
    if builder.now_s + held_s + 1.5 > until_s:
        return False
    begin_s, shots = builder.now_s, list[Shot]()
    at_s, onset_s = begin_s, begin_s
    rises = first.name in builder.person.fills and first.is_one_hand
    if rises:
        # The background of the same photograph, so that only the hand changes.
        at_s += 0.4
        shots.append(builder.background_shot(first, begin_s, at_s, fade_s=BLEND_S))
        onset_s = at_s + builder.between(*LIFT_S)
    else:
        onset_s = at_s + BLEND_S / 2
    over_s = onset_s + held_s
    changes = _changes(builder, first, stills, onset_s, over_s)
    for number, (still, from_s, to_s) in enumerate(changes):
        if number == 0 and rises:
            keys = (
                *hand_motion.rise(still, at_s, onset_s - at_s),
                *hand_motion.hold(still, onset_s, to_s, builder.rng),
            )
            shots.append(builder.layer_shot(still, still, keys, at_s, to_s))
        else:
            begin = at_s if number == 0 else from_s
            shots.append(Shot(begin, to_s, still.name, fade_s=BLEND_S if number == 0 else CHANGE_BLEND_S))
    last = changes[-1][0]
    end_s = over_s
    if last is first and rises:
        end_s += builder.between(*LIFT_S)
        keys = hand_motion.fall(last, over_s, end_s - over_s)
        shots.append(builder.layer_shot(last, last, keys, over_s, end_s))
        builder.stay(last)
    allow = builder.ambiguous_spans(shots, {label} if is_positive else set())
    expect = (Span(label, onset_s, over_s),) if is_positive else ()
    builder.add(kind, end_s, shots, expect, allow)
    return True


def _changes(
    builder: SequenceBuilder, first: Still, stills: Sequence[Still], from_s: float, to_s: float
) -> list[tuple[Still, float, float]]:
    """(photograph, start, end) of what is shown: the first, then others in which face and hand are near."""
    cuts, at_s = [from_s], from_s + builder.between(*CHANGE_S)
    others = [still for still in stills if still is not first and _is_like(still, first)]
    while others and at_s < to_s - 0.4:
        cuts.append(at_s)
        at_s += builder.between(*CHANGE_S)
    shown = [first, *(builder.pick(others) for _ in cuts[1:])]
    return [
        (still, *span) for still, span in zip(shown, zip(cuts, [*cuts[1:], to_s], strict=True), strict=True)
    ]


def _wave(builder: SequenceBuilder, label: str, until_s: float) -> bool:
    """A hand is raised, waves and is lowered."""
    still = builder.pick(builder.person.showing(label))
    hz, travel = builder.between(*WAVE_HZ), builder.between(*WAVE_TRAVEL)
    # A period has two swings. One and a half more than the policy needs, because it detects the first one late.
    enough_s = (builder.policy.swings.min_swings + 1.5) / (2 * hz) + OVER_DWELL_S
    held_s = max(builder.hold_seconds(label), enough_s)
    if builder.now_s + held_s + 2.0 > until_s:
        return False
    begin_s, up_s = builder.now_s, builder.now_s + 0.3
    onset_s = up_s + builder.between(*LIFT_S)
    over_s = onset_s + held_s
    end_s = over_s + builder.between(*LIFT_S)
    keys = (
        *hand_motion.rise(still, up_s, onset_s - up_s),
        *hand_motion.wave(still, onset_s, over_s - 0.1, hz, travel, builder.rng),
        *hand_motion.fall(still, over_s, end_s - over_s),
    )
    shots = [
        builder.background_shot(still, begin_s, up_s, fade_s=BLEND_S),
        builder.layer_shot(still, still, keys, up_s, end_s),
    ]
    builder.stay(still)
    builder.add(
        "meant", end_s, shots, (Span(label, onset_s, over_s),), builder.ambiguous_spans(shots, {label})
    )
    return True


def _expression(builder: SequenceBuilder, label: str, until_s: float) -> bool:
    """A neutral face changes to the expression and back."""
    still = builder.pick(builder.person.showing(label))
    neutral = builder.pick([each for each in builder.person.backgrounds if each.expression == NEUTRAL])
    held_s = builder.hold_seconds(label)
    if builder.now_s + held_s + 2.5 > until_s:
        return False
    begin_s = builder.now_s
    from_s = begin_s + builder.between(0.8, 1.5)
    over_s = from_s + BLEND_S / 2 + held_s
    shots = [
        builder.background_shot(neutral, begin_s, from_s, fade_s=BLEND_S),
        Shot(from_s, over_s, still.name, fade_s=BLEND_S),
        builder.background_shot(neutral, over_s, over_s + 0.5, fade_s=BLEND_S),
    ]
    builder.stay(neutral)
    expect = (Span(label, from_s + BLEND_S / 2, over_s),)
    builder.add("meant", over_s + 0.5, shots, expect, builder.ambiguous_spans(shots, {label}))
    return True


def visit(builder: SequenceBuilder, label: str, until_s: float) -> bool:
    """Another person takes the place, with a known expression."""
    visitors = builder.subjects.visitors[label]
    fewest = min(builder.tally.visits[still.name] for still in visitors)
    still = builder.pick([still for still in visitors if builder.tally.visits[still.name] == fewest])
    held_s = builder.hold_seconds(label) + 0.5
    if builder.now_s + held_s + 1.0 > until_s:
        return False
    over_s = builder.now_s + held_s
    shots = [Shot(builder.now_s, over_s, still.name, fade_s=CUT_S, whole=True)]
    expect = (Span(label, builder.now_s + CUT_S / 2, over_s),) if label in builder.policy.labels else ()
    builder.add("visitor", over_s, shots, expect, builder.ambiguous_spans(shots, {label}))
    builder.tally.visits[still.name] += 1
    builder.cuts = True
    return True


def _is_like(one: Still, other: Still) -> bool:
    """Whether two photographs of a gesture can follow each other without a visible jump of the hands."""
    if one.photo.width != other.photo.width or len(one.hands) != len(other.hands):
        return False
    hands = [float(abs(a.box - b.box).max()) for a, b in zip(one.hands, other.hands, strict=True)]
    return max(hands, default=0.0) < 0.12 * one.photo.width
