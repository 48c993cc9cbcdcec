"""The expected reactions of composed sequences.

In: `Sequence` objects by file name. Out: the content of events.json, as `gifcue-lab evaluate clips` reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gifcue_lab.synthesis.script import Segment, Sequence, Span

_DIGITS = 3


def events_json(sequences: Mapping[str, Sequence]) -> dict[str, Any]:
    """The content of events.json; `sequences` by the names of their files."""
    return {
        "about": "Composed of photographs by `gifcue-lab dataset compose`. Shows private persons.",
        "clips": {
            name: {
                "seconds": round(sequence.seconds, _DIGITS),
                "expect": [_span(span) for span in sequence.expect],
                "allow": [_span(span) for span in joined(sequence.allow, sequence.seconds)],
                "person": sequence.person,
                "segments": [
                    {
                        "kind": segment.kind,
                        "start_s": round(segment.start_s, _DIGITS),
                        "end_s": round(segment.end_s, _DIGITS),
                        "shows": sorted(
                            {shot.photo or shot.clip for shot in segment.shots} | _hands(segment)
                        ),
                    }
                    for segment in sequence.segments
                ],
            }
            for name, sequence in sequences.items()
        },
    }


def joined(spans: Iterable[Span], seconds: float) -> list[Span]:
    """Merges spans of a label that touch or overlap, cuts them at `seconds`, and sorts by label and time."""
    joined: list[Span] = []
    for span in sorted(spans, key=lambda each: (each.label, each.start_s, each.end_s)):
        end_s = min(span.end_s, seconds)
        last = joined[-1] if joined else None
        if last is not None and last.label == span.label and span.start_s <= last.end_s:
            joined[-1] = Span(last.label, last.start_s, max(last.end_s, end_s))
        else:
            joined.append(Span(span.label, span.start_s, end_s))
    return joined


def _hands(segment: Segment) -> set[str]:
    """The photographs of hands that move in front of others."""
    return {shot.layer.photo for shot in segment.shots if shot.layer is not None}


def _span(span: Span) -> dict[str, Any]:
    return {"label": span.label, "start_s": round(span.start_s, _DIGITS), "end_s": round(span.end_s, _DIGITS)}
