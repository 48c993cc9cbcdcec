"""Reactions that go on from another server and have not been seen on this one yet."""

from __future__ import annotations

from dataclasses import dataclass

from gifcue.reactions.hold import MIN_MISSES
from gifcue.reactions.settings import ReactionSettings


@dataclass(slots=True)
class _Wait:
    """Since when frames come, and how many of them were analysed without the pose."""

    since_s: float | None = None
    misses: int = 0


class Continued:
    """Gives each continued reaction the time that its release takes, counted from the first frame on this server."""

    def __init__(self, settings: ReactionSettings) -> None:
        self._settings = settings
        self._waits: dict[str, _Wait] = {}

    def begin(self, label: str) -> None:
        """A reaction of this label goes on from another server."""
        self._waits[label] = _Wait()

    def drop(self, label: str) -> None:
        """The reaction of this label has ended."""
        self._waits.pop(label, None)

    def is_awaited(self, label: str) -> bool:
        """Whether a reaction of this label goes on and has not been seen yet."""
        return label in self._waits

    def holds_on(self, label: str, at_s: float, *, is_shown: bool, analysed: bool) -> bool:
        """Takes a frame; True while the reaction goes on although no frame has shown its pose yet."""
        wait = self._waits.get(label)
        if wait is None:
            return False
        if wait.since_s is None:
            wait.since_s = at_s
        wait.misses += analysed
        gone_s = at_s - wait.since_s
        is_over = wait.misses >= MIN_MISSES and gone_s >= self._release_s(label)
        most_s = max(self._settings.max_gap_s, self._release_s(label))  # however few frames are analysed
        if is_shown or is_over or gone_s >= most_s:
            del self._waits[label]
            return False
        return True

    def _release_s(self, label: str) -> float:
        settings = self._settings.labels[label]
        # The swings of a wave are counted anew here, and a hand may rest before the next one.
        rest_s = self._settings.swings.max_rest_s if settings.motion != "none" else 0.0
        return settings.release_s + rest_s
