"""The time in which a reaction would be false, and the false reactions in it.

Clips allow some labels for a while. A rate over all their time would be too low, because no reaction of these labels
can be false then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gifcue_lab.evaluation.clips.bounds import SECONDS_PER_HOUR
from gifcue_lab.evaluation.clips.matching import LATE_S, ClipResult
from gifcue_lab.evaluation.clips.truth import Clip, Expected


class Watched(NamedTuple):
    """The hours, and the number of false reactions in them."""

    hours: float
    false: int


def watched(results: Iterable[ClipResult], label: str | None = None) -> Watched:
    """The time in which the clips neither expect nor allow a label, and the false reactions of it then.

    Without a label: the time in which the clips allow no label at all, and all false reactions then.
    """
    seconds, false = 0.0, 0
    for result in results:
        spans = _unwatched(result.clip, label, result.run.seconds)
        seconds += result.run.seconds - _covered_s(spans, result.run.seconds)
        false += sum(
            label in (None, each.event.label)
            and not any(span.start_s <= each.event.at_s <= span.end_s for span in spans)
            for each in result.false
        )
    return Watched(seconds / SECONDS_PER_HOUR, false)


def _unwatched(clip: Clip, label: str | None, seconds: float) -> list[Expected]:
    """The spans that do not count."""
    if clip.allow if label is None else label in clip.allow:
        return [Expected(label=label or "any", start_s=0.0, end_s=seconds)]
    spans = [each for each in clip.allow_spans if label in (None, each.label)]
    late = [
        Expected(label=each.label, start_s=each.start_s, end_s=each.end_s + LATE_S)
        for each in clip.expect
        if each.label == label
    ]
    return [*spans, *late]


def _covered_s(spans: Sequence[Expected], seconds: float) -> float:
    """The seconds that lie in any of the spans, which may overlap."""
    covered_s, until_s = 0.0, 0.0
    for span in sorted(spans, key=lambda each: each.start_s):
        from_s, to_s = max(span.start_s, until_s), min(span.end_s, seconds)
        covered_s += max(0.0, to_s - from_s)
        until_s = max(until_s, to_s)
    return covered_s
