"""`gifcue evaluate clips`: reactions found, missed and false on labelled clips, through a real server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from gifcue.server.config import Settings
    from gifcue_lab.evaluation.clips.judge import ClipJudged
    from gifcue_lab.evaluation.clips.streaming import Evaluated
    from gifcue_lab.evaluation.clips.truth import Clip

# None: gifcue's own detector workers. Tests put another target here.
DETECTOR_TARGET: str | None = None


def clips(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Clips and their events.json.")],
    only: Annotated[
        list[str] | None, typer.Option("--clip", metavar="NAME", help="This clip alone; may be repeated.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", metavar="FILE", help="The server's settings.")
    ] = None,
    model_dir: Annotated[
        Path | None, typer.Option("--model", metavar="DIR", help="The model's directory.")
    ] = None,
    backend: Annotated[str | None, typer.Option(help="litert or savedmodel.")] = None,
    preset: Annotated[
        str, typer.Option(help="careful, normal or playful; the settings' own if not given.")
    ] = "",
    server: Annotated[
        str | None,
        typer.Option(
            "--server", "-s", metavar="HOST:PORT", help="A server that runs, in place of one for this."
        ),
    ] = None,
    compare_filter: Annotated[
        bool, typer.Option(help="Run again with the similar-frame filter off, and tell what skipping costs.")
    ] = True,
    at_once: Annotated[int, typer.Option(min=1, max=64, help="Clips side by side.")] = 2,
    report: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write report.json and a timeline of every clip there.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Reactions expected, found, missed and false on clips, and what skipping similar frames costs.

    Every clip is streamed as a participant, in step with the server: the figures do not depend on how fast the
    machine is.
    """
    from gifcue_lab.evaluation.clips.judge import judge_clip
    from gifcue_lab.evaluation.clips.metrics import report as figures_of
    from gifcue_lab.evaluation.clips.text import print_clips_report
    from gifcue_lab.evaluation.clips.truth import read_clips, unlisted

    wanted = read_clips(directory, only or ())
    warnings = (
        [] if only else [f"{name}: expected in events.json, left out" for name in unlisted(directory, wanted)]
    )
    unfiltered: Evaluated | None = None
    dwell_s: dict[str, float] = {}
    if server is not None:
        if config is not None or model_dir is not None or backend is not None:
            raise typer.BadParameter(
                "--server has settings of its own: --config, --model, --backend are not for it"
            )
        if compare_filter:
            warnings.append("a server that runs has one filter setting: not compared with the filter off")
        evaluated = _on_server(server, wanted, preset, at_once)
    else:
        settings = _settings(config, model_dir, backend, {})
        policy = settings.reactions.with_preset(preset) if preset else settings.reactions
        dwell_s = {label: each.dwell_s for label, each in policy.labels.items()}
        evaluated = _in_process(settings, wanted, preset, at_once, "streaming")
        if compare_filter and settings.media.filter.enabled:
            without = _settings(config, model_dir, backend, {"media": {"filter": {"enabled": False}}})
            unfiltered = _in_process(without, wanted, preset, at_once, "filter off")
    judged = [judge_clip(clip, run) for clip, run in zip(wanted, evaluated.runs, strict=True)]
    beside = (
        None
        if unfiltered is None
        else [judge_clip(clip, run) for clip, run in zip(wanted, unfiltered.runs, strict=True)]
    )
    figures = figures_of(
        judged,
        filter_off=beside,
        dwell_s=dwell_s,
        about=_about(evaluated),
        warnings=[*warnings, *_unknown_labels(wanted, evaluated)],
    )
    if report is not None:
        _write_report(report, figures, judged, beside)
    if as_json:
        typer.echo(json.dumps(figures, indent=1))
    else:
        print_clips_report(figures)


def _settings(
    config: Path | None, model_dir: Path | None, backend: str | None, changes: dict[str, Any]
) -> Settings:
    from gifcue.server.config import load_settings

    detect: dict[str, Any] = {}
    if model_dir is not None:
        detect["model_dir"] = model_dir
    if backend is not None:
        detect["backend"] = backend
    return load_settings(
        config,
        {
            "server": {"listen": "127.0.0.1:0", "http_listen": "", "tls_certificate": None, "tls_key": None},
            "log": {"level": "warning"},
            "detect": detect,
            # Nobody who looks at clips means a real meeting to get GIFs.
            "delivery": {"webhook": None, "eyeson": None},
            **changes,
        },
    )


def _in_process(
    settings: Settings, wanted: Sequence[Clip], preset: str, at_once: int, what: str
) -> Evaluated:
    import asyncio

    from gifcue.cli.serve import check_model
    from gifcue.server.logs import configure_logs
    from gifcue_lab.evaluation.clips.streaming import run_in_process

    if DETECTOR_TARGET is None:
        check_model(settings.detect)
    configure_logs(settings.log)
    with _bar(what, wanted) as advance:
        return asyncio.run(
            run_in_process(
                settings,
                wanted,
                at_once=at_once,
                on_progress=advance,
                preset=preset,
                detector_target=DETECTOR_TARGET,
            )
        )


def _on_server(server: str, wanted: Sequence[Clip], preset: str, at_once: int) -> Evaluated:
    from gifcue.cli.connection import client_of, run
    from gifcue_lab.evaluation.clips.streaming import run_clips

    client = client_of(server)

    async def streamed(advance: Callable[[float], None]) -> Evaluated:
        async with client:
            return await run_clips(client, wanted, at_once=at_once, on_progress=advance, preset=preset)

    with _bar("streaming", wanted) as advance:
        return run(server, streamed(advance))


@contextmanager
def _bar(what: str, wanted: Sequence[Clip]) -> Iterator[Callable[[float], None]]:
    """Seconds of video streamed, on stderr, out of all where events.json tells."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
    from rich.progress import TimeRemainingColumn as TimeLeft

    from gifcue.cli.console import err

    lengths = [clip.seconds for clip in wanted if clip.seconds is not None]
    total = sum(lengths) if len(lengths) == len(wanted) else None
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeLeft(),
    )
    with Progress(*columns, console=err) as progress:
        task = progress.add_task(what, total=total)
        yield lambda seconds: progress.advance(task, seconds)
        progress.update(task, total=total or 1.0, completed=total or 1.0)


def _about(evaluated: Evaluated) -> dict[str, Any]:
    ready = evaluated.ready
    return {
        "model": ready.model.name,
        "model_version": ready.model.version,
        "backend": ready.model.backend,
        "preset": ready.preset,
        "server_version": ready.server_version,
        "reaction_labels": list(ready.reaction_labels),
    }


def _unknown_labels(wanted: Sequence[Clip], evaluated: Evaluated) -> list[str]:
    expected = {each.label for clip in wanted for each in clip.expect}
    unknown = sorted(expected - set(evaluated.ready.reaction_labels))
    return [f"{label}: expected by clips, no reaction of this server: always missed" for label in unknown]


def _write_report(
    directory: Path,
    figures: dict[str, Any],
    judged: Sequence[ClipJudged],
    beside: Sequence[ClipJudged] | None,
) -> None:
    from gifcue.cli.progress import rich_track
    from gifcue_lab.evaluation.clips.timeline import draw_timeline

    timelines = directory / "timelines"
    timelines.mkdir(parents=True, exist_ok=True)
    (directory / "report.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
    others = {each.clip.name: each for each in beside or ()}
    for each in rich_track(judged, "drawing"):
        draw_timeline(each, timelines / f"{each.clip.name}.png", others.get(each.clip.name))
    typer.echo(f"report in {directory}", err=True)
