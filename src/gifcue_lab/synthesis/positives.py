"""What somebody means. Every function adds it to the desk, and is False where there is no room before `until_s`."""

from __future__ import annotations

from collections.abc import Sequence

from gifcue_lab.synthesis import hand_motion
from gifcue_lab.synthesis.builder import BLEND_S, CUT_S, OVER_DWELL_S, Desk
from gifcue_lab.synthesis.script import Shot, Span
from gifcue_lab.synthesis.subjects import NEUTRAL, Still

# Up from below, and down again.
LIFT_S = (0.25, 0.4)
# How long one photograph of a gesture is shown where there are others, and how fast it changes.
CHANGE_S, CHANGE_BLEND_S = (0.5, 1.5), 0.12
# There and back so many times a second, so many hand widths from turning point to turning point.
WAVE_HZ, WAVE_TRAVEL = (0.8, 2.5), (0.6, 1.6)


def meant(desk: Desk, until_s: float) -> bool:
    """The label that was meant the least, of those that may be again."""
    labels = [
        label
        for label in desk.policy.labels
        if (label in desk.person.offers or desk.cast.visitors.get(label)) and desk.is_free(label)
    ]
    if not labels:
        return False
    least = min(desk.tally.meant[label] for label in labels)
    label = desk.pick([label for label in labels if desk.tally.meant[label] == least])
    if label not in desk.person.offers:
        return visit(desk, label, until_s)
    if desk.policy.labels[label].motion != "none":
        return _wave(desk, label, until_s)
    if desk.policy.labels[label].kind == "face":
        return _expression(desk, label, until_s)
    return _gesture(desk, label, until_s)


def _gesture(desk: Desk, label: str, until_s: float) -> bool:
    """A hand held, long enough."""
    held_s = desk.long_enough(label)
    return show_hand(desk, "meant", label, desk.person.showing(label), held_s, until_s, is_meant=True)


def show_hand(
    desk: Desk,
    kind: str,
    label: str,
    stills: Sequence[Still],
    held_s: float,
    until_s: float,
    *,
    is_meant: bool,
) -> bool:
    """A hand comes, is held, with other photographs of it in between, and goes."""
    first = desk.pick(stills)
    if desk.now_s + held_s + 1.5 > until_s:
        return False
    begin_s, shots = desk.now_s, list[Shot]()
    at_s, onset_s = begin_s, begin_s
    rises = first.name in desk.person.fills and first.is_one_hand
    if rises:
        # The room as it was when the hand was there: only the hand comes and goes.
        at_s += 0.4
        shots.append(desk.plate_shot(first, begin_s, at_s, fade_s=BLEND_S))
        onset_s = at_s + desk.between(*LIFT_S)
    else:
        onset_s = at_s + BLEND_S / 2
    over_s = onset_s + held_s
    changes = _changes(desk, first, stills, onset_s, over_s)
    for number, (still, from_s, to_s) in enumerate(changes):
        if number == 0 and rises:
            keys = (
                *hand_motion.rise(still, at_s, onset_s - at_s),
                *hand_motion.hold(still, onset_s, to_s, desk.rng),
            )
            shots.append(desk.layer_shot(still, still, keys, at_s, to_s))
        else:
            begin = at_s if number == 0 else from_s
            shots.append(Shot(begin, to_s, still.name, fade_s=BLEND_S if number == 0 else CHANGE_BLEND_S))
    last = changes[-1][0]
    end_s = over_s
    if last is first and rises:
        end_s += desk.between(*LIFT_S)
        keys = hand_motion.fall(last, over_s, end_s - over_s)
        shots.append(desk.layer_shot(last, last, keys, over_s, end_s))
        desk.stay(last)
    allow = desk.doubts(shots, {label} if is_meant else set())
    expect = (Span(label, onset_s, over_s),) if is_meant else ()
    desk.add(kind, end_s, shots, expect, allow)
    return True


def _changes(
    desk: Desk, first: Still, stills: Sequence[Still], from_s: float, to_s: float
) -> list[tuple[Still, float, float]]:
    """Which photograph is shown when: another one of the same hand every so often."""
    cuts, at_s = [from_s], from_s + desk.between(*CHANGE_S)
    others = [still for still in stills if still is not first and _is_like(still, first)]
    while others and at_s < to_s - 0.4:
        cuts.append(at_s)
        at_s += desk.between(*CHANGE_S)
    shown = [first, *(desk.pick(others) for _ in cuts[1:])]
    return [
        (still, *span) for still, span in zip(shown, zip(cuts, [*cuts[1:], to_s], strict=True), strict=True)
    ]


def _wave(desk: Desk, label: str, until_s: float) -> bool:
    """A hand comes up, goes from side to side, and goes."""
    still = desk.pick(desk.person.showing(label))
    hz, travel = desk.between(*WAVE_HZ), desk.between(*WAVE_TRAVEL)
    # Each half of a turn is a swing; one more than the policy asks for, as it sees the first one late.
    enough_s = (desk.policy.swings.min_swings + 1.5) / (2 * hz) + OVER_DWELL_S
    held_s = max(desk.long_enough(label), enough_s)
    if desk.now_s + held_s + 2.0 > until_s:
        return False
    begin_s, up_s = desk.now_s, desk.now_s + 0.3
    onset_s = up_s + desk.between(*LIFT_S)
    over_s = onset_s + held_s
    end_s = over_s + desk.between(*LIFT_S)
    keys = (
        *hand_motion.rise(still, up_s, onset_s - up_s),
        *hand_motion.wave(still, onset_s, over_s - 0.1, hz, travel, desk.rng),
        *hand_motion.fall(still, over_s, end_s - over_s),
    )
    shots = [
        desk.plate_shot(still, begin_s, up_s, fade_s=BLEND_S),
        desk.layer_shot(still, still, keys, up_s, end_s),
    ]
    desk.stay(still)
    desk.add("meant", end_s, shots, (Span(label, onset_s, over_s),), desk.doubts(shots, {label}))
    return True


def _expression(desk: Desk, label: str, until_s: float) -> bool:
    """From a face known to be neutral to one that shows it, and back."""
    still = desk.pick(desk.person.showing(label))
    neutral = desk.pick([each for each in desk.person.plates if each.expression == NEUTRAL])
    held_s = desk.long_enough(label)
    if desk.now_s + held_s + 2.5 > until_s:
        return False
    begin_s = desk.now_s
    from_s = begin_s + desk.between(0.8, 1.5)
    over_s = from_s + BLEND_S / 2 + held_s
    shots = [
        desk.plate_shot(neutral, begin_s, from_s, fade_s=BLEND_S),
        Shot(from_s, over_s, still.name, fade_s=BLEND_S),
        desk.plate_shot(neutral, over_s, over_s + 0.5, fade_s=BLEND_S),
    ]
    desk.stay(neutral)
    expect = (Span(label, from_s + BLEND_S / 2, over_s),)
    desk.add("meant", over_s + 0.5, shots, expect, desk.doubts(shots, {label}))
    return True


def visit(desk: Desk, label: str, until_s: float) -> bool:
    """Somebody else takes the camera, with an expression that is known."""
    visitors = desk.cast.visitors[label]
    fewest = min(desk.tally.visits[still.name] for still in visitors)
    still = desk.pick([still for still in visitors if desk.tally.visits[still.name] == fewest])
    held_s = desk.long_enough(label) + 0.5
    if desk.now_s + held_s + 1.0 > until_s:
        return False
    over_s = desk.now_s + held_s
    shots = [Shot(desk.now_s, over_s, still.name, fade_s=CUT_S, whole=True)]
    expect = (Span(label, desk.now_s + CUT_S / 2, over_s),) if label in desk.policy.labels else ()
    desk.add("visitor", over_s, shots, expect, desk.doubts(shots, {label}))
    desk.tally.visits[still.name] += 1
    desk.cuts = True
    return True


def _is_like(one: Still, other: Still) -> bool:
    """Whether two photographs of a gesture can follow each other without a jump: face and hand are near."""
    if one.photo.width != other.photo.width or len(one.hands) != len(other.hands):
        return False
    hands = [float(abs(a.box - b.box).max()) for a, b in zip(one.hands, other.hands, strict=True)]
    return max(hands, default=0.0) < 0.12 * one.photo.width
