"""Real clips of people who talk, to be cut into sequences.

In: a directory of clips with events.json. Out: `TalkingClip` objects.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from gifcue_lab.evaluation.clips.truth import EVENTS_FILE, Clip, read_clips
from gifcue_lab.synthesis.script import Span

# Shorter clips show a gesture and no talking.
MIN_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class TalkingClip:
    """A clip and its length in seconds."""

    clip: Clip
    seconds: float

    @property
    def name(self) -> str:
        return self.clip.name

    def within(self, from_s: float, to_s: float, at_s: float, after_s: float) -> tuple[Span, ...]:
        """The allowed reactions where the part from `from_s` to `to_s` is shown from `at_s` on.

        Each span is `after_s` longer than its cause. Nothing is expected of a clip, because it may begin within a
        smile or within the policy's cooldown.
        """
        shown = [Span(label, from_s, to_s) for label in sorted(self.clip.allow)]
        shown += [
            Span(each.label, max(each.start_s, from_s), min(each.end_s, to_s))
            for each in (*self.clip.expect, *self.clip.allow_spans)
            if each.start_s < to_s and each.end_s > from_s
        ]
        shift_s = at_s - from_s
        return tuple(
            Span(each.label, each.start_s + shift_s, each.end_s + shift_s + after_s) for each in shown
        )


def read_talking_clips(directory: Path, hand_labels: Collection[str]) -> list[TalkingClip]:
    """The clips of a folder of `MIN_SECONDS` or more without hand gestures; empty without events.json.

    Raises:
        DatasetError: the folder's events.json is wrong.
    """
    if not (directory / EVENTS_FILE).is_file():
        return []
    found = []
    for clip in read_clips(directory):
        labels = {each.label for each in (*clip.expect, *clip.allow_spans)} | clip.allow
        if (clip.seconds or 0.0) >= MIN_SECONDS and not labels & set(hand_labels):
            found.append(TalkingClip(clip, clip.seconds or 0.0))
    return found
