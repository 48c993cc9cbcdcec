"""`gifcue-lab dataset prepare` and `landmarks`: pictures with labels of one's own, made trainable."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from gifcue.cli.detector import detector_for
from gifcue_lab.quiet import quietly

# The share of a label's boxes that are left out from which the wrong kind is likelier than bad luck.
MANY_SHARE = 0.25


def prepare(
    source: Annotated[
        Path, typer.Argument(help="Pictures with LabelImg XML, a directory for each person or recording.")
    ],
    out: Annotated[Path, typer.Argument(help="A new directory for the copies.")],
    face: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL",
            help="A label of yours that a face shows; repeatable. NAME=LABEL renames it in the copies.",
        ),
    ] = None,
    hand: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL", help="The same for a label that a hand shows."),
    ] = None,
) -> None:
    """Put the boxes of your own labels on the faces or hands that show them, and add the faces and hands."""
    from gifcue.cli.progress import rich_track
    from gifcue.detect.settings import default_model_dir
    from gifcue_lab.datasets.pictures import FORMATS
    from gifcue_lab.datasets.placing import own_labels
    from gifcue_lab.datasets.prepare import prepare as run

    own = own_labels(face or (), hand or ())
    with quietly():
        detector = detector_for(default_model_dir(), "litert")
    try:
        done = run(detector, source, out, own, track=rich_track)
    finally:
        detector.close()
    counts = ", ".join(f"{count} {label}" for label, count in sorted(done.labels.items()))
    typer.echo(f"{done.pictures} pictures of {done.groups} groups written to {out}: {counts}")
    if done.without_labels:
        typer.echo(
            f"{done.without_labels} of them have no XML file, so they show none of the labels", err=True
        )
    if done.unread:
        typer.echo(
            f"left out, because only {FORMATS} are read: {len(done.unread)} files, {done.unread[0]} …",
            err=True,
        )
    for file, label in done.unplaced:
        typer.echo(f"left out, because no face or hand is found there: {file}: {label}", err=True)
    for file, labels in done.doubled:
        typer.echo(
            f"unknown, because two labels lie on one face or hand: {file}: {', '.join(labels)}", err=True
        )
    for label, lost in Counter(label for _, label in done.unplaced).items():
        if lost > MANY_SHARE * (lost + done.labels.get(label, 0)):
            typer.echo(
                f"{label}: {lost} of {lost + done.labels.get(label, 0)} boxes are left out; is it a label of the other "
                "kind (--face, --hand)? Otherwise draw a face or hand in these pictures too.",
                err=True,
            )


def landmarks(
    data: Annotated[Path, typer.Argument(help="The directory of the splits.")],
    split: Annotated[
        list[str] | None,
        typer.Option(help="A split; repeatable. By default every directory in DATA that has pictures."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a landmarks.npz that another program wrote.")
    ] = False,
) -> None:
    """Write landmarks.npz into each split: the shipped model's landmarks of its faces and hands."""
    from gifcue.cli.progress import rich_track
    from gifcue.detect.settings import default_model_dir
    from gifcue_lab.datasets.landmarks import check_free, splits_of, write_landmarks
    from gifcue_lab.training.shapes import read_shapes

    points = read_shapes(default_model_dir())["face"].points
    folders = [data / name for name in split] if split else splits_of(data)
    if not force:
        check_free(folders)
    with quietly():
        detector = detector_for(default_model_dir(), "litert")
    try:
        for folder in folders:
            hands, faces = write_landmarks(detector, folder, points, track=rich_track)
            typer.echo(f"{folder.name}: landmarks of {hands} hands and {faces} faces")
    finally:
        detector.close()
