"""Evaluates the clips of a folder: streams them to a server, matches the reactions, and computes the report.

The server is either one that this module starts in its own process, or one that runs already.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gifcue.cli.connection import client_of, run
from gifcue.cli.serve import check_model
from gifcue.detect.trust import UNCHECKED
from gifcue.server.config import Settings, load_settings
from gifcue.server.logs import configure_logs
from gifcue_lab.datasets.progress import Track, quiet
from gifcue_lab.evaluation.clips.matching import ClipResult, match_clip
from gifcue_lab.evaluation.clips.metrics import report as make_report
from gifcue_lab.evaluation.clips.streaming import Evaluated, run_clips, run_in_process
from gifcue_lab.evaluation.clips.timeline import draw_timeline
from gifcue_lab.evaluation.clips.truth import Clip, read_clips, unlisted

REPORT_FILE = "report.json"
TIMELINES = "timelines"

# Given what is done and the clips, shows progress. The function that it yields takes seconds of video streamed since
# its last call.
Progress = Callable[[str, Sequence[Clip]], AbstractContextManager[Callable[[float], None]]]


@contextmanager
def no_progress(_: str, __: Sequence[Clip]) -> Iterator[Callable[[float], None]]:
    """Shows nothing."""
    yield lambda _: None


@dataclass(frozen=True, slots=True)
class ClipsEvaluation:
    """The report, as documented in `gifcue_lab.evaluation.clips.metrics`, and what it was computed from.

    Attributes:
        report: JSON data.
        results: one per clip, in the order of their names.
        filter_off: the same with the similar-frame filter off, or None.
    """

    report: dict[str, Any]
    results: Sequence[ClipResult]
    filter_off: Sequence[ClipResult] | None = None


def evaluate_clips(
    directory: Path,
    *,
    only: Sequence[str] = (),
    config: Path | None = None,
    model_dir: Path | None = None,
    backend: str | None = None,
    model_sha256: str | None = None,
    preset: str = "",
    compare_filter: bool = True,
    at_once: int = 2,
    progress: Progress = no_progress,
    detector_target: str | None = None,
) -> ClipsEvaluation:
    """Evaluates clips with a server in this process, by default twice: also with the similar-frame filter off.

    Args:
        directory: clips and their events.json.
        only: names of the clips to evaluate; empty for all.
        config: the server's settings file. Its listeners and its delivery are not used.
        model_dir: the model's directory; None for that of the settings.
        backend: the detector's backend; None for that of the settings.
        model_sha256: the digest of the model; None for that of the settings. A LiteRT model in `model_dir` needs none.
        preset: a preset of the reaction settings; empty for the settings' own.
        compare_filter: whether to run again with the filter off.
        at_once: number of clips that are streamed at the same time.
        progress: shows progress.
        detector_target: what runs in detector workers, as for `gifcue.server.lifecycle.Server`; None for gifcue's own.

    Raises:
        DatasetError: events.json is missing or wrong.
        ConfigError: a setting is wrong.
        ModelError: the model is missing or damaged.
        Unavailable: the stream broke before the end of a clip.
    """
    clips = read_clips(directory, only)

    def run_all(changes: dict[str, Any], doing: str) -> Evaluated:
        settings = _settings(config, model_dir, backend, model_sha256, changes)
        if detector_target is None:
            check_model(settings.detect)
        configure_logs(settings.log)
        with progress(doing, clips) as on_progress:
            streamed = run_in_process(
                settings,
                clips,
                at_once=at_once,
                on_progress=on_progress,
                preset=preset,
                detector_target=detector_target,
            )
            return asyncio.run(streamed)

    settings = _settings(config, model_dir, backend, model_sha256, {})
    reactions = settings.reactions.with_preset(preset) if preset else settings.reactions
    dwell_s = {label: each.dwell_s for label, each in reactions.labels.items()}
    evaluated = run_all({}, "streaming")
    filter_off = None
    if compare_filter and settings.media.filter.enabled:
        filter_off = run_all({"media": {"filter": {"enabled": False}}}, "filter off")
    return _evaluation(clips, evaluated, filter_off, dwell_s, _unlisted(directory, only, clips))


def evaluate_clips_on(
    server: str,
    directory: Path,
    *,
    only: Sequence[str] = (),
    preset: str = "",
    at_once: int = 2,
    progress: Progress = no_progress,
    warnings: Sequence[str] = (),
) -> ClipsEvaluation:
    """Evaluates clips with a running server, once. Arguments and errors are those of `evaluate_clips`.

    Args:
        server: HOST:PORT.
        warnings: added to those of the report.
    """
    clips = read_clips(directory, only)
    client = client_of(server)

    async def streamed(on_progress: Callable[[float], None]) -> Evaluated:
        async with client:
            return await run_clips(client, clips, at_once=at_once, on_progress=on_progress, preset=preset)

    with progress("streaming", clips) as on_progress:
        evaluated = run(server, streamed(on_progress))
    return _evaluation(clips, evaluated, None, {}, [*_unlisted(directory, only, clips), *warnings])


def write_report(directory: Path, evaluation: ClipsEvaluation, track: Track = quiet) -> None:
    """Writes report.json and a timeline of each clip. Creates the directory."""
    timelines = directory / TIMELINES
    timelines.mkdir(parents=True, exist_ok=True)
    (directory / REPORT_FILE).write_text(json.dumps(evaluation.report, indent=1), encoding="utf-8")
    filter_off = {result.clip.name: result for result in evaluation.filter_off or ()}
    for result in track(evaluation.results, "drawing"):
        name = result.clip.name
        draw_timeline(result, timelines / f"{name}.png", filter_off.get(name))


def _settings(
    config: Path | None,
    model_dir: Path | None,
    backend: str | None,
    model_sha256: str | None,
    changes: dict[str, Any],
) -> Settings:
    detect: dict[str, Any] = {}
    if model_dir is not None:
        detect["model_dir"] = model_dir
    if backend is not None:
        detect["backend"] = backend
    if model_sha256 is not None:
        detect["model_sha256"] = model_sha256
    settings = load_settings(
        config,
        {
            "server": {
                "listen": "127.0.0.1:0",
                "http_listen": "",
                "operator_listen": "",
                "operator_http_listen": "",
                "tls_certificate": None,
                "tls_key": None,
                "tls_client_ca": None,
            },
            "access": {"keys": None},
            "log": {"level": "warning"},
            "detect": detect,
            # An evaluation must not show GIFs in a real meeting.
            "delivery": {"webhook": None, "eyeson": None},
            **changes,
        },
    )
    if model_dir is None or model_sha256 is not None or settings.detect.backend != "litert":
        return settings
    # Whoever evaluates a folder has named it, and weights of LiteRT are data. A SavedModel is a program.
    detected = settings.detect.model_copy(update={"model_sha256": UNCHECKED})
    return settings.model_copy(update={"detect": detected})


def _unlisted(directory: Path, only: Sequence[str], clips: Sequence[Clip]) -> list[str]:
    if only:
        return []
    return [f"{name}: expected in events.json, left out" for name in unlisted(directory, clips)]


def _evaluation(
    clips: Sequence[Clip],
    evaluated: Evaluated,
    filter_off: Evaluated | None,
    dwell_s: dict[str, float],
    warnings: Sequence[str],
) -> ClipsEvaluation:
    results = _match(clips, evaluated)
    unfiltered = None if filter_off is None else _match(clips, filter_off)
    report = make_report(
        results,
        filter_off=unfiltered,
        dwell_s=dwell_s,
        about=_about(evaluated),
        warnings=[*warnings, *_unknown_labels(clips, evaluated)],
    )
    return ClipsEvaluation(report, results, unfiltered)


def _match(clips: Sequence[Clip], evaluated: Evaluated) -> list[ClipResult]:
    return [match_clip(clip, clip_run) for clip, clip_run in zip(clips, evaluated.runs, strict=True)]


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


def _unknown_labels(clips: Sequence[Clip], evaluated: Evaluated) -> list[str]:
    expected = {each.label for clip in clips for each in clip.expect}
    unknown = sorted(expected - set(evaluated.ready.reaction_labels))
    return [f"{label}: expected by clips, no reaction of this server: always missed" for label in unknown]
