"""`gifcue-lab evaluate images` measures a detector on labelled pictures; `clips` has a module of its own."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from gifcue.cli.detector import ModelDigest, detector_for
from gifcue_lab.cli.evaluate_clips import clips
from gifcue_lab.quiet import quietly

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode="markdown")
app.command()(clips)


@app.callback()
def main() -> None:
    """Measure a detector on pictures, or reactions on clips. Use people that are not in the training data."""


@app.command()
def images(
    directory: Annotated[
        Path, typer.Argument(help="Pictures with LabelImg XML, a directory for each person.")
    ],
    split: Annotated[str | None, typer.Option(help="The subdirectory to evaluate, for example dev.")] = None,
    model_dir: Annotated[
        Path | None,
        typer.Option("--model", metavar="DIR", help="The model's directory; by default gifcue's own model."),
    ] = None,
    backend: Annotated[str, typer.Option(help="litert or savedmodel.")] = "litert",
    model_sha256: ModelDigest = None,
    precision: Annotated[str, typer.Option(help="int8, as served, or float; for litert only.")] = "int8",
    detections: Annotated[
        Path | None, typer.Option(help="Evaluate the detections in this JSON file instead of a model.")
    ] = None,
    threshold: Annotated[
        list[str] | None,
        typer.Option(help="label=0.6 overrides the model's threshold of a label; may be repeated."),
    ] = None,
    full_size: Annotated[
        bool,
        typer.Option("--full-size", help="Do not scale pictures to 360 lines, as decode workers do."),
    ] = False,
    save_detections: Annotated[
        Path | None, typer.Option(help="Write the detections to this file, in the form of --detections.")
    ] = None,
    part: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=GROUPS",
            help="Report these groups apart, for example webcams=p300..p409,anna; may be repeated.",
        ),
    ] = None,
    parts_file: Annotated[
        Path | None, typer.Option("--parts", metavar="FILE", help="The same from a TOML file, table [parts].")
    ] = None,
    resamples: Annotated[
        int, typer.Option(help="Resamples of the groups for 95 % intervals; 0 for no intervals.")
    ] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of the resamples.")] = 1,
    overlap: Annotated[
        float, typer.Option(help="The least share of a hand over a face for the figure of overlapping hands.")
    ] = 0.1,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="PROPERTY,…",
            help="Report bands of these apart: light, distance, hand_at_face, skin, and properties of --tags.",
        ),
    ] = None,
    tags: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="CSV: name,PROPERTY,… then a picture or group and its tags a line."
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Write report.json, charts and the worst mistakes to this directory."),
    ] = None,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the tables as Markdown, for documents.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Average precision, precision, recall and F1 with intervals, by label, person and part; confusion, false
    gestures, landmarks, time.
    """
    from gifcue.cli.progress import rich_track
    from gifcue.detect.settings import default_model_dir
    from gifcue_lab.evaluation.by_property import add_properties
    from gifcue_lab.evaluation.detail import Detail, add_detail, thresholds_chosen_on
    from gifcue_lab.evaluation.intervals import Bootstrap
    from gifcue_lab.evaluation.landmarks import landmark_errors, model_face_points, read_teacher
    from gifcue_lab.evaluation.metrics import evaluate
    from gifcue_lab.evaluation.parts import check_parts, parse_part, read_parts
    from gifcue_lab.evaluation.predictions import read_predictions, write_predictions
    from gifcue_lab.evaluation.properties import Tags, check_measurable, choose, read_tags
    from gifcue_lab.evaluation.report import GALLERY_FILE, write_report
    from gifcue_lab.evaluation.run import run_detector
    from gifcue_lab.evaluation.text import markdown, print_report
    from gifcue_lab.evaluation.truth import read_truth

    if as_json and as_markdown:
        raise typer.BadParameter("expected --json or --markdown, got both")
    model_dir = model_dir or default_model_dir()
    thresholds = _thresholds(threshold or [])
    parts = [*(read_parts(parts_file) if parts_file else ()), *(parse_part(text) for text in part or ())]
    detail = Detail(Bootstrap(resamples, seed) if resamples else None, parts, overlap)
    wanted = [name.strip() for name in by.split(",")] if by else []
    tagged = read_tags(tags) if tags else Tags()
    properties = choose(wanted, tagged)
    truth = read_truth(directory, split, rich_track)
    check_parts(parts, (picture.group for picture in truth))
    teacher = read_teacher(directory / split if split else directory)
    check_measurable(properties, tagged, truth, teacher)
    if detections is not None:
        predictions = read_predictions(detections, [p.name for p in truth], thresholds)
    else:
        with quietly():
            detector = detector_for(model_dir, backend, precision, sha256=model_sha256)
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
    landmarks = None
    if teacher is not None and teacher.model:
        # A distance to what a model of gifcue found is no error: a model has none to itself.
        typer.echo(f"no landmark errors: landmarks.npz holds the landmarks of {teacher.model}", err=True)
    elif teacher is not None:
        landmarks = landmark_errors(truth, predictions, teacher, model_face_points(model_dir))
    chosen_on = None
    if detections is None and not thresholds:
        chosen_on = thresholds_chosen_on(model_dir)
    evaluation = add_detail(evaluate(truth, predictions, landmarks), detail, chosen_on, split)
    evaluation = add_properties(evaluation, properties, teacher, detail.bootstrap, rich_track)
    if report is not None:
        write_report(report, evaluation)
        typer.echo(f"report in {report}; {GALLERY_FILE} shows people: keep it private", err=True)
    if as_json:
        typer.echo(json.dumps(evaluation.report, indent=1))
    elif as_markdown:
        typer.echo(markdown(evaluation.report), nl=False)
    else:
        print_report(evaluation.report)


def _thresholds(pairs: list[str]) -> dict[str, float]:
    try:
        return {label.strip(): float(value) for label, value in (pair.split("=") for pair in pairs)}
    except ValueError:
        raise typer.BadParameter(f"expected label=0.6, got {', '.join(pairs)!r}") from None
