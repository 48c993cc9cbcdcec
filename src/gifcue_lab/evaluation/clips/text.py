"""Prints the report on clips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# More clips are listed only in the report's file.
MOST_CLIPS = 40


def print_clips_report(report: dict[str, Any]) -> None:
    """Prints metrics by label and clip, mistakes, and the cost of skipping frames to stdout."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False, soft_wrap=True)
    about = report["about"]
    words = " ".join(str(about[key]) for key in ("model", "model_version", "backend") if about.get(key))
    preset = f", preset {about['preset']}" if about.get("preset") else ""
    console.print(escape(f"{words}{preset}: {report['clips']} clips, {report['seconds'] / 60:.1f} minutes"))
    console.print(_by_label(report))
    total = report["total"]
    console.print(
        f"false while no reaction is expected or allowed: {total['watched_false']} in {total['watched_hours']:.2f} "
        f"hours, at most {_number(total['false_per_watched_hour_upper'])} an hour"
    )
    if report["kinds"]:
        console.print(_by_kind(report))
    if len(report["by_clip"]) <= MOST_CLIPS:
        console.print(_by_clip(report))
    for line in wrong_lines(report):
        console.print(escape(line))
    console.print(f"frames: {frames_line(report['frames'])}")
    skipping = report["skipping"]
    if skipping is not None:
        off = report["filter_off"]["total"]
        console.print(f"filter off: {frames_line(report['filter_off']['frames'])}")
        console.print(f"filter off: {off['found']} of {off['expected']} found, {off['false']} false")
        console.print(
            f"lost by skipping: {len(skipping['lost'])}; found only with skipping: {len(skipping['gained'])}"
        )
        for entry in skipping["lost"]:
            console.print(escape(f"  lost: {_span(entry['clip'], entry)}"))
    for warning in report["warnings"]:
        console.print(f"[yellow]warning:[/] {escape(warning)}")


def _by_label(report: dict[str, Any]) -> Any:
    table = _table(
        "label",
        "meant",
        "found",
        "recall",
        "95 %",
        "false",
        "an hour",
        "at most",
        "allowed",
        "onset",
        "p95",
        "dwell",
    )
    table.caption = (
        "95 %: exact interval of recall; at most: exact one-sided 95 % upper bound of false reactions an hour\n"
        "an hour: of a label in the time in which it is neither expected nor allowed; of all in all the time\n"
        "onset, p95: seconds from onset to STARTED, the median and 95 %"
    )
    for label, figures in (*report["labels"].items(), (None, report["total"])):
        if label is None:
            table.add_section()
        waits, hour = figures["onset_to_started"], "hour" if label is None else "watched_hour"
        table.add_row(
            "all" if label is None else label.replace("[", r"\["),
            *(str(figures[key]) for key in ("expected", "found")),
            _percent(figures["recall"]),
            _edges(figures["recall_interval"]),
            str(figures["false"]),
            *(_number(figures[f"false_per_{hour}{bound}"]) for bound in ("", "_upper")),
            str(figures["allowed"]),
            *(_number(value) for value in (waits["median_s"], waits["p95_s"], figures["dwell_s"])),
        )
    return table


def _by_kind(report: dict[str, Any]) -> Any:
    table = _table("shown", "minutes", "share", "meant", "found", "false")
    for kind, figures in report["kinds"].items():
        wrong = ", ".join(f"{count} {label}" for label, count in figures["false"].items())
        table.add_row(
            kind.replace("[", r"\["),
            f"{figures['seconds'] / 60:.1f}",
            f"{figures['share']:.1%}",
            str(figures["expected"]),
            str(figures["found"]),
            wrong.replace("[", r"\[") or "0",
        )
    return table


def _by_clip(report: dict[str, Any]) -> Any:
    table = _table("clip", "s", "meant", "found", "false", "allowed", "similar", "of due", "unseen")
    table.caption = (
        "s: seconds; similar: frames skipped; of due: of those that pacing left; unseen: not analysed"
    )
    for name, clip in report["by_clip"].items():
        frames = clip["frames"]
        table.add_row(
            name.replace("[", r"\["),
            f"{clip['seconds']:.1f}",
            *(str(clip[key]) for key in ("expected", "found", "false", "allowed")),
            *(
                _percent(frames[key])
                for key in ("share_similar", "share_similar_of_due", "share_not_analysed")
            ),
        )
    return table


def _table(first: str, *others: str) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0, caption_justify="left")
    table.add_column(first, overflow="fold")
    for other in others:
        table.add_column(other, justify="right", no_wrap=True)
    return table


_MISSES = {
    "nothing": "not held at all",
    "held": "held to {held:.0%} of the way",
    "early": "had started before, and was still under way",
    "taken": "one reaction for two",
}


def wrong_lines(report: dict[str, Any]) -> list[str]:
    """A line for each missed and each false reaction."""
    lines = []
    for name, clip in report["by_clip"].items():
        for each in clip["expectations"]:
            if each["miss"] is not None:
                lines.append(f"  missed: {_span(name, each)}: {_MISSES[each['miss']].format(**each)}")
        for each in clip["false_reactions"]:
            again = ", found once already" if each["why"] == "again" else ""
            during = each["during"]
            shown = "" if during is None else f", during {during['kind']} of {', '.join(during['shows'])}"
            lines.append(
                f"  false: {name} {each['label']} at {each['at_s']:.2f} s, score {each['score']:.2f}{again}{shown}"
            )
    return lines


def frames_line(frames: dict[str, Any]) -> str:
    """The entry `frames` of the report as a line."""
    return (
        f"{frames['received']:,} received, {_percent(frames['share_similar'])} skipped as similar "
        f"({_percent(frames['share_similar_of_due'])} of those that pacing left), "
        f"{_percent(frames['share_not_analysed'])} not analysed"
    )


def _span(name: str, each: dict[str, Any]) -> str:
    return f"{name} {each['label']} {each['start_s']:.1f}-{each['end_s']:.1f} s"


def _number(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _edges(edges: Sequence[float] | None) -> str:
    return "–" if edges is None else f"{edges[0]:.0%}–{edges[1]:.0%}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"
