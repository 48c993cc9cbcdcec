"""The report on a folder of clips.

The JSON form, stable within `gifcue-clips/1`: keys may be added, existing ones do not change.

    format, about {...}                the server: model, preset, versions
    clips, seconds, participant_hours
    total   {expected, found, missed, misses {miss: n}, recall, recall_interval, false, false_per_hour,
             false_per_hour_upper, allowed, onset_to_started {n, median_s, p95_s}, dwell_s}
    labels  {label: the same}
    total, labels.L  {watched_hours, watched_false, false_per_watched_hour, false_per_watched_hour_upper}: of the
             time in which a reaction would be false, see `watched`
    kinds   {kind: {seconds, share, expected, found, false {label: n}}}, of the segments that clips state
    frames  {received, analysed, skipped {reason: n}, dropped {reason: n}, share_similar,
             share_similar_of_due, share_not_analysed}
    by_clip {name: {seconds, expected, found, missed, false, allowed, frames, faults {code: n},
             expectations [{label, start_s, end_s, started_s, onset_to_started_s, held, miss}],
             false_reactions [{label, at_s, score, why, during {kind, shows} or null}],
             allowed_reactions [{label, at_s, score}]}}
    filter_off {total, labels, frames, by_clip} or null
    skipping   {lost [{clip, label, start_s, end_s}], gained [the same], false_with, false_without} or null
    warnings [text]

Rates are 0..1. Rates and times are null if there is nothing to compute them from. `share_similar` is a share of all
frames received, `share_similar_of_due` of those that pacing passed on to the filter. `held` is the largest progress
within the span, 0..1. `miss` is null if the reaction was found, otherwise nothing, held, early or taken. `why` is
unasked or again. `lost` are expectations that are found with the filter off and missed with it on.
`recall_interval` [low, high] and the keys that end in `_upper` are those of `bounds`, at 95 %.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from gifcue.protocol.accounting import FrameCounts
from gifcue.protocol.reasons import SkipReason
from gifcue.reactions.events import PolicyEvent
from gifcue_lab.evaluation.clips.bounds import SECONDS_PER_HOUR, rate_upper_bound, share_interval
from gifcue_lab.evaluation.clips.kinds import kinds, part_at
from gifcue_lab.evaluation.clips.matching import ClipResult, Miss
from gifcue_lab.evaluation.clips.watched import watched

FORMAT = "gifcue-clips/1"
_DIGITS = 4


def report(
    results: Sequence[ClipResult],
    *,
    filter_off: Sequence[ClipResult] | None = None,
    dwell_s: Mapping[str, float] | None = None,
    about: Mapping[str, Any] | None = None,
    warnings: Iterable[str] = (),
) -> dict[str, Any]:
    """Computes the report.

    Args:
        results: one per clip.
        filter_off: the same clips with the similar-frame filter off; None if that was not run.
        dwell_s: the policy's dwell by label.
        about: describes the server.
        warnings: added to those of the report.
    """
    seconds = sum(each.run.seconds for each in results)
    return {
        "format": FORMAT,
        "about": dict(about or {}),
        "clips": len(results),
        "seconds": round(seconds, 2),
        "participant_hours": round(seconds / SECONDS_PER_HOUR, _DIGITS),
        **_side(results, dwell_s or {}),
        "filter_off": None if filter_off is None else _side(filter_off, dwell_s or {}),
        "skipping": None if filter_off is None else _skipping(results, filter_off),
        "warnings": [
            *warnings,
            *_warnings(results, ""),
            *_warnings(filter_off or (), "with the filter off, "),
        ],
    }


def _side(results: Sequence[ClipResult], dwell_s: Mapping[str, float]) -> dict[str, Any]:
    labels = sorted(
        {each.expected.label for clip in results for each in clip.expectations}
        | {event.label for clip in results for event in clip.run.started}
    )
    return {
        "total": {**_metrics(results, None, None), **watched(results, None)},
        "labels": {
            label: {**_metrics(results, label, dwell_s.get(label)), **watched(results, label)}
            for label in labels
        },
        "kinds": kinds(results),
        "frames": frames(FrameCounts.total(each.run.counts for each in results)),
        "by_clip": {each.clip.name: _clip(each) for each in results},
    }


def _metrics(results: Sequence[ClipResult], label: str | None, dwell_s: float | None) -> dict[str, Any]:
    """The metrics of one label, or of all."""
    wanted = [
        one for each in results for one in each.expectations if label is None or one.expected.label == label
    ]
    waits = [one.onset_to_started_s for one in wanted if one.onset_to_started_s is not None]
    false = sum(label is None or one.event.label == label for each in results for one in each.false)
    allowed = sum(label is None or event.label == label for each in results for event in each.allowed)
    hours = sum(each.run.seconds for each in results) / SECONDS_PER_HOUR
    return {
        "expected": len(wanted),
        "found": len(waits),
        "missed": len(wanted) - len(waits),
        "misses": {miss.value: sum(one.miss is miss for one in wanted) for miss in Miss},
        "recall": _rounded(len(waits) / len(wanted) if wanted else None),
        "recall_interval": _interval(share_interval(len(waits), len(wanted))),
        "false": false,
        "false_per_hour": _rounded(false / hours if hours else None),
        "false_per_hour_upper": _rounded(rate_upper_bound(false, hours)),
        "allowed": allowed,
        "onset_to_started": _waits(waits),
        "dwell_s": dwell_s,
    }


def _interval(edges: tuple[float, float] | None) -> list[float | None] | None:
    return edges and [_rounded(edge) for edge in edges]


def _waits(waits_s: Sequence[float]) -> dict[str, Any]:
    if not waits_s:
        return {"n": 0, "median_s": None, "p95_s": None}
    median, p95 = np.percentile(waits_s, (50, 95))
    return {"n": len(waits_s), "median_s": _rounded(median), "p95_s": _rounded(p95)}


def frames(counts: FrameCounts) -> dict[str, Any]:
    """The entry `frames` of the report."""
    similar = counts.skipped.get(SkipReason.SIMILAR, 0)
    received, due = counts.received, similar + counts.analysed
    return {
        "received": received,
        "analysed": counts.analysed,
        "skipped": dict(sorted(counts.skipped.items())),
        "dropped": dict(sorted(counts.dropped.items())),
        "share_similar": _rounded(similar / received if received else None),
        "share_similar_of_due": _rounded(similar / due if due else None),
        "share_not_analysed": _rounded(1 - counts.analysed / received if received else None),
    }


def _clip(result: ClipResult) -> dict[str, Any]:
    return {
        "seconds": round(result.run.seconds, 2),
        "expected": len(result.expectations),
        "found": len(result.found),
        "missed": sum(each.miss is not None for each in result.expectations),
        "false": len(result.false),
        "allowed": len(result.allowed),
        "frames": frames(result.run.counts),
        "faults": dict(sorted(result.run.faults.items())),
        "expectations": [
            {
                **each.expected.model_dump(),
                "started_s": None if each.started is None else _rounded(each.started.at_s),
                "onset_to_started_s": _rounded(each.onset_to_started_s),
                "held": _rounded(each.held),
                "miss": each.miss,
            }
            for each in result.expectations
        ],
        "false_reactions": [
            {**_event(each.event), "why": each.why, "during": _during(result, each.event.at_s)}
            for each in result.false
        ],
        "allowed_reactions": [_event(event) for event in result.allowed],
    }


def _during(result: ClipResult, at_s: float) -> dict[str, Any] | None:
    part = part_at(result.clip, at_s)
    return None if part is None else {"kind": part.kind, "shows": list(part.shows)}


def _event(event: PolicyEvent) -> dict[str, Any]:
    return {"label": event.label, "at_s": _rounded(event.at_s), "score": _rounded(event.score)}


def _skipping(with_filter: Sequence[ClipResult], without: Sequence[ClipResult]) -> dict[str, Any]:
    lost: list[dict[str, Any]] = []
    gained: list[dict[str, Any]] = []
    beside = {each.clip.name: each for each in without}
    for each in with_filter:
        other = beside[each.clip.name]
        # Compared by index, because two expectations of a clip may be equal.
        for on, off in zip(each.expectations, other.expectations, strict=True):
            if (on.started is None) != (off.started is None):
                entry = {"clip": each.clip.name, **on.expected.model_dump()}
                (lost if on.started is None else gained).append(entry)
    return {
        "lost": lost,
        "gained": gained,
        "false_with": sum(len(each.false) for each in with_filter),
        "false_without": sum(len(each.false) for each in without),
    }


def _warnings(results: Sequence[ClipResult], when: str) -> list[str]:
    """What makes the metrics unreliable: dropped frames, faults, inconsistent frame accounting."""
    warnings = []
    for each in results:
        counts = each.run.counts
        if counts.dropped:
            lost = ", ".join(f"{count} {reason}" for reason, count in sorted(counts.dropped.items()))
            warnings.append(
                f"{each.clip.name}: {when}expected every frame to be analysed or skipped, got dropped: {lost}"
            )
        if each.run.faults:
            faults = ", ".join(f"{count} {code}" for code, count in sorted(each.run.faults.items()))
            warnings.append(f"{each.clip.name}: {when}expected no faults, got {faults}")
        if counts.in_flight or not counts.is_consistent:
            warnings.append(
                f"{each.clip.name}: {when}frame accounting is inconsistent: expected nothing in flight, got "
                f"{counts.in_flight} in flight, {counts.received - counts.accounted} unaccounted for"
            )
    return warnings


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), _DIGITS)
