"""Explanations of why nothing fired, as text for people: a line for each change, not for each frame."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from gifcue.client import FrameDecided, UnmetCondition


@dataclass(frozen=True, slots=True)
class _Phrase:
    """`text` is formatted with `value` and `needed`, both divided by `unit`. `step` is the change of the value that is
    worth another line.
    """

    text: str
    unit: float = 1.0
    step: float = math.inf


# By `gifcue.reactions.conditions.Condition`, which is not imported: a client needs no reaction policy.
_PHRASES: dict[str, _Phrase] = {
    "late": _Phrase("the frame came {value:.0f} ms after a later one"),
    "cooldown": _Phrase("cooldown, {value:.1f} s left", unit=1000.0),
    "speaking": _Phrase("the participant speaks"),
    "already_shown": _Phrase(
        "shown since the video began, gone for {value:.1f} of {needed:.1f} s", unit=1000.0
    ),
    "no_region": _Phrase("no face or hand found: score {value:.2f}, needs {needed:.2f}"),
    "subject": _Phrase("it is not the subject that shows it"),
    "score": _Phrase("score {value:.2f}, needs {needed:.2f}", step=0.1),
    "top_label": _Phrase("score {value:.2f}, another label has {needed:.2f}", step=0.1),
    "speed": _Phrase("moves {value:.1f} of its sizes a second, at most {needed:.1f}"),
    "hand_at_face": _Phrase("{value:.0%} of a hand at the chin or cheek, needs {needed:.0%}"),
    "face_cover": _Phrase("{value:.0%} of the hand over a face, at most {needed:.0%}"),
    "height": _Phrase("the hand is {value:.1f} heights of the face above the chin, needs {needed:.1f}"),
    "still": _Phrase("the hand swings from side to side, must keep still"),
    "stale": _Phrase("held for {value:.1f} s without enough frames that show it", unit=1000.0),
    "motion": _Phrase("{value:.0f} swings, needs {needed:.0f}", step=1.0),
    "hold": _Phrase("held for {value:.2f} s, needs {needed:.2f} s", unit=1000.0),
    "frames": _Phrase("shown on {value:.0f} frames, needs {needed:.0f}"),
    "analysed_frames": _Phrase("shown on {value:.0f} analysed frames, needs {needed:.0f}"),
    "frame_share": _Phrase("shown on {value:.0%} of the frames, needs {needed:.0%}"),
}
# Of a newer server.
_UNKNOWN = _Phrase("{condition} {value:g}, needs {needed:g}")


def phrase(unmet: UnmetCondition) -> str:
    """The condition in words, such as "score 0.61, needs 0.80"."""
    known = _PHRASES.get(unmet.condition, _UNKNOWN)
    return known.text.format(
        value=unmet.value / known.unit, needed=unmet.needed / known.unit, condition=unmet.condition
    )


class Explainer:
    """Remembers what each label of each participant lacked last."""

    def __init__(self) -> None:
        self._last: dict[str, dict[str, UnmetCondition]] = {}

    def changes(self, decision: FrameDecided) -> Iterator[str]:
        """A line for each label that lacks something else than before, such as "smile: score 0.61, needs 0.80"."""
        last = self._last.get(decision.participant_id, {})
        shown: dict[str, UnmetCondition] = {}
        for unmet in decision.unmet:
            before = last.get(unmet.label)
            if before is None or _is_worth_a_line(before, unmet):
                yield f"{unmet.label}: {phrase(unmet)}"
                before = unmet
            shown[unmet.label] = before
        # Labels that have started are gone from it, and so explained anew after they have ended.
        self._last[decision.participant_id] = shown


def _is_worth_a_line(before: UnmetCondition, now: UnmetCondition) -> bool:
    step = _PHRASES.get(now.condition, _UNKNOWN).step
    return before.condition != now.condition or abs(before.value - now.value) >= step
