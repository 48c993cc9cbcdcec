"""`gifcue-lab gestures`: makes and measures the classifier of the extra gestures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gifcue.cli.detector import ModelDigest, detector_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gifcue_lab.gestures.evaluate import GestureFigures

app = typer.Typer(
    help="Make and measure the classifier of the extra gestures.", add_completion=False, no_args_is_help=True
)

Found = Annotated[Path, typer.Argument(metavar="HANDS", help="The file that `find` wrote.")]
LabelFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Which hand shows which gesture. Default: the labels of gifcue's own data."
    ),
]


@app.command()
def find(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="The directory of the splits.")],
    out: Annotated[Path, typer.Argument(metavar="HANDS", help="The file to write, hands.npz.")],
    split: Annotated[str, typer.Option(help="The split, a directory of labelled pictures.")] = "train",
    model_dir: Annotated[
        Path | None,
        typer.Option("--model", metavar="DIR", help="The model's directory; by default gifcue's own model."),
    ] = None,
    model_sha256: ModelDigest = None,
) -> None:
    """Find the labelled hands of a split with the model that is served, and save their landmarks.

    The file is as private as the pictures.
    """
    from gifcue.cli.progress import rich_track
    from gifcue.detect.settings import default_model_dir
    from gifcue_lab.gestures.hands import find_hands

    detector = detector_for(model_dir or default_model_dir(), "litert", sha256=model_sha256)
    try:
        hands = find_hands(detector, data, split, rich_track)
    finally:
        detector.close()
    hands.write(out)
    typer.echo(f"{out}: {int(hands.is_found.sum())} of {len(hands)} labelled hands found")


@app.command()
def train(
    hands: Found,
    out: Annotated[
        Path | None,
        typer.Argument(metavar="OUT", help="The classifier's file. Default: that of the package."),
    ] = None,
    labels: LabelFile = None,
    seed: Annotated[int, typer.Option(help="The same seed and hands give the same classifier.", min=0)] = 1,
) -> None:
    """Fit the classifier, with thresholds from groups that are held out in turn."""
    from gifcue.gestures.extra import SHIPPED
    from gifcue_lab.gestures.hands import read_hands
    from gifcue_lab.gestures.labels import OWN_LABELS, read_labels
    from gifcue_lab.gestures.train import train as fit
    from gifcue_lab.gestures.train import write_classifier

    trained = fit(read_hands(hands), read_labels(labels or OWN_LABELS), seed=seed)
    path = out or SHIPPED
    write_classifier(trained.classifier, path)
    for name, threshold in trained.thresholds.items():
        typer.echo(
            f"{name}: {trained.hands[name]} hands of {trained.groups[name]} groups, threshold {threshold:.3f}"
        )
    typer.echo(f"{path} is written")


@app.command()
def evaluate(
    hands: Annotated[list[Path], typer.Argument(metavar="HANDS...", help="Files that `find` wrote.")],
    classifier: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The classifier. Default: that of the package.")
    ] = None,
    held_out: Annotated[
        bool,
        typer.Option(
            "--held-out",
            help="Judge each hand by a classifier that is fitted without its fifth of the groups, in place of one that "
            "is there. For gestures that few people show.",
        ),
    ] = False,
    labels: LabelFile = None,
    sheets: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write contact sheets of the errors. They show people.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DATA", help="The directory of the splits, for --sheets.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Print F1 of each gesture with its interval, and how many other hands are taken for it."""
    from gifcue.detect.gesture_classifier import SERVED_THRESHOLD, read_classifier
    from gifcue.gestures.extra import SHIPPED
    from gifcue_lab.gestures.evaluate import errors, judge, judge_held_out
    from gifcue_lab.gestures.evaluate import evaluate as measure
    from gifcue_lab.gestures.hands import join_hands, read_hands
    from gifcue_lab.gestures.labels import OWN_LABELS, read_labels
    from gifcue_lab.gestures.sheet import write_sheets

    if sheets is not None and data is None:
        raise typer.BadParameter("--sheets needs the pictures: expected --data as well")
    if held_out and classifier is not None:
        raise typer.BadParameter("--held-out fits classifiers of its own: expected no --classifier")
    found, said = join_hands([read_hands(path) for path in hands]), read_labels(labels or OWN_LABELS)
    if held_out:
        judged, threshold = judge_held_out(found, said), SERVED_THRESHOLD
    else:
        read = read_classifier(classifier or SHIPPED)
        judged, threshold = judge(read, found, said), read.threshold
    figures = measure(judged, threshold)
    if sheets is not None and data is not None:
        for name in figures:
            chosen, captions = errors(judged, threshold, name)
            if chosen:
                write_sheets(judged.hands, data, chosen, captions, sheets / name)
    if as_json:
        typer.echo(json.dumps({name: each.as_json() for name, each in figures.items()}, indent=1))
    else:
        _print(figures)


def _print(figures: Mapping[str, GestureFigures]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("gesture", "hands", "groups", "found", "F1", "95 %", "taken for it", "of 1,000")
    for name, each in figures.items():
        f1 = "" if each.f1 is None else f"{each.f1:.3f}"
        interval = "" if each.f1_interval is None else "{:.2f} to {:.2f}".format(*each.f1_interval)
        table.add_row(
            name,
            f"{each.hands}",
            f"{each.groups}",
            f"{each.found}",
            f1,
            interval,
            f"{each.wrong} of {each.others}",
            f"{each.wrong_of_1000}",
        )
    Console().print(table)
