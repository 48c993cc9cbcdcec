"""`gifcue-lab dataset compose` and `events`: clips with known reactions for `gifcue-lab evaluate clips`."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class ComposeMix(StrEnum):
    """What composed videos show."""

    MEANT = "meant"
    BUSY = "busy"


def compose(
    data: Annotated[Path, typer.Argument(help="The directory of the splits, each with its landmarks.npz.")],
    out: Annotated[
        Path,
        typer.Argument(
            help="A directory for videos, events.json and script.json: empty, or begun by the same command."
        ),
    ],
    split: Annotated[
        str, typer.Option(help="The split of the photographs: train to choose settings, dev to evaluate.")
    ] = "dev",
    minutes: Annotated[
        float | None, typer.Option(help="Minutes of video in total; 20 by default.", min=0.2, max=6000)
    ] = None,
    hours: Annotated[
        float | None, typer.Option(help="The same in hours, instead of --minutes.", min=0.01, max=100)
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same sequences.", min=0)] = 1,
    mix: Annotated[
        ComposeMix,
        typer.Option(help="meant: many expected reactions; busy: a meeting with few of them."),
    ] = ComposeMix.MEANT,
    group: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN", help="Use only groups whose name fits, such as 'p3*'; may be repeated."
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(help="Clips rendered at the same time.", min=1, max=64)] = 1,
) -> None:
    """Compose videos with known reactions from photographs, for `gifcue-lab evaluate clips`.

    A run that was cut goes on when the command is repeated: finished clips are kept.
    """
    from gifcue.cli.progress import rich_track
    from gifcue_lab.synthesis.run import compose as run

    if minutes is not None and hours is not None:
        raise typer.BadParameter("expected one of --minutes and --hours, got both")
    done = run(
        data,
        out,
        split=split,
        minutes=hours * 60 if hours is not None else minutes or 20.0,
        seed=seed,
        mix=mix.value,
        groups=group or (),
        jobs=jobs,
        track=rich_track,
        say=lambda text: typer.echo(text, err=True),
    )
    expected = ", ".join(f"{count} {label}" for label, count in sorted(done.expected.items())) or "none"
    typer.echo(
        f"{len(done.finished)} sequences of {done.people} groups, {done.seconds / 60:.1f} minutes, in {out}"
    )
    typer.echo(f"{sum(done.expected.values())} reactions expected: {expected}")
    typer.echo("time: " + ", ".join(f"{kind} {share:.1%}" for kind, share in done.kinds.items()))
    if lacking := len(done.sequences) - len(done.finished):
        typer.echo(f"{lacking} sequences are being written by other processes", err=True)
    typer.echo("They show the people of the photographs: keep them private, and never commit them.")


def events(
    annotations: Annotated[
        Path,
        typer.Argument(
            metavar="LIST", help="A CSV file with a line for each event: video, class, first and last frame."
        ),
    ],
    videos: Annotated[
        Path, typer.Argument(help="The directory of the videos; events.json is written there.")
    ],
    fps: Annotated[float, typer.Option(help="Frames per second of the videos.", min=1, max=240)] = 30.0,
    expect: Annotated[
        list[str] | None,
        typer.Option(metavar="CLASS=LABEL", help="A class that expects a reaction; may be repeated."),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[CLASS=]LABEL",
            help="A reaction that may start at any time, or during a class; may be repeated.",
        ),
    ] = None,
    columns: Annotated[
        str, typer.Option(help="The names of the four columns: video, class, first and last frame.")
    ] = "video,label,t_start,t_end",
    force: Annotated[bool, typer.Option("--force", help="Replace an existing events.json.")] = False,
) -> None:
    """Write events.json for a corpus of videos with a list of events, such as IPN Hand.

    Every reaction during a class that is neither expected nor allowed is false.
    """
    from gifcue_lab.evaluation.clips.corpus import Columns, Meaning, convert_events
    from gifcue_lab.evaluation.clips.truth import EVENTS_FILE

    if (videos / EVENTS_FILE).exists() and not force:
        raise typer.BadParameter(f"{videos / EVENTS_FILE} exists: expected --force to replace it")
    names = [name.strip() for name in columns.split(",")]
    if len(names) != 4:
        raise typer.BadParameter(f"--columns: expected four names, got {columns!r}")
    pairs = [each.partition("=") for each in expect or ()]
    for pair in pairs:
        if not all(pair):
            raise typer.BadParameter(f"--expect: expected CLASS=LABEL, got {''.join(pair)!r}")
    allowed: dict[str, tuple[str, ...]] = {}
    for each in allow or ():
        name, _, label = each.rpartition("=")
        allowed[name] = (*allowed.get(name, ()), label)
    meaning = Meaning({name: label for name, _, label in pairs}, allowed)
    done = convert_events(annotations, videos, fps=fps, meaning=meaning, columns=Columns(*names))
    (videos / EVENTS_FILE).write_text(json.dumps(done.content, indent=1), encoding="utf-8")
    counts = ", ".join(f"{count} {name}" for name, count in done.classes.items())
    typer.echo(f"{videos / EVENTS_FILE}: {len(done.content['clips'])} videos; events: {counts}")
    if done.lacking:
        typer.echo(f"left out, because they are not in {videos}: {', '.join(done.lacking[:10])}", err=True)
        if len(done.lacking) > 10:
            typer.echo(f"and {len(done.lacking) - 10} more", err=True)
