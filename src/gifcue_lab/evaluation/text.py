"""Prints the report on pictures."""

from __future__ import annotations

from typing import Any


def print_report(report: dict[str, Any]) -> None:
    """Prints metrics by label, false gestures, landmarks and time to stdout."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console()
    detector = report["detector"]
    about = " ".join(str(detector[key]) for key in ("name", "version", "backend") if detector.get(key))
    console.print(
        f"{about}: {report['pictures']:,} pictures of {report['groups']} groups, IoU {report['iou']}"
    )
    columns = ("label", "there", "AP50", "at", "prec.", "recall", "F1", "by group", "best F1", "at")
    keys = ("ap50", "threshold", "precision", "recall", "f1", "mean_group_f1", "best_f1", "best_threshold")
    table = Table(*columns, box=SIMPLE_HEAD, padding=0, show_edge=False)
    for label, figures in report["labels"].items():
        table.add_row(label, f"{figures['positives']:,}", *(share(figures[key]) for key in keys))
    console.print(table)
    for what, counts in (
        (
            "labels that the detector does not know, and which count as none of its own",
            report["other_labels"],
        ),
        ("boxes on no face or hand, left out", report["left_out"]["boxes"]),
        (
            "detections of labels that are not among the detector's, left out",
            report["left_out"]["detections"],
        ),
    ):
        if counts:
            console.print(f"{what}: {', '.join(f'{count} {label}' for label, count in counts.items())}")
    false = report["false_gestures"]
    for what, total, name in (
        ("hands that make no gesture", "hands", "hands"),
        ("frames whose hands make none", "frames", "frames"),
        ("frames without hands", "frames", "frames_without_hands"),
    ):
        figures = false[name]
        rate = "–" if figures["rate"] is None else f"{figures['rate']:.2%}"
        console.print(f"false gestures on {what}: {figures['false']} of {figures[total]:,} ({rate})")
    for kind, figures in (report["landmarks"] or {}).items():
        mean, median = figures["mean_error"], figures["median_error"]
        found = f"{figures['found']:,} of {figures['teacher']:,}"
        console.print(
            f"{kind} landmarks: error {mean:.3f} of the {kind}'s size, median {median:.3f} ({found})"
        )
    timing = report["timing"]
    if timing:
        middle, tail = timing["median_ms"], timing["p95_ms"]
        console.print(
            f"time a frame: median {middle:.2f} ms, mean {timing['mean_ms']:.2f}, 95 % within {tail:.2f}"
        )


def share(value: float | None) -> str:
    """A rate with three decimals, or a dash for None."""
    return "–" if value is None else f"{value:.3f}"
