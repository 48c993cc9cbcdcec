"""The report on clips as text for a terminal."""

from __future__ import annotations

from typing import Any


def print_clips_report(report: dict[str, Any]) -> None:
    """Tables by label and by clip, what went wrong, and what skipping costs, on stdout."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    about = report["about"]
    words = " ".join(str(about[key]) for key in ("model", "model_version", "backend") if about.get(key))
    preset = f", preset {about['preset']}" if about.get("preset") else ""
    console.print(f"{words}{preset}: {report['clips']} clips, {report['seconds'] / 60:.1f} minutes")

    table = Table(
        "label",
        "expected",
        "found",
        "missed",
        "false",
        "false / h",
        "allowed",
        "onset ► STARTED",
        "p95",
        "dwell",
    )
    rows = [*report["labels"].items(), ("all", report["total"])]
    for label, figures in rows:
        if label == "all":
            table.add_section()
        waits = figures["onset_to_started"]
        table.add_row(
            escape(label),
            *(str(figures[key]) for key in ("expected", "found", "missed", "false")),
            _number(figures["false_per_hour"], "", 1),
            str(figures["allowed"]),
            _number(waits["median_s"], " s"),
            _number(waits["p95_s"], " s"),
            _number(figures["dwell_s"], " s"),
        )
    console.print(table)
    console.print(_by_clip(report, Table))
    for line in wrong_lines(report):
        console.print(escape(line))

    console.print(f"frames: {frames_line(report['frames'])}")
    skipping = report["skipping"]
    if skipping is not None:
        console.print(f"with the filter off: {frames_line(report['filter_off']['frames'])}")
        off = report["filter_off"]["total"]
        console.print(
            f"with the filter off: {off['found']} of {off['expected']} found, {off['false']} false; "
            f"lost by skipping: {len(skipping['lost'])}, found only by skipping: {len(skipping['gained'])}"
        )
        for entry in skipping["lost"]:
            console.print(escape(f"  lost: {_span(entry['clip'], entry)}"))
    for warning in report["warnings"]:
        console.print(f"[yellow]warning:[/] {escape(warning)}")


def _by_clip(report: dict[str, Any], table_of: Any) -> Any:
    table = table_of(
        "clip", "seconds", "expected", "found", "false", "allowed", "similar", "of due", "not analysed"
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


_MISSES = {
    "nothing": "not held at all",
    "held": "held to {held:.0%} of the way",
    "early": "had started before, and was still under way",
    "taken": "one reaction for two",
}


def wrong_lines(report: dict[str, Any]) -> list[str]:
    """A line for everything missed and everything false."""
    lines = []
    for name, clip in report["by_clip"].items():
        for each in clip["expectations"]:
            if each["miss"] is not None:
                lines.append(f"  missed: {_span(name, each)}: {_MISSES[each['miss']].format(**each)}")
        for each in clip["false_reactions"]:
            again = ", told once already" if each["why"] == "again" else ""
            lines.append(
                f"  false: {name} {each['label']} at {each['at_s']:.2f} s, score {each['score']:.2f}{again}"
            )
    return lines


def frames_line(frames: dict[str, Any]) -> str:
    """What became of the frames, in a line."""
    return (
        f"{frames['received']:,} received, {_percent(frames['share_similar'])} skipped as similar "
        f"({_percent(frames['share_similar_of_due'])} of those that pacing left), "
        f"{_percent(frames['share_not_analysed'])} not analysed"
    )


def _span(name: str, each: dict[str, Any]) -> str:
    return f"{name} {each['label']} {each['start_s']:.1f}-{each['end_s']:.1f} s"


def _number(value: float | None, unit: str, digits: int = 2) -> str:
    return "–" if value is None else f"{value:.{digits}f}{unit}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"
