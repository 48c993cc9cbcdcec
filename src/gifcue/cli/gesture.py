"""`gifcue gesture`: train a classifier for a gesture of your own, test it, and serve it.

`list`, `add` and `delete` work on a running server; they are in gesture_server.py.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gifcue.cli.detector import ModelDigest, detector_for
from gifcue.cli.gesture_capture import (
    Backend,
    EveryHand,
    Fps,
    Gestures,
    Label,
    Model,
    Sources,
    capture_from,
    model_folder,
)
from gifcue.cli.gesture_server import add, delete, show

if TYPE_CHECKING:
    from gifcue.gestures.evaluation import GestureEvaluation
    from gifcue.gestures.fit import TrainedGesture

app = typer.Typer(help="Add a gesture of your own, from a few dozen samples.", no_args_is_help=True)
app.command("list")(show)
app.command("add")(add)
app.command("delete")(delete)

_FOLDER = Path("gestures")
# Errors of `test` that are listed, of each kind.
_LISTED = 20
_SETTINGS = """[detect]
gestures_dir = "{}"
"""


@app.command()
def capture(
    label: Annotated[
        str, typer.Argument(help="Label of the gesture, or none for hands that show another gesture or none.")
    ],
    sources: Sources,
    gestures_dir: Gestures = _FOLDER,
    limit: Annotated[int, typer.Option(help="Maximum number of hands from each source.", min=1)] = 30,
    fps: Fps = 4.0,
    every_hand: EveryHand = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Replace the samples of this label, and do not add to them.")
    ] = False,
    model_dir: Model = None,
    backend: Backend = "litert",
    model_sha256: ModelDigest = None,
) -> None:
    """Save the landmarks of hands as samples of a gesture. No pictures are saved."""
    from gifcue.gestures.samples import check_label, read_samples, write_samples

    check_label(label)
    folder = gestures_dir / "samples"
    before = [] if fresh else read_samples(folder, label)
    opener = partial(detector_for, model_folder(model_dir), backend, sha256=model_sha256)
    captures = capture_from(sources, limit, fps, every_hand, opener)
    new = [sample for each in captures for sample in each.samples]
    path = write_samples(folder, label, [*before, *new])
    frames = sum(each.frames for each in captures)
    typer.echo(f"{len(new)} hands in {frames} frames; {path} now has {len(before) + len(new)} of {label}")


@app.command()
def train(
    label: Label,
    gestures_dir: Gestures = _FOLDER,
    seed: Annotated[
        int, typer.Option(help="Random seed. The same seed and samples give the same classifier.")
    ] = 1,
    max_false: Annotated[
        float,
        typer.Option(
            help="Share of other people's hands that may be taken for the gesture.", min=0.0, max=0.5
        ),
    ] = 0.003,
    model_dir: Model = None,
) -> None:
    """Train the classifier of a gesture, report its cross-validation, and write it to the gestures' folder."""
    from gifcue.detect.labels import read_label_map
    from gifcue.detect.metadata import LABEL_MAP
    from gifcue.gestures.fit import train_gesture
    from gifcue.gestures.negatives import read_negatives
    from gifcue.gestures.samples import labels_in, read_samples

    folder = gestures_dir / "samples"
    negatives = read_negatives()
    others = [
        sample for other in labels_in(folder) if other != label for sample in read_samples(folder, other)
    ]
    trained = train_gesture(
        label,
        read_samples(folder, label),
        others,
        negatives,
        model_labels=read_label_map(model_folder(model_dir) / LABEL_MAP).names,
        seed=seed,
        max_false=max_false,
    )
    path = gestures_dir / f"{label}.json"
    trained.classifier.write(path)
    typer.echo(f"{path} is written. Cross-validation, with each hand held out once:")
    _print_trained(trained, len(others), len(negatives.points))
    typer.echo(
        "A running server with this folder serves it within seconds. For another one, add this to its settings:\n\n"
        + _SETTINGS.format(gestures_dir)
    )


@app.command("test")
def evaluate(
    label: Label,
    sources: Sources,
    against: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SOURCE",
            help="Recording, picture or folder whose hands do not show the gesture. May be repeated.",
        ),
    ] = None,
    gestures_dir: Gestures = _FOLDER,
    limit: Annotated[int, typer.Option(help="Maximum number of hands from each source.", min=1)] = 1000,
    fps: Fps = 4.0,
    every_hand: EveryHand = False,
    model_dir: Model = None,
    backend: Backend = "litert",
    model_sha256: ModelDigest = None,
) -> None:
    """Print the recall on SOURCES, whose hands show the gesture, and the precision with those of --against."""
    from gifcue.detect.gesture_classifier import read_classifier
    from gifcue.gestures.evaluation import evaluate_classifier

    classifier = read_classifier(gestures_dir / f"{label}.json")
    opener = partial(detector_for, model_folder(model_dir), backend, sha256=model_sha256)
    captures = capture_from(sources, limit, fps, every_hand, opener)
    positives = [sample for each in captures for sample in each.samples]
    captures = capture_from(against, limit, fps, True, opener) if against else []
    negatives = [sample for each in captures for sample in each.samples]
    _print_evaluation(
        evaluate_classifier(classifier, label, positives, negatives), len(positives), len(negatives)
    )


def _print_trained(trained: TrainedGesture, others: int, negatives: int) -> None:
    mine = trained.positives
    typer.echo(f"  {mine.right} of your {mine.right + mine.missed} samples found")
    if others:
        typer.echo(f"  {trained.others.wrong} of your {others} other hands taken for it")
    used = negatives - trained.similar
    typer.echo(f"  {trained.negatives.wrong} of {used} hands of other people taken for it")
    if trained.similar:
        typer.echo(f"  {trained.similar} more hands of other people were left out, because they resemble it")


def _print_evaluation(result: GestureEvaluation, positives: int, negatives: int) -> None:
    counts = result.counts
    if counts.recall is not None:
        typer.echo(f"recall {counts.recall:.3f}: {counts.right} of {positives} hands found")
    if negatives and counts.precision is not None:
        typer.echo(
            f"precision {counts.precision:.3f}: {counts.wrong} of {negatives} other hands taken for it"
        )
    for kind, errors in (("missed", result.missed), ("wrong", result.wrong)):
        for source, score in errors[:_LISTED]:
            typer.echo(f"  {kind} {source} at {score:.3f}")
