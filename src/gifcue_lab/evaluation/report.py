"""The files of `gifcue-lab evaluate images --report`."""

from __future__ import annotations

import json
from pathlib import Path

from gifcue_lab.evaluation.charts import draw_confusion, draw_curves, draw_groups
from gifcue_lab.evaluation.error_gallery import draw_gallery, worst_mistakes
from gifcue_lab.evaluation.metrics import Evaluation

REPORT_FILE = "report.json"
GALLERY_FILE = "mistakes.jpg"


def write_report(directory: Path, evaluation: Evaluation) -> None:
    """Writes report.json, three charts and the gallery of mistakes. Creates the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / REPORT_FILE).write_text(json.dumps(evaluation.report, indent=1), encoding="utf-8")
    draw_curves(evaluation, directory / "precision-recall.png")
    draw_confusion(evaluation, directory / "confusion.png")
    draw_groups(evaluation, directory / "groups.png")
    worst = worst_mistakes(evaluation.matches, list(evaluation.report["labels"]))
    draw_gallery(worst, directory / GALLERY_FILE)
