"""Draws the expected, held and started reactions of a clip over time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gifcue.protocol.phases import Phase
from gifcue.reactions.events import PolicyEvent
from gifcue_lab.evaluation.charts import DPI, pyplot
from gifcue_lab.evaluation.clips.matching import LATE_S, ClipResult

# Seconds per line of the picture. A dwell is then wide enough to be visible.
LINE_S = 40.0
_WIDTH_IN, _ROW_IN, _LINE_MARGIN_IN = 13.0, 0.34, 0.75
_EXPECTED, _FOUND, _FALSE, _ALLOWED, _HELD = "tab:blue", "tab:green", "tab:red", "tab:gray", "tab:orange"


def draw_timeline(result: ClipResult, path: Path, filter_off: ClipResult | None = None) -> None:
    """Writes a PNG, with several lines for a long clip. `filter_off` adds the reactions with the filter off."""
    plt = pyplot()
    labels = _labels(result, filter_off)
    length_s = max(result.run.seconds, 0.1)
    count = max(1, math.ceil(length_s / LINE_S))
    line_s = LINE_S if count > 1 else length_s
    height = count * (_ROW_IN * (len(labels) + 1) + _LINE_MARGIN_IN) + 0.6
    figure, grid = plt.subplots(count, 1, figsize=(_WIDTH_IN, height), squeeze=False, layout="constrained")
    for number, axes in enumerate(grid[:, 0]):
        _draw_line(axes, result, filter_off, labels, number * line_s, (number + 1) * line_s)
    false, missed = len(result.false), sum(each.miss is not None for each in result.expectations)
    found = f"{len(result.expectations) - missed} of {len(result.expectations)} found"
    figure.suptitle(f"{result.clip.name}: {found}, {false} false", fontsize=11)
    figure.legend(handles=_legend(plt), loc="outside lower center", ncols=8, fontsize=8, frameon=False)
    figure.savefig(path, dpi=DPI)
    plt.close(figure)


def _labels(result: ClipResult, filter_off: ClipResult | None) -> list[str]:
    named = {each.expected.label for each in result.expectations} | {each.label for each in result.run.events}
    named |= {span.label for span in result.clip.allow_spans}
    if filter_off is not None:
        named |= {each.label for each in filter_off.run.started}
    return sorted(named)


def _draw_line(
    axes: Any,
    result: ClipResult,
    filter_off: ClipResult | None,
    labels: Sequence[str],
    from_s: float,
    to_s: float,
) -> None:
    rows = {label: len(labels) - place for place, label in enumerate(labels)}
    for span in result.clip.allow_spans:
        row, long_s = rows[span.label], span.end_s - span.start_s
        axes.broken_barh([(span.start_s, long_s)], (row - 0.45, 0.9), facecolor=_ALLOWED, alpha=0.15)
    for each in result.expectations:
        expected, row = each.expected, rows[each.expected.label]
        colour = _EXPECTED if each.miss is None else _FALSE
        span_s = expected.end_s - expected.start_s
        axes.broken_barh([(expected.start_s, span_s)], (row - 0.45, 0.9), facecolor=colour, alpha=0.18)
        axes.broken_barh([(expected.start_s, span_s)], (row - 0.45, 0.9), facecolor="none", edgecolor=colour)
        axes.broken_barh([(expected.end_s, LATE_S)], (row - 0.45, 0.9), facecolor=colour, alpha=0.07)
    _draw_holds(axes, result, rows)
    colours = _colours(result)
    for event in result.run.started:
        row, colour = rows[event.label], colours[id(event)]
        axes.plot([event.at_s, result.run.end_of(event.reaction_id)], [row, row], color=colour, linewidth=3)
        axes.plot(event.at_s, row, marker="v", color=colour, markersize=8, markeredgecolor="black")
    if filter_off is not None:
        for event in filter_off.run.started:
            axes.plot(event.at_s, rows[event.label] + 0.3, marker="v", color="none", markeredgecolor="black")
    analysed_s = [at_s for at_s in result.run.analysed_s if from_s <= at_s <= to_s]
    axes.vlines(analysed_s, -0.3, 0.3, color="black", linewidth=0.6, alpha=0.6)
    axes.set_xlim(from_s, to_s)
    axes.set_ylim(-0.6, len(labels) + 0.6)
    axes.set_yticks([0, *rows.values()], ["analysed", *rows])
    axes.grid(axis="x", alpha=0.3)
    axes.set_xlabel("seconds", fontsize=8)


def _draw_holds(axes: Any, result: ClipResult, rows: dict[str, int]) -> None:
    """Draws each hold as a ramp that rises with its progress, from its first HOLDING to STARTED or to its end."""
    holds: dict[str, list[PolicyEvent]] = {}
    for event in result.run.events:
        if event.phase is not Phase.ENDED:
            holds.setdefault(event.reaction_id, []).append(event)
    for steps in holds.values():
        base = rows[steps[0].label] - 0.45
        times = [event.at_s for event in steps]
        tops = [base + 0.9 * min(event.progress, 1.0) for event in steps]
        axes.fill_between(times, base, tops, color=_HELD, alpha=0.7, linewidth=0)
        if steps[-1].phase is Phase.CANCELLED:
            axes.plot(times[-1], base + 0.12, marker="x", color="black", markersize=4)


def _colours(result: ClipResult) -> dict[int, str]:
    colours = {id(event): _ALLOWED for event in result.allowed}
    colours |= {id(each.event): _FALSE for each in result.false}
    return colours | {id(each.started): _FOUND for each in result.expectations if each.started is not None}


def _legend(plt: Any) -> list[Any]:
    patch, line = plt.matplotlib.patches.Patch, plt.matplotlib.lines.Line2D
    marks = (("found", _FOUND), ("false", _FALSE), ("with the filter off", "none"))
    return [
        patch(facecolor=_EXPECTED, alpha=0.3, edgecolor=_EXPECTED, label="expected"),
        patch(facecolor=_FALSE, alpha=0.3, edgecolor=_FALSE, label="missed"),
        patch(facecolor=_ALLOWED, alpha=0.3, label="allowed"),
        patch(facecolor=_HELD, label="held"),
        *(
            line(
                [], [], marker="v", color="none", markerfacecolor=colour, markeredgecolor="black", label=name
            )
            for name, colour in marks
        ),
        line([], [], marker="x", color="none", markeredgecolor="black", label="cancelled"),
    ]
