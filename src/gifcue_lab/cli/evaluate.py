"""`gifcue evaluate images`: what a detector is worth on pictures of strangers; `clips` lives beside."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from gifcue.cli.detector import detector_for
from gifcue_lab.cli.evaluate_clips import clips

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode="markdown")
app.command()(clips)


@app.callback()
def main() -> None:
    """Measure a detector on pictures, and reactions on clips, of people it never saw."""


@app.command()
def images(
    directory: Annotated[
        Path, typer.Argument(help="Pictures with LabelImg XML, a directory for each person.")
    ],
    split: Annotated[str | None, typer.Option(help="The subdirectory to evaluate, dev say.")] = None,
    model_dir: Annotated[Path, typer.Option("--model", help="The model's directory.")] = Path("models"),
    backend: Annotated[str, typer.Option(help="litert or savedmodel.")] = "litert",
    precision: Annotated[str, typer.Option(help="int8 as served, or float; litert only.")] = "int8",
    detections: Annotated[
        Path | None, typer.Option(help="Judge the detections in this JSON file instead of a model's.")
    ] = None,
    threshold: Annotated[
        list[str] | None, typer.Option(help="label=0.6: override a served threshold; may be repeated.")
    ] = None,
    full_size: Annotated[
        bool,
        typer.Option("--full-size", help="Give pictures as they are, not scaled to 360 lines as in serving."),
    ] = False,
    save_detections: Annotated[
        Path | None, typer.Option(help="Write what was detected in the form that --detections reads.")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Write report.json, charts and the worst mistakes into this directory."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """AP, precision, recall and F1 by label and by person, confusion, false gestures, landmarks, time."""
    from gifcue.cli.progress import rich_track
    from gifcue_lab.evaluation.landmarks import landmark_errors, read_teacher
    from gifcue_lab.evaluation.metrics import evaluate
    from gifcue_lab.evaluation.predictions import read_predictions, write_predictions
    from gifcue_lab.evaluation.run import run_detector
    from gifcue_lab.evaluation.text import print_report
    from gifcue_lab.evaluation.truth import read_truth

    thresholds = _thresholds(threshold or [])
    truth = read_truth(directory, split, rich_track)
    if detections is not None:
        predictions = read_predictions(detections, [p.name for p in truth], thresholds)
    else:
        detector = detector_for(model_dir, backend, precision)
        try:
            predictions = run_detector(
                detector,
                truth,
                clock=time.perf_counter,
                thresholds=thresholds,
                as_served=not full_size,
                track=rich_track,
            )
        finally:
            detector.close()
    if save_detections is not None:
        write_predictions(save_detections, predictions)
    teacher = read_teacher(directory / split if split else directory)
    landmarks = landmark_errors(truth, predictions, teacher, _face_points(model_dir)) if teacher else None
    evaluation = evaluate(truth, predictions, landmarks)
    if report is not None:
        _write_report(report, evaluation)
    if as_json:
        typer.echo(json.dumps(evaluation.report, indent=1))
    else:
        print_report(evaluation.report)


def _write_report(directory: Path, evaluation: Any) -> None:
    from gifcue_lab.evaluation.charts import draw_confusion, draw_curves, draw_groups
    from gifcue_lab.evaluation.error_gallery import draw_sheet, worst_mistakes

    directory.mkdir(parents=True, exist_ok=True)
    (directory / "report.json").write_text(json.dumps(evaluation.report, indent=1), encoding="utf-8")
    draw_curves(evaluation, directory / "precision-recall.png")
    draw_confusion(evaluation, directory / "confusion.png")
    draw_groups(evaluation, directory / "groups.png")
    draw_sheet(worst_mistakes(evaluation.judged), directory / "mistakes.jpg")
    typer.echo(f"report in {directory}; mistakes.jpg shows people: keep it to yourself", err=True)


def _face_points(model_dir: Path) -> tuple[int, ...]:
    """The numbers of the model's face landmarks in the teacher's mesh, where its metadata says them."""
    try:
        metadata = json.loads((model_dir / "metadata.json").read_text(encoding="utf-8"))
        return tuple(int(number) for number in metadata["networks"]["face"]["points"])
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def _thresholds(pairs: list[str]) -> dict[str, float]:
    try:
        return {label.strip(): float(value) for label, value in (pair.split("=") for pair in pairs)}
    except ValueError:
        raise typer.BadParameter(f"expected label=0.6, got {', '.join(pairs)!r}") from None
