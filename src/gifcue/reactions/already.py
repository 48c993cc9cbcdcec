"""Poses that are shown when the video begins, of labels whose settings ignore these."""

from __future__ import annotations

from collections.abc import Mapping

from gifcue.reactions.conditions import Condition, Unmet
from gifcue.reactions.hold import MIN_MISSES
from gifcue.reactions.settings import LabelSettings


class AlreadyShown:
    """Holds a label back until its pose has been gone for as long as a reaction needs to end.

    The video begins with the first frame, and anew after a gap or a jump of the clock.
    """

    def __init__(self, labels: Mapping[str, LabelSettings]) -> None:
        self._release_s = {
            label: each.release_s for label, each in labels.items() if each.already_shown == "ignore"
        }
        # Since when the pose is gone, and how many analysed frames have shown that, of labels that are held back.
        self._gone: dict[str, tuple[float, int]] = {}
        self._is_new = dict.fromkeys(self._release_s, True)

    def is_waiting(self, label: str) -> bool:
        """Whether the label is held back."""
        return self._is_new.get(label, False)

    def check(self, label: str, at_s: float, *, is_shown: bool, analysed: bool) -> Unmet | None:
        """Takes a frame while the label is held back. Returns what it lacks, None once it is not held back any more.

        `is_shown`: the frame shows the pose.
        """
        since_s, misses = self._gone.get(label, (at_s, 0))
        since_s, misses = (at_s, 0) if is_shown else (since_s, misses + analysed)
        self._gone[label] = since_s, misses
        gone_s, release_s = at_s - since_s, self._release_s[label]
        if misses >= MIN_MISSES and gone_s >= release_s:
            self._is_new[label] = False
            del self._gone[label]
            return None
        return Condition.ALREADY_SHOWN, 1000.0 * gone_s, 1000.0 * release_s

    def reset(self) -> None:
        """The video begins anew."""
        self._gone.clear()
        self._is_new = dict.fromkeys(self._release_s, True)
