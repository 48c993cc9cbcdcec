"""Poses that are shown when the video begins, of labels whose settings ignore these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gifcue.reactions.conditions import Condition, Unmet
from gifcue.reactions.hold import MIN_MISSES
from gifcue.reactions.label_settings import LabelSettings
from gifcue.reactions.tracks import Track


@dataclass(slots=True)
class _Wait:
    """Since when the pose is gone, and how many analysed frames have shown that; how long it is gone now."""

    since_s: float | None = None
    misses: int = 0
    gone_s: float = 0.0


class AlreadyShown:
    """Holds labels back until their pose has been gone for as long as a reaction needs to end.

    The video begins with the first frame, and anew after a gap or a jump of the clock. All labels are watched from then
    on, also those that are not allowed yet: a participant may allow one later.
    """

    def __init__(self, labels: Mapping[str, LabelSettings]) -> None:
        self._labels = {label: each for label, each in labels.items() if each.already_shown == "ignore"}
        self._waits: dict[str, _Wait] = {}
        self.reset()

    def watch(self, tracks: Sequence[Track], at_s: float, *, analysed: bool) -> None:
        """Takes the faces and hands after a frame."""
        for label, wait in list(self._waits.items()):
            is_shown = _is_shown(label, self._labels[label], tracks)
            if wait.since_s is None or is_shown:
                wait.since_s, wait.misses = at_s, 0
            wait.misses += analysed and not is_shown
            wait.gone_s = at_s - wait.since_s
            if wait.misses >= MIN_MISSES and wait.gone_s >= self._labels[label].release_s:
                del self._waits[label]

    def unmet(self, label: str) -> Unmet | None:
        """What the label lacks while it is held back."""
        wait = self._waits.get(label)
        if wait is None:
            return None
        return Condition.ALREADY_SHOWN, 1000.0 * wait.gone_s, 1000.0 * self._labels[label].release_s

    def reset(self) -> None:
        """The video begins anew."""
        self._waits = {label: _Wait() for label in self._labels}


def _is_shown(label: str, settings: LabelSettings, tracks: Sequence[Track]) -> bool:
    """Whether any face or hand shows the pose on this frame, whether or not it is meant."""
    return any(
        track.is_seen
        and track.kind == settings.kind
        and track.region.attributes.get(label, 0.0) >= settings.stay
        for track in tracks
    )
