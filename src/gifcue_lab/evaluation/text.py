"""Prints the report on pictures, on a terminal or as Markdown for documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gifcue_lab.evaluation.tables import Table, tables


def print_report(report: Mapping[str, Any]) -> None:
    """Prints metrics by label and part, false gestures, landmarks and time to stdout."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table as RichTable

    console = Console(highlight=False)
    for line in _about(report):
        console.print(escape(line))
    for table in tables(report):
        drawn = RichTable(box=SIMPLE_HEAD, padding=0, show_edge=False, caption_justify="left")
        for place, column in enumerate(table.columns):
            drawn.add_column(escape(column), justify="right" if place else "left")
        for row in table.rows:
            drawn.add_row(*(escape(cell) for cell in row))
        drawn.caption = escape(table.note) or None
        console.print(f"[bold]{escape(table.title)}[/]")
        console.print(drawn)
    for line in (*_more(report), *_time(report["timing"])):
        console.print(escape(line))


def markdown(report: Mapping[str, Any]) -> str:
    """The same as Markdown, without the time, which a document should take from a benchmark."""
    pieces = [" ".join(_about(report)).replace("  ", " ")]
    pieces.extend(_markdown_table(table) for table in tables(report))
    more = _more(report)
    if more:
        pieces.append("\n".join(f"- {line}" for line in more))
    return "\n\n".join(pieces) + "\n"


def _markdown_table(table: Table) -> str:
    lines = [_markdown_row(table.columns), _markdown_row(["---"] * len(table.columns))]
    lines.extend(_markdown_row(row) for row in table.rows)
    note = f"\n\n{table.note}" if table.note else ""
    return f"**{table.title}**\n\n" + "\n".join(lines) + note


def _markdown_row(cells: Any) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", ", ") for cell in cells) + " |"


def _about(report: Mapping[str, Any]) -> list[str]:
    detector = report["detector"]
    about = " ".join(str(detector[key]) for key in ("name", "version", "backend") if detector.get(key))
    lines = [f"{about}: {report['pictures']:,} pictures of {report['groups']} groups, IoU {report['iou']}."]
    chosen = report.get("thresholds_chosen_on")
    if chosen:
        saw = report["thresholds_saw_these_pictures"]
        lines.append(f"Thresholds were chosen on: {'; '.join(chosen)}.")
        if saw:
            lines.append("The evaluated pictures may be among these. F1 is then optimistic.")
    left = report.get("groups_in_no_part")
    if left:
        lines.append(f"{len(left)} groups are in no part, {left[0]} for example.")
    return lines


def _more(report: Mapping[str, Any]) -> list[str]:
    lines = []
    left_out = report["left_out"]
    for what, counts in (
        (
            "labels that the detector does not know, and which count as none of its own",
            report["other_labels"],
        ),
        ("boxes on no face or hand, left out", left_out["boxes"]),
        ("detections of labels that are not among the detector's, left out", left_out["detections"]),
    ):
        if counts:
            lines.append(f"{what}: {', '.join(f'{count} {label}' for label, count in counts.items())}")
    for kind, found in (report["landmarks"] or {}).items():
        of = f"{found['found']:,} of {found['teacher']:,}"
        mean, median = found["mean_error"], found["median_error"]
        lines.append(f"{kind} landmarks: error {mean:.3f} of the {kind}'s size, median {median:.3f} ({of})")
    return lines


def _time(timing: Mapping[str, Any] | None) -> list[str]:
    if not timing:
        return []
    middle, tail = timing["median_ms"], timing["p95_ms"]
    return [f"time a frame: median {middle:.2f} ms, mean {timing['mean_ms']:.2f}, 95 % within {tail:.2f}"]
