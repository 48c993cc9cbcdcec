"""Draws charts of the results of a run of the suite.

    python -m benchmarks.pictures bench-out/results.json --out docs/performance

A part that was not measured has no chart.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.ticker import NullFormatter, ScalarFormatter

from benchmarks.capacity import BOUND_MS

DPI = 120
INK, SECOND, THIRD, PALE, RED = "#1d3557", "#457b9d", "#8ab6c9", "#d7e3ea", "#c1121f"
PROCESSES = (("front", INK), ("decode", SECOND), ("detect", THIRD), ("load generator", PALE))


def draw(results: dict[str, Any], folder: Path) -> list[Path]:
    """Writes a PNG for each measured part. Returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = results["parts"]
    drawn: list[Path] = []
    for name, picture in (
        ("latency", _latency),
        ("load", _load),
        ("carried", _carried),
        ("formats", _formats),
        ("stages", _stages),
        ("batches", _batches),
    ):
        figure = picture(parts)
        if figure is not None:
            path = folder / f"{name}.png"
            figure.savefig(path, dpi=DPI, metadata={"Software": None})
            plt.close(figure)
            drawn.append(path)
    return drawn


def _axes(title: str, height: float = 3.6) -> tuple[Any, Any]:
    figure, axes = plt.subplots(figsize=(7.2, height), layout="constrained")
    axes.set_title(title, loc="left", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _latency(parts: dict[str, Any]) -> Any:
    rows = parts.get("curve", {}).get("rows", [])
    if not rows:
        return None
    figure, axes = _axes("Latency from due time to decision, by participants (640x360, 30 frames per second)")
    for name, colour in (("p50_ms", THIRD), ("p95_ms", INK), ("p99_ms", SECOND)):
        points = [(row["participants"], row[name]) for row in rows if row[name] is not None]
        axes.plot(*zip(*points, strict=True), marker="o", color=colour, label=name.removesuffix("_ms"))
    axes.axhline(BOUND_MS, color=RED, linewidth=1, linestyle="--", label=f"{BOUND_MS:g} ms")
    carried = parts.get("capacity", {}).get("carried")
    if carried:
        axes.axvline(carried, color=RED, linewidth=1, linestyle=":", label=f"{carried} carried")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("participants")
    axes.set_ylabel("ms")
    figure.legend(frameon=False, loc="outside right upper")
    return figure


def _load(parts: dict[str, Any]) -> Any:
    rows = parts.get("curve", {}).get("rows", [])
    if not rows:
        return None
    figure, axes = _axes("CPU time by participants, in cores")
    xs = [row["participants"] for row in rows]
    kinds = [(name, colour) for name, colour in PROCESSES if f"{name}_cores" in rows[0]]
    axes.stackplot(
        xs,
        [[row[f"{name}_cores"] for row in rows] for name, _ in kinds],
        labels=[name for name, _ in kinds],
        colors=[colour for _, colour in kinds],
    )
    axes.set_xlabel("participants")
    figure.legend(frameon=False, loc="outside right upper")
    return figure


def _carried(parts: dict[str, Any]) -> Any:
    bars: list[tuple[str, float]] = []
    carried = parts.get("capacity", {}).get("carried")
    if carried is None:
        return None
    bars.append(("gifcue", carried))
    ceiling = parts.get("ceiling", {}).get("share", {}).get("ceiling_participants")
    if ceiling:
        bars.append(("ceiling: bare loops,\nsame analysis rate", ceiling))
    for count, each in parts.get("cores", {}).get("carried", {}).items():
        bars.append((f"gifcue on {count} core", each))
    for name, peer in parts.get("peers", {}).get("rows", {}).items():
        if "participants" in peer:
            bars.append((name, peer["participants"]))
    figure, axes = _axes(f"Participants carried, p95 within {BOUND_MS:g} ms", 0.8 + 0.5 * len(bars))
    names, values = zip(*reversed(bars), strict=True)
    drawn = axes.barh(names, values, color=[INK if name == "gifcue" else THIRD for name in names])
    axes.bar_label(drawn, padding=3, fmt="%.4g")
    return figure


def _formats(parts: dict[str, Any]) -> Any:
    rows = parts.get("codecs", {}).get("rows", []) + parts.get("sizes", {}).get("rows", [])
    if not rows:
        return None
    figure, axes = _axes("CPU time per participant by codec and size, ms per second", 0.8 + 0.36 * len(rows))
    names = [f"{row['codec']} {row['size']}" for row in rows]
    left = [0.0] * len(rows)
    for name, colour in PROCESSES:
        values = [row.get(f"{name}_ms", 0.0) for row in rows]
        axes.barh(range(len(rows)), values, left=left, color=colour, label=name)
        left = [so_far + value for so_far, value in zip(left, values, strict=True)]
    axes.set_yticks(range(len(rows)), names)
    axes.invert_yaxis()
    figure.legend(frameon=False, loc="outside right upper")
    return figure


def _stages(parts: dict[str, Any]) -> Any:
    rows = parts.get("stages", {}).get("rows", [])
    if not rows:
        return None
    figure, axes = _axes("CPU time per frame by stage, ms", 0.8 + 0.3 * len(rows))
    colours = dict(PROCESSES)
    names = [f"{row['process']}: {row['stage']}" for row in rows]
    drawn = axes.barh(
        range(len(rows)),
        [row["ms"] for row in rows],
        color=[colours.get(row["process"], PALE) for row in rows],
    )
    axes.bar_label(drawn, padding=3, fmt="%.3f", fontsize=8)
    axes.set_yticks(range(len(rows)), names, fontsize=8)
    axes.invert_yaxis()
    return figure


def _batches(parts: dict[str, Any]) -> Any:
    rows = parts.get("batches", {}).get("rows", [])
    if not rows:
        return None
    figure, axes = _axes("Pictures per second of one detector, by batch size")
    for backend, device in dict.fromkeys((row["backend"], row["device"]) for row in rows):
        points = [(row["batch"], row["pictures_s"]) for row in rows if row["backend"] == backend]
        axes.plot(*zip(*points, strict=True), marker="o", label=f"{backend}, {device}", color=INK)
    axes.set_xlabel("batch size")
    axes.set_ylim(0, 1.2 * max(row["pictures_s"] for row in rows))
    figure.legend(frameon=False, loc="outside right upper")
    return figure


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.pictures",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("results", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="the folder to draw into")
    arguments = parser.parse_args()
    for path in draw(json.loads(arguments.results.read_text(encoding="utf-8")), arguments.out):
        print(path)


if __name__ == "__main__":
    main()
