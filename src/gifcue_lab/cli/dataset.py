"""`gifcue-lab dataset`: builds, checks, splits, converts and composes datasets."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from gifcue.cli.detector import ModelDigest, detector_for
from gifcue_lab.cli.dataset_clips import compose, events
from gifcue_lab.cli.dataset_own import landmarks, prepare

app = typer.Typer(
    help="Build, check, split, convert and compose datasets.", add_completion=False, no_args_is_help=True
)
app.command()(compose)
app.command()(events)

app.command()(prepare)
app.command()(landmarks)

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


class Read(StrEnum):
    """Formats that can be read."""

    VOC = "voc"
    TFRECORD = "tfrecord"
    CVAT = "cvat"


class Write(StrEnum):
    """Formats that can be written."""

    VOC = "voc"
    TFRECORD = "tfrecord"
    COCO = "coco"


@app.command()
def explode(
    recording: Annotated[Path, typer.Argument(help="A video file.")],
    out: Annotated[Path, typer.Argument(help="The directory for the frames; it is created.")],
    fps: Annotated[
        float, typer.Option(help="Frames per second that are considered.", min=0.01, max=60)
    ] = 5.0,
    similarity: Annotated[
        float | None,
        typer.Option(
            help="Skip frames with this similarity to the last one written, 0..1; by default as in serving."
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="The most frames to write.", min=1)] = None,
) -> None:
    """Write the frames of a recording as JPEG, without similar ones."""
    from gifcue.cli.progress import rich_track
    from gifcue_lab.datasets.explode import explode as run

    done = run(recording, out, fps=fps, similarity=similarity, limit=limit, track=rich_track)
    typer.echo(f"{done.kept} frames written to {out}, {done.similar} similar ones skipped")


@app.command()
def convert(
    source: Annotated[
        Path, typer.Argument(help="voc: a directory; tfrecord: a file or a directory; cvat: the XML file.")
    ],
    out: Annotated[Path, typer.Argument(help="voc: a directory; otherwise a file.")],
    read: Annotated[Read, typer.Option("--from", help="The format of SOURCE.")] = Read.VOC,
    write: Annotated[Write, typer.Option("--to", help="The format of OUT.")] = Write.TFRECORD,
    pictures: Annotated[
        Path | None, typer.Option(help="cvat: the directory of the pictures, if not that of the XML.")
    ] = None,
    labels: Annotated[
        str | None, typer.Option(help="Labels in the order of their numbers, separated by commas.")
    ] = None,
) -> None:
    """Convert labels from LabelImg, TFRecord or CVAT to LabelImg, TFRecord or COCO."""
    from gifcue.cli.progress import rich_track
    from gifcue_lab.datasets.convert import convert as run

    order = tuple(label.strip() for label in labels.split(",")) if labels else ()
    done = run(
        source, out, read=read.value, write=write.value, pictures=pictures, labels=order, track=rich_track
    )
    names = ", ".join(done.labels)
    typer.echo(f"{done.pictures} pictures with {done.objects} boxes written to {out}; labels {names}")


@app.command()
def split(
    source: Annotated[Path, typer.Argument(help="A directory of labelled pictures.")],
    out: Annotated[Path, typer.Argument(help="The directory for the sides and split.json; it is created.")],
    sides: Annotated[str, typer.Option(help="Sides and their shares.")] = "train=0.85,dev=0.15",
    seed: Annotated[int, typer.Option(help="The same seed gives the same split.")] = 1,
    group_regex: Annotated[
        str | None, typer.Option(help="The group is the first capture in folder/file.")
    ] = None,
    group_csv: Annotated[Path | None, typer.Option(help="A file with lines of folder/file,group.")] = None,
    copy: Annotated[bool, typer.Option(help="Copy pictures and XML, or write only split.json.")] = True,
) -> None:
    """Split pictures into sides by their group, so that no person is in two sides."""
    from gifcue.cli.progress import rich_track
    from gifcue_lab.datasets.pictures import find_pictures, read_folder
    from gifcue_lab.datasets.split import copy_sides, groups_by_csv, groups_by_regex, split_by_group

    if group_regex and group_csv:
        raise typer.BadParameter("expected one of --group-regex and --group-csv, got both")
    grouping: dict[str, Any] = {}
    if group_regex:
        grouping["group_of"] = groups_by_regex(group_regex)
    if group_csv:
        grouping["group_of"] = groups_by_csv(group_csv)
    pictures = list(read_folder(source, rich_track))
    dealt = split_by_group(pictures, _shares(sides), seed=seed, track=rich_track, **grouping)
    out.mkdir(parents=True, exist_ok=True)
    # The list of an earlier split stays with its pictures where these are not to be replaced.
    if copy:
        copy_sides(dealt, out, track=rich_track)
    (out / "split.json").write_text(json.dumps(dealt.to_json(), indent=1), encoding="utf-8")
    for side, members in dealt.sides.items():
        groups = sum(where == side for where in dealt.groups.values())
        typer.echo(f"{side}: {len(members)} pictures of {groups} groups")
    if unlabelled := len(find_pictures(source)) - len(pictures):
        typer.echo(f"left out, because they have no XML file: {unlabelled} pictures", err=True)


@app.command()
def stats(
    source: Annotated[Path, typer.Argument(help="A directory of labelled pictures.")],
    chart: Annotated[Path | None, typer.Option(help="Write a bar chart of the labels to this PNG.")] = None,
    as_json: Json = False,
) -> None:
    """Count pictures, groups and labels, by side if the directory holds sides (train, dev)."""
    from gifcue.cli.progress import rich_track
    from gifcue_lab.datasets.stats import count_labels, draw_labels, read_sides

    counts = count_labels(read_sides(source, rich_track))
    if chart is not None:
        draw_labels(counts, chart)
    if as_json:
        typer.echo(json.dumps(counts, indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("", *(side or "all" for side in counts["sides"]))
    for name in ("pictures", "groups", "objects", "empty_pictures"):
        table.add_row(name.replace("_", " "), *(f"{side[name]:,}" for side in counts["sides"].values()))
    for label in counts["labels"]:
        boxes = [side["labels"][label] for side in counts["sides"].values()]
        table.add_row(label, *(f"{b['boxes']:,} (of {b['groups']} groups)" for b in boxes))
    Console().print(table)


@app.command()
def check(
    source: Annotated[Path, typer.Argument(help="A directory of labelled pictures.")],
    labels: Annotated[
        str | None,
        typer.Option(help="The labels that may occur, separated by commas; by default gifcue's."),
    ] = None,
    near_bits: Annotated[
        int, typer.Option(help="How many of 256 bits may differ between near duplicates.", min=0, max=64)
    ] = 6,
    near_within: Annotated[
        bool,
        typer.Option(
            "--near-within", help="Report near duplicates within a side too, not only between sides."
        ),
    ] = False,
    allow_missing_xml: Annotated[
        bool,
        typer.Option(
            "--allow-missing-xml", help="A picture without XML is no problem. They are counted in one line."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Report problems by file. The exit code is 1 if there are any."""
    from gifcue.cli.progress import rich_track
    from gifcue_lab.datasets.check import Problem
    from gifcue_lab.datasets.check import check as run
    from gifcue_lab.datasets.regions import LABELS

    known = tuple(label.strip() for label in labels.split(",")) if labels else LABELS
    findings = run(source, labels=known, near_bits=near_bits, near_within=near_within, track=rich_track)
    if allow_missing_xml:
        unlabelled = sum(finding.problem is Problem.MISSING_XML for finding in findings)
        findings = [finding for finding in findings if finding.problem is not Problem.MISSING_XML]
        typer.echo(f"{unlabelled} pictures have no XML file", err=True)
    if as_json:
        typer.echo(
            json.dumps([{"file": f.file, "problem": f.problem, "message": f.message} for f in findings])
        )
    else:
        for finding in findings:
            typer.echo(str(finding))
        typer.echo(f"{len(findings)} findings" if findings else "no findings", err=True)
    if findings:
        raise typer.Exit(1)


@app.command()
def autolabel(
    source: Annotated[Path, typer.Argument(help="A directory of pictures.")],
    model_dir: Annotated[
        Path | None,
        typer.Option("--model", metavar="DIR", help="The model's directory; by default gifcue's own model."),
    ] = None,
    backend: Annotated[str, typer.Option(help="litert or savedmodel.")] = "litert",
    model_sha256: ModelDigest = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing XML.")] = False,
) -> None:
    """Write detected boxes as LabelImg XML beside the pictures, to be corrected by hand. Existing XML is kept."""
    from gifcue.cli.progress import rich_track
    from gifcue.detect.settings import default_model_dir
    from gifcue_lab.datasets.autolabel import autolabel as run
    from gifcue_lab.datasets.pictures import find_pictures

    detector = detector_for(model_dir or default_model_dir(), backend, sha256=model_sha256)
    try:
        done = run(detector, find_pictures(source), force=force, track=rich_track)
    finally:
        detector.close()
    typer.echo(f"{done.written} files with {done.regions} faces and hands written, {done.kept} files kept")


@app.command("gesture-negatives")
def gesture_negatives(
    source: Annotated[
        Path, typer.Argument(help="A directory of labelled pictures, a directory for each person.")
    ],
    out: Annotated[Path, typer.Argument(help="The file to write, negatives.npz.")],
    model_dir: Annotated[
        Path | None,
        typer.Option("--model", metavar="DIR", help="The model's directory; by default gifcue's own model."),
    ] = None,
) -> None:
    """Write landmarks of labelled hands, which training a custom gesture uses as negatives."""
    from gifcue.cli.progress import rich_track
    from gifcue.detect.settings import default_model_dir
    from gifcue_lab.training.gesture_negatives import run

    detector = detector_for(model_dir or default_model_dir(), "litert")
    try:
        made = run(detector, source, out, track=rich_track)
    finally:
        detector.close()
    typer.echo(f"{len(made.points)} hands of {len(set(made.groups.tolist()))} groups written to {out}")


def _shares(text: str) -> dict[str, float]:
    try:
        pairs = [part.split("=") for part in text.split(",")]
        return {name.strip(): float(share) for name, share in pairs}
    except ValueError:
        raise typer.BadParameter(f"expected sides like train=0.85,dev=0.15, got {text!r}") from None
