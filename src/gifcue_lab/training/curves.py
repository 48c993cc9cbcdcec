"""Training curves as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any


def draw_curves(history: Sequence[dict[str, Any]], path: Path, *, title: str) -> None:
    """Draws the loss and every metric of a run's history into a PNG.

    Args:
        history: records with `epoch`, `loss` and, for epochs that were evaluated, `metrics`.
        path: the file to write.
        title: stands above the loss.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), dpi=80)
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    left.plot([record["epoch"] for record in history], [record["loss"] for record in history])
    left.set(title=f"{title}: loss", xlabel="epoch")
    names = sorted({name for record in history for name in record.get("metrics", {})})
    for name in names:
        known = [record for record in history if name in record.get("metrics", {})]
        right.plot(
            [record["epoch"] for record in known], [record["metrics"][name] for record in known], label=name
        )
    right.set(title="held-out people", xlabel="epoch")
    if names:
        right.legend(fontsize=6)
    figure.tight_layout()
    figure.savefig(path)
