"""The tables of the report on pictures, as text. `text` prints them on a terminal or as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gifcue.detect.regions import KINDS

FALSE_GESTURES = (
    ("hands", "hands", "false gestures on hands that make none"),
    ("frames", "frames", "false gestures on frames whose hands make none"),
    ("frames_without_hands", "frames", "false gestures on frames without hands"),
)


@dataclass(frozen=True)
class Table:
    """A table with a title, and what its cells hold in a note."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def tables(report: Mapping[str, Any]) -> list[Table]:
    """All tables of a report, those of labels first."""
    return [
        labels(report),
        shares(report),
        *([parts(report)] if report.get("parts") else []),
    ]


def labels(report: Mapping[str, Any]) -> Table:
    """A row for each label."""
    rows = []
    for label, found in report["labels"].items():
        intervals = found.get("intervals") or {}
        rows.append(
            (
                label,
                f"{found['positives']:,}",
                f"{found['groups']}",
                share(found["ap50"]),
                interval(intervals.get("ap50")),
                share(found["precision"]),
                share(found["recall"]),
                share(found["f1"]),
                interval(intervals.get("f1")),
                share(found["mean_group_f1"]),
                share(found["threshold"], 2),
            )
        )
    columns = ("label", "there", "groups", "AP50", "95 %", "prec.", "recall", "F1", "95 %", "by group", "at")
    return Table("By label", columns, tuple(rows), _interval_note(report))


def shares(report: Mapping[str, Any]) -> Table:
    """False gestures, and hands over faces."""
    return Table(
        "Shares",
        ("what", "of", "share", "95 %"),
        tuple((what, counted, rate, between) for what, counted, rate, between in _shares(report)),
    )


def parts(report: Mapping[str, Any]) -> Table:
    """A column for each part, and one for all."""
    every = {"all": report, **report["parts"]}
    rows = []
    for label in report["labels"]:
        rows.append((label, *(_cell(each["labels"][label], label) for each in every.values())))
    for place, (what, _, _, _) in enumerate(_shares(report)):
        cells = []
        for each in every.values():
            _, counted, rate, between = _shares(each)[place]
            cells.append(_joined(rate, between, counted.partition(" of ")[2]))
        rows.append((what, *cells))
    heads = tuple(
        f"{name}: {each['pictures']:,} pictures, {each['groups']} groups" for name, each in every.items()
    )
    note = (
        "AP50 of faces and hands, F1 of other labels; the 95 % interval; in parentheses, how many there are."
    )
    return Table("By part", ("", *heads), tuple(rows), note)


def share(value: float | None, digits: int = 3) -> str:
    """A rate with its decimals, or a dash for None."""
    return "–" if value is None else f"{value:.{digits}f}"


def percent(value: float | None) -> str:
    """A rate as a percentage, or a dash for None."""
    return "–" if value is None else f"{100 * value:.1f} %"


def interval(edges: Sequence[float] | None) -> str:
    """`0.81–0.88`, or a dash for None."""
    return "–" if edges is None else f"{edges[0]:.2f}–{edges[1]:.2f}"


def percent_interval(edges: Sequence[float] | None) -> str:
    """`0.8–1.9 %`, or a dash for None."""
    return "–" if edges is None else f"{100 * edges[0]:.1f}–{100 * edges[1]:.1f} %"


def _shares(report: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """(what, `3 of 40`, share, interval) of each row."""
    rows = []
    for name, total, what in FALSE_GESTURES:
        found = report["false_gestures"][name]
        counted = f"{found['false']:,} of {found[total]:,}"
        rows.append((what, counted, percent(found["rate"]), percent_interval(found.get("interval"))))
    over = report.get("overlapping_hands")
    if over is not None:
        what = f"hands over a face by {over['overlap']:.0%} or more, found"
        counted = f"{over['found']:,} of {over['hands']:,}"
        rows.append((what, counted, percent(over["recall"]), percent_interval(over["interval"])))
    return rows


def _cell(found: Mapping[str, Any], label: str) -> str:
    key = "ap50" if label in KINDS else "f1"
    return _joined(
        share(found[key]), interval((found.get("intervals") or {}).get(key)), f"{found['positives']:,}"
    )


def _joined(value: str, between: str, there: str) -> str:
    if value == "–":
        return f"– ({there})"
    return f"{value} ({there})" if between == "–" else f"{value}, {between} ({there})"


def _interval_note(report: Mapping[str, Any]) -> str:
    boot = report.get("bootstrap")
    if not boot:
        return ""
    return (
        f"95 %: bootstrap over groups, {boot['resamples']:,} resamples, seed {boot['seed']}. A dash: fewer than two "
        "groups, or no resample differs."
    )
