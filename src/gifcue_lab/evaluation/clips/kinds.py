"""What clips show, in the report: for how long, and what was found and false meanwhile.

In: `ClipResult`s whose clips state their segments. Out: JSON data, see `gifcue_lab.evaluation.clips.metrics`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from gifcue_lab.evaluation.clips.matching import LATE_S, ClipResult
from gifcue_lab.evaluation.clips.truth import Clip, Expected, Part

_DIGITS = 4
_SECONDS_PER_HOUR = 3600.0


def kinds(results: Sequence[ClipResult]) -> dict[str, Any]:
    """The entry `kinds`: by kind of segment, the longest first; empty where no clip states any."""
    seconds: dict[str, float] = {}
    expected, found = Counter[str](), Counter[str]()
    false: dict[str, Counter[str]] = {}
    for result in results:
        for part in result.clip.segments:
            seconds[part.kind] = seconds.get(part.kind, 0.0) + part.end_s - part.start_s
        for each in result.expectations:
            if (shown := part_at(result.clip, each.expected.start_s)) is not None:
                expected[shown.kind] += 1
                found[shown.kind] += each.started is not None
        for wrong in result.false:
            if (shown := part_at(result.clip, wrong.event.at_s)) is not None:
                false.setdefault(shown.kind, Counter())[wrong.event.label] += 1
    total = sum(seconds.values())
    return {
        kind: {
            "seconds": round(took_s, 2),
            "share": round(took_s / total, _DIGITS),
            "expected": expected[kind],
            "found": found[kind],
            "false": dict(sorted(false.get(kind, Counter()).items())),
        }
        for kind, took_s in sorted(seconds.items(), key=lambda each: -each[1])
    }


def part_at(clip: Clip, at_s: float) -> Part | None:
    """The segment of a clip at a time; None where the clip states none."""
    return next((part for part in clip.segments if part.start_s <= at_s < part.end_s), None)


def watched_hours(results: Iterable[ClipResult], label: str) -> float:
    """The hours in which a reaction of the label would be false, because the clips neither expect nor allow it."""
    watched_s = 0.0
    for result in results:
        clip, seconds = result.clip, result.run.seconds
        if label in clip.allow:
            continue
        spans = [each for each in clip.allow_spans if each.label == label]
        late = (
            Expected(label=label, start_s=each.start_s, end_s=each.end_s + LATE_S)
            for each in clip.expect
            if each.label == label
        )
        watched_s += seconds - _covered_s([*spans, *late], seconds)
    return round(watched_s / _SECONDS_PER_HOUR, _DIGITS)


def _covered_s(spans: Iterable[Expected], seconds: float) -> float:
    """The seconds that lie in any of the spans, which may overlap."""
    covered_s, until_s = 0.0, 0.0
    for span in sorted(spans, key=lambda each: each.start_s):
        from_s, to_s = max(span.start_s, until_s), min(span.end_s, seconds)
        covered_s += max(0.0, to_s - from_s)
        until_s = max(until_s, to_s)
    return covered_s
