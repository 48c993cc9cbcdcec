"""Draws the report: precision over recall, confusion matrices, F1 by group."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gifcue.detect.regions import DEFAULT_THRESHOLD
from gifcue_lab.evaluation.matches import gather
from gifcue_lab.evaluation.metrics import Evaluation

DPI = 120
# F1 of a group is drawn for labels with at least this many positives.
_MIN_POSITIVES = 5
# Precision-recall curves in a row.
_COLUMNS = 4


def pyplot() -> Any:
    """Matplotlib's pyplot with a backend that draws to files."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    return plt


def draw_curves(evaluation: Evaluation, path: Path) -> None:
    """Writes a PNG with the precision-recall curve of each label, and a dot at its threshold."""
    plt = pyplot()
    labels = evaluation.report["labels"]
    columns = min(len(labels), _COLUMNS)
    rows = -(-len(labels) // columns)
    figure, grid = plt.subplots(
        rows,
        columns,
        figsize=(3.25 * columns, 3.3 * rows),
        sharex=True,
        sharey=True,
        layout="constrained",
        squeeze=False,
    )
    for axes in grid.flat[len(labels) :]:
        axes.set_visible(False)
    for (label, metrics), axes in zip(labels.items(), grid.flat, strict=False):
        detections = gather(evaluation.matches, label)
        curve = detections.curve()
        axes.plot(curve.recall, curve.precision, color="tab:blue", linewidth=1.6)
        threshold = evaluation.thresholds.get(label, DEFAULT_THRESHOLD)
        if metrics["precision"] is not None and metrics["recall"] is not None:
            axes.plot(metrics["recall"], metrics["precision"], "o", color="tab:red", markersize=6)
        said = [
            f"AP50 {_three_digits(metrics['ap50'])}",
            f"F1 {_three_digits(metrics['f1'])} at {threshold:.2f}",
            f"{detections.positives} positives",
        ]
        axes.text(0.04, 0.05, "\n".join(said), transform=axes.transAxes, fontsize=9, va="bottom")
        axes.set_title(label, fontsize=11)
        axes.set_xlim(0, 1.02)
        axes.set_ylim(0, 1.02)
        axes.grid(alpha=0.3)
    figure.supxlabel("recall")
    figure.supylabel("precision")
    figure.savefig(path, dpi=DPI)
    plt.close(figure)


def draw_confusion(evaluation: Evaluation, path: Path) -> None:
    """Writes a PNG with the confusion matrix of each kind: truth in rows, detections in columns."""
    plt = pyplot()
    matrices = evaluation.report["confusion"]
    figure, axes_of = plt.subplots(1, len(matrices), figsize=(6.4 * len(matrices), 5.2), layout="constrained")
    for (kind, matrix), axes in zip(matrices.items(), np.atleast_1d(axes_of), strict=True):
        counts = np.array(matrix["counts"], np.float64)
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for (row, column), share in np.ndenumerate(shares):
            colour = "white" if share > 0.55 else "black"
            axes.text(column, row, f"{int(counts[row, column])}", ha="center", va="center", color=colour)
        axes.set_xticks(range(counts.shape[1]), matrix["said"], rotation=20)
        axes.set_yticks(range(counts.shape[0]), matrix["truth"])
        axes.set_title(f"{kind}s")
        axes.set_xlabel("said")
        axes.set_ylabel("there")
    figure.savefig(path, dpi=DPI)
    plt.close(figure)


def draw_groups(evaluation: Evaluation, path: Path) -> None:
    """Writes a PNG with F1 by label and group, for groups with enough positives."""
    plt = pyplot()
    by_group = evaluation.report["by_group"]
    labels = list(evaluation.report["labels"])
    table = np.full((len(by_group), len(labels)), np.nan)
    for row, group in enumerate(by_group.values()):
        for column, label in enumerate(labels):
            metrics = group["labels"][label]
            if metrics["positives"] >= _MIN_POSITIVES:
                table[row, column] = metrics["f1"]
    height = 0.26 * len(by_group) + 1.4
    figure, axes = plt.subplots(figsize=(8.5, height), layout="constrained")
    colours = plt.get_cmap("RdYlGn").with_extremes(bad="whitesmoke")
    image = axes.imshow(np.ma.masked_invalid(table), cmap=colours, vmin=0.5, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(table):
        if not np.isnan(value):
            colour = "white" if value > 0.94 or value < 0.55 else "black"
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=8, color=colour)
    axes.set_xticks(range(len(labels)), labels)
    axes.xaxis.tick_top()
    names = [f"{name or '(root)'} ({group['pictures']})" for name, group in by_group.items()]
    axes.set_yticks(range(len(by_group)), names, fontsize=8)
    figure.colorbar(image, label=f"F1 where a group has {_MIN_POSITIVES} or more", shrink=0.6, extend="min")
    figure.savefig(path, dpi=DPI)
    plt.close(figure)


def _three_digits(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
