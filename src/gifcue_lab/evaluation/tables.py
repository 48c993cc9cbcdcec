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
        *(by_property(report, name) for name in report.get("by_property") or ()),
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
    columns = ("label", "there", "groups", "AP50", "95 %", "prec.", "recall", "F1", "95 %", "mean", "at")
    return Table("By label", columns, tuple(rows), _interval_note(report))


def shares(report: Mapping[str, Any]) -> Table:
    """False gestures, and hands over faces."""
    return Table(
        "Shares",
        ("what", "of", "share", "95 %"),
        tuple((what, counted, rate, between) for what, counted, rate, between in _shares(report)),
    )


def parts(report: Mapping[str, Any]) -> Table:
    """A column for each part, and one for all. Cells have a second line with the interval."""
    every = {"all": report, **report["parts"]}
    rows = [
        ("pictures", *(f"{each['pictures']:,}" for each in every.values())),
        ("groups", *(f"{each['groups']:,}" for each in every.values())),
    ]
    for label in report["labels"]:
        rows.append((label, *(_cell(each["labels"][label], label) for each in every.values())))
    of_all = [_shares(each) for each in every.values()]
    for place, (what, *_) in enumerate(of_all[0]):
        cells = (
            _two_lines(rate, between, counted) for _, counted, rate, between in (s[place] for s in of_all)
        )
        rows.append((what, *cells))
    note = (
        "AP50 of faces and hands, F1 of other labels. In parentheses, how many are labelled. Second in a cell: "
        "the 95 % interval."
    )
    return Table("By part", ("", *every), tuple(rows), note)


def by_property(report: Mapping[str, Any], name: str) -> Table:
    """A column for each band of a property: F1 of each label."""
    found = report["by_property"][name]
    bands = {
        band: figures["labels"]
        for band, figures in found["bands"].items()
        if any(each["positives"] for each in figures["labels"].values())
    }
    rows = [
        (label, *(_cell(labels[label], label, "f1") for labels in bands.values()))
        for label in report["labels"]
    ]
    spread = found["spread"]
    note = f"F1, and how many are labelled. {name}: {found['about']}."
    if spread and spread["within_groups"] is not None:
        every, within = spread["all"], spread["within_groups"]
        note += f" The middle half of all faces spans {every:.0f}, that of one group typically {within:.0f}."
        if spread["correlation_with_light"] is not None:
            note += f" Rank correlation with the light on the face: {spread['correlation_with_light']:.2f}."
    return Table(f"By {name}", ("", *bands), tuple(rows), note)


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
        what = f"hands over a face by {100 * over['overlap']:.0f} % or more, found"
        counted = f"{over['found']:,} of {over['hands']:,}"
        rows.append((what, counted, percent(over["recall"]), percent_interval(over["interval"])))
    return rows


def _cell(found: Mapping[str, Any], label: str, key: str | None = None) -> str:
    if not found["positives"]:
        return f"– (0, {found['wrong']} false)" if found["wrong"] else "– (0)"
    key = key or ("ap50" if label in KINDS else "f1")
    edges = (found.get("intervals") or {}).get(key)
    return _two_lines(share(found[key]), interval(edges), f"{found['positives']:,}")


def _two_lines(value: str, between: str, there: str) -> str:
    return f"{value} ({there})" + ("" if between == "–" else f"\n{between}")


def _interval_note(report: Mapping[str, Any]) -> str:
    boot = report.get("bootstrap")
    if not boot:
        return ""
    return (
        f"95 %: interval by a bootstrap over groups, {boot['resamples']:,} resamples, seed {boot['seed']}. "
        "A dash: fewer than two groups have the label, or all resamples are equal. Mean: of the F1 of groups."
    )
