"""What clips show, in the report: for how long, and what was found and false meanwhile.

In: `ClipResult`s whose clips state their segments. Out: JSON data, see `gifcue_lab.evaluation.clips.metrics`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from gifcue_lab.evaluation.clips.matching import ClipResult
from gifcue_lab.evaluation.clips.truth import Clip, Part

_DIGITS = 4


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
