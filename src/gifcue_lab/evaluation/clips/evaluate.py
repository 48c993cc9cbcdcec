"""Evaluates the clips of a folder: streams them to a server, matches the reactions, and computes the report.

The server is either one that this module starts in its own process, or one that runs already.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gifcue.cli.connection import client_of, run
from gifcue.cli.serve import check_model
from gifcue.detect.detector import Detector
from gifcue.detect.trust import folder_digest
from gifcue.errors import ConfigError
from gifcue.reactions.settings import ReactionSettings
from gifcue.server.config import Settings
from gifcue.server.logs import configure_logs
from gifcue_lab.evaluation.clips.kept import KeptRuns, code_digest, digest
from gifcue_lab.evaluation.clips.local import (
    Local,
    open_configured,
    recording_digest,
    replay,
    run_local,
)
from gifcue_lab.evaluation.clips.outcome import (
    ClipsEvaluation,
    Evaluated,
    evaluation_of,
    unlisted_warnings,
)
from gifcue_lab.evaluation.clips.recording import is_recording_of, recording_path
from gifcue_lab.evaluation.clips.run import ClipRun
from gifcue_lab.evaluation.clips.server_settings import evaluation_settings
from gifcue_lab.evaluation.clips.streaming import OnDone, run_clips, run_in_process
from gifcue_lab.evaluation.clips.truth import Clip, read_clips

# Given what is done and the clips, shows progress. The function that it yields takes seconds of video streamed since
# its last call.
Progress = Callable[[str, Sequence[Clip]], AbstractContextManager[Callable[[float], None]]]


@contextmanager
def no_progress(_: str, __: Sequence[Clip]) -> Iterator[Callable[[float], None]]:
    """Shows nothing."""
    yield lambda _: None


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
    keep: Path | None = None,
    resume: bool = False,
    local: bool = False,
    record: Path | None = None,
    detector_target: str | None = None,
    open_local: Callable[[Settings], Detector] = open_configured,
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
        keep: a directory in which the run of each clip is kept as soon as it is finished, or None.
        resume: whether runs in `keep` are taken over: those of the same clip, model and settings.
        local: whether the parts of a server run in this process, without a server (module `local`).
        record: a directory for recordings of the detections; needs `local`. The similar-frame filter is off then.
        open_local: opens the detector of `local`.
        detector_target: what runs in detector workers, as for `gifcue.server.lifecycle.Server`; None for gifcue's own.

    Raises:
        DatasetError: events.json is missing or wrong.
        ConfigError: a setting is wrong.
        ModelError: the model is missing or damaged.
        Unavailable: the stream broke before the end of a clip.
    """
    clips = read_clips(directory, only)

    if local:
        _refuse_gestures(evaluation_settings(config, model_dir, backend, model_sha256, {}))
    evaluator = _Evaluator(
        clips, at_once, progress, preset, keep, resume, local, record, detector_target, open_local
    )
    off = {"media": {"filter": {"enabled": False}}}
    # What was skipped cannot be recorded.
    settings = evaluation_settings(config, model_dir, backend, model_sha256, off if record else {})
    # Before anything runs, because the preset may be wrong.
    dwell_s = {label: each.dwell_s for label, each in evaluator.reactions(settings).labels.items()}
    evaluated = evaluator.run(settings, "streaming")
    filter_off = None
    if compare_filter and settings.media.filter.enabled:
        filter_off = evaluator.run(
            evaluation_settings(config, model_dir, backend, model_sha256, off), "filter off"
        )
    return evaluation_of(clips, evaluated, filter_off, dwell_s, unlisted_warnings(directory, only, clips))


def _refuse_gestures(settings: Settings) -> None:
    """Raises ConfigError where the settings serve gestures that only a server runs."""
    if settings.detect.gestures_dir is not None or settings.detect.extra_gestures:
        raise ConfigError(
            "--local and --replay: expected no detect.gestures_dir and no detect.extra_gestures, which only a server "
            "runs; evaluate without these options"
        )


@dataclass(frozen=True, slots=True)
class _Evaluator:
    """Runs the clips with different settings. The attributes are the arguments of `evaluate_clips`."""

    clips: Sequence[Clip]
    at_once: int
    progress: Progress
    preset: str
    keep: Path | None
    resume: bool
    local: bool
    record: Path | None
    detector_target: str | None
    open_local: Callable[[Settings], Detector]

    def reactions(self, settings: Settings) -> ReactionSettings:
        """The settings of the policy, with the preset."""
        return settings.reactions.with_preset(self.preset) if self.preset else settings.reactions

    def run(self, settings: Settings, doing: str) -> Evaluated:
        """Runs the clips, except those whose runs are kept."""
        if self.detector_target is None and self.open_local is open_configured:
            check_model(settings.detect)
        configure_logs(settings.log)
        kept = None if self.keep is None else KeptRuns(self.keep, self._of(settings))
        runs: dict[str, ClipRun] = {}
        about: dict[str, Any] = {}
        # With --record, a run counts only together with its recording, from which it is computed below.
        if kept is not None and self.resume and self.record is None:
            for clip in self.clips:
                if (found := kept.read(clip)) is not None:
                    runs[clip.name], about = found

        def on_done(clip: Clip, run: ClipRun, what: dict[str, Any]) -> None:
            runs[clip.name] = run
            about.update(what)
            if kept is not None:
                kept.write(clip, run, what)

        of = "" if self.record is None else digest(self._detections_of(settings))
        if self.record is not None and self.resume:
            for clip in self.clips:
                path = recording_path(self.record, clip.name)
                if clip.name not in runs and is_recording_of(path, recording_digest(clip, of)):
                    on_done(clip, *replay(self.record, clip, self.reactions(settings)))
        rest = [clip for clip in self.clips if clip.name not in runs]
        if rest:
            with self.progress(doing, rest) as on_progress:
                self._run(settings, of, rest, on_done, on_progress)
        return Evaluated([runs[clip.name] for clip in self.clips], about)

    def _run(
        self,
        settings: Settings,
        of: str,
        clips: Sequence[Clip],
        on_done: OnDone,
        on_progress: Callable[[float], None],
    ) -> None:
        if self.local:
            how = Local(settings, self.reactions(settings), self.record, of, self.open_local)
            run_local(how, clips, at_once=self.at_once, on_done=on_done, on_progress=on_progress)
            return
        streamed = run_in_process(
            settings,
            clips,
            at_once=self.at_once,
            on_done=on_done,
            on_progress=on_progress,
            preset=self.preset,
            detector_target=self.detector_target,
        )
        asyncio.run(streamed)

    def _of(self, settings: Settings) -> dict[str, Any]:
        """What the runs depend on."""
        reactions = self.reactions(settings).model_dump(mode="json")
        return {**self._detections_of(settings), "reactions": reactions, "local": self.local}

    def _detections_of(self, settings: Settings) -> dict[str, Any]:
        """What the detections depend on."""
        gestures = settings.detect.gestures_dir
        where = {"detect": {"model_dir", "model_sha256", "workers", "cuda_devices"}, "media": {"workers"}}
        return {
            "model": folder_digest(settings.detect.model_dir),
            "media": settings.media.model_dump(mode="json", exclude=where["media"]),
            "detect": settings.detect.model_dump(mode="json", exclude=where["detect"]),
            "gestures": folder_digest(gestures) if gestures is not None and gestures.is_dir() else "",
            "code": code_digest(),
        }


def evaluate_recordings(
    recordings: Path,
    directory: Path,
    *,
    only: Sequence[str] = (),
    config: Path | None = None,
    preset: str = "",
) -> ClipsEvaluation:
    """Runs the policy alone on recorded detections of clips, and evaluates that. Arguments as for `evaluate_clips`.

    Args:
        recordings: a directory that `record` of `evaluate_clips` has filled.

    Raises:
        DatasetError: events.json is missing or wrong, or there is no recording of a clip.
        ConfigError: a setting is wrong.
    """
    clips = read_clips(directory, only)
    settings = evaluation_settings(config, None, None, None, {})
    _refuse_gestures(settings)
    reactions = settings.reactions.with_preset(preset) if preset else settings.reactions
    replayed = [replay(recordings, clip, reactions) for clip in clips]
    dwell_s = {label: each.dwell_s for label, each in reactions.labels.items()}
    evaluated = Evaluated([run for run, _ in replayed], replayed[0][1])
    return evaluation_of(clips, evaluated, None, dwell_s, unlisted_warnings(directory, only, clips))


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
            about: dict[str, Any] = {}
            runs = await run_clips(
                client,
                clips,
                at_once=at_once,
                on_progress=on_progress,
                on_done=lambda _, __, what: about.update(what),
                preset=preset,
            )
            return Evaluated(runs, about)

    with progress("streaming", clips) as on_progress:
        evaluated = run(server, streamed(on_progress))
    return evaluation_of(clips, evaluated, None, {}, [*unlisted_warnings(directory, only, clips), *warnings])
