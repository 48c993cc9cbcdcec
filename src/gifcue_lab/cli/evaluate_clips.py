"""`gifcue-lab evaluate clips`: found, missed and false reactions on labelled clips, through a real server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gifcue.cli.detector import ModelDigest

if TYPE_CHECKING:
    from gifcue_lab.evaluation.clips.truth import Clip


def clips(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Clips and their events.json.")],
    only: Annotated[
        list[str] | None,
        typer.Option("--clip", metavar="NAME", help="Evaluate only this clip; may be repeated."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", metavar="FILE", help="The server's settings.")
    ] = None,
    model_dir: Annotated[
        Path | None, typer.Option("--model", metavar="DIR", help="The model's directory.")
    ] = None,
    backend: Annotated[str | None, typer.Option(help="litert or savedmodel.")] = None,
    model_sha256: ModelDigest = None,
    preset: Annotated[
        str, typer.Option(help="careful, normal or playful; by default that of the settings.")
    ] = "",
    server: Annotated[
        str | None,
        typer.Option(
            "--server",
            "-s",
            metavar="HOST:PORT",
            help="A running server. By default one is started for the clips.",
        ),
    ] = None,
    compare_filter: Annotated[
        bool,
        typer.Option(
            help="Run again with the similar-frame filter off, and report which reactions skipping loses."
        ),
    ] = True,
    at_once: Annotated[int, typer.Option(min=1, max=64, help="Clips streamed at the same time.")] = 2,
    report: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write report.json and a timeline of every clip to this directory."),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Take over the results of finished clips that --report holds, where clip, model and settings are "
            "the same.",
        ),
    ] = False,
    local: Annotated[
        bool,
        typer.Option(
            "--local",
            help="Run a server's parts in this process, without a server. Cheaper for hours of video.",
        ),
    ] = False,
    record: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="With --local: write what the detector found to this directory."),
    ] = None,
    replay: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Run only the policy, on what --record wrote to this directory."),
    ] = None,
    timelines: Annotated[bool, typer.Option(help="Draw the timelines of --report.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Expected, found, missed and false reactions on clips, and what skipping similar frames costs.

    Every clip is streamed as a participant. A frame is sent when the server has decided the one before, so the
    metrics do not depend on the speed of the machine. Finished clips are kept in the directory of --report: with
    --resume, an evaluation that was cut goes on where it was.
    """
    from gifcue.cli.progress import rich_track
    from gifcue_lab.evaluation.clips.evaluate import evaluate_clips, evaluate_clips_on, evaluate_recordings
    from gifcue_lab.evaluation.clips.outcome import write_report
    from gifcue_lab.evaluation.clips.text import print_clips_report

    if resume and report is None:
        raise typer.BadParameter("--resume: expected --report with the directory of the finished clips")
    if record is not None and not local:
        raise typer.BadParameter(
            "--record: expected --local as well, because a server keeps detections to itself"
        )
    if server is not None and (resume or local or replay is not None):
        raise typer.BadParameter("--server: expected no --resume, --local or --replay")
    if replay is not None:
        if local or resume or any(given is not None for given in (model_dir, backend, model_sha256)):
            raise typer.BadParameter("--replay runs no detector: expected no --local, --resume or --model")
        evaluation = evaluate_recordings(replay, directory, only=only or (), config=config, preset=preset)
    elif server is not None:
        if any(given is not None for given in (config, model_dir, backend, model_sha256)):
            raise typer.BadParameter(
                "--server has settings of its own: expected no --config, --model, --backend or --model-sha256"
            )
        warning = "a running server has one filter setting: not compared with the filter off"
        evaluation = evaluate_clips_on(
            server,
            directory,
            only=only or (),
            preset=preset,
            at_once=at_once,
            progress=_bar,
            warnings=[warning] if compare_filter else [],
        )
    else:
        evaluation = evaluate_clips(
            directory,
            only=only or (),
            config=config,
            model_dir=model_dir,
            backend=backend,
            model_sha256=model_sha256,
            preset=preset,
            compare_filter=compare_filter,
            at_once=at_once,
            progress=_bar,
            keep=report,
            resume=resume,
            local=local,
            record=record,
        )
    if report is not None:
        write_report(report, evaluation, rich_track, timelines=timelines)
        typer.echo(f"report in {report}", err=True)
    if as_json:
        typer.echo(json.dumps(evaluation.report, indent=1))
    else:
        print_clips_report(evaluation.report)


@contextmanager
def _bar(doing: str, wanted: Sequence[Clip]) -> Iterator[Callable[[float], None]]:
    """A progress bar on stderr, in seconds of video; without a total where a clip's length is unknown."""
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from gifcue.cli.console import err

    lengths = [clip.seconds for clip in wanted if clip.seconds is not None]
    total = sum(lengths) if len(lengths) == len(wanted) else None
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err) as progress:
        task = progress.add_task(doing, total=total)
        yield lambda seconds: progress.advance(task, seconds)
        progress.update(task, total=total or 1.0, completed=total or 1.0)
