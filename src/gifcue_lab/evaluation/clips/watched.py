"""The time in which a reaction would be false, and the false reactions in it.

While a clip expects or allows a reaction, a mistaken one cannot be told from a right one. Rates that count that time
are too low.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gifcue_lab.evaluation.clips.bounds import SECONDS_PER_HOUR, rate_upper_bound
from gifcue_lab.evaluation.clips.matching import LATE_S, ClipResult
from gifcue_lab.evaluation.clips.truth import Clip

_DIGITS = 4


def watched(results: Sequence[ClipResult], label: str | None) -> dict[str, Any]:
    """The entries `watched_hours`, `watched_false` and their rates, of one label or of all.

    The time of a label is that in which clips neither expect nor allow it; of all labels, any of them.
    """
    watched_s, false = 0.0, 0
    for result in results:
        spans = _spans(result.clip, label, result.run.seconds)
        watched_s += result.run.seconds - _covered_s(spans)
        false += sum(
            (label is None or wrong.event.label == label) and not _is_within(wrong.event.at_s, spans)
            for wrong in result.false
        )
    hours = watched_s / SECONDS_PER_HOUR
    upper = rate_upper_bound(false, hours)
    return {
        "watched_hours": round(hours, _DIGITS),
        "watched_false": false,
        "false_per_watched_hour": round(false / hours, _DIGITS) if hours > 0 else None,
        "false_per_watched_hour_upper": None if upper is None else round(upper, _DIGITS),
    }


def _spans(clip: Clip, label: str | None, seconds: float) -> list[tuple[float, float]]:
    """(start, end) of the time in which the label is expected or allowed, cut at the clip's end, sorted."""
    if (label in clip.allow) if label is not None else clip.allow:
        return [(0.0, seconds)]
    spans = [
        (each.start_s, min(each.end_s, seconds))
        for each in clip.allow_spans
        if label is None or each.label == label
    ]
    spans += [
        (each.start_s, min(each.end_s + LATE_S, seconds))
        for each in clip.expect
        if label is None or each.label == label
    ]
    return sorted(spans)


def _covered_s(spans: Sequence[tuple[float, float]]) -> float:
    """The seconds that lie in any of the spans, which may overlap."""
    covered_s, until_s = 0.0, 0.0
    for start_s, end_s in spans:
        covered_s += max(0.0, end_s - max(start_s, until_s))
        until_s = max(until_s, end_s)
    return covered_s


def _is_within(at_s: float, spans: Sequence[tuple[float, float]]) -> bool:
    return any(start_s <= at_s <= end_s for start_s, end_s in spans)
