"""Runs clips through decoder, similar-frame filter, networks and policy in one process, without a server.

The parts and their order are those of a server's workers (`gifcue.media.worker`, `gifcue.engine.reacting`), so the
reactions are the same. What lies between the workers is left out, so it costs a fraction.
"""

from __future__ import annotations

import itertools
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2

from gifcue import __version__
from gifcue.detect.detector import Detector
from gifcue.detect.factory import open_detector
from gifcue.engine.session_settings import reaction_labels
from gifcue.media.files import open_frames
from gifcue.media.filter import FrameFilter
from gifcue.media.picture import Converter
from gifcue.media.similarity import Comparer
from gifcue.protocol.accounting import FrameCounts
from gifcue.protocol.reasons import SkipReason
from gifcue.reactions.events import PolicyEvent
from gifcue.reactions.policy import ReactionPolicy
from gifcue.reactions.settings import ReactionSettings
from gifcue.server.config import Settings
from gifcue_lab.datasets.annotation import DatasetError
from gifcue_lab.evaluation.clips.kept import file_digest
from gifcue_lab.evaluation.clips.recording import (
    Recorded,
    Recording,
    read_recording,
    recording_path,
    write_recording,
)
from gifcue_lab.evaluation.clips.run import ClipRun
from gifcue_lab.evaluation.clips.streaming import OnDone
from gifcue_lab.evaluation.clips.truth import Clip

# Why a participant's reactions end with the clip, as a server's do when the participant leaves.
END_REASON = "left"


def open_configured(settings: Settings) -> Detector:
    """Opens the detector of the settings."""
    return open_detector(settings.detect.detector())


@dataclass(frozen=True, slots=True)
class Local:
    """How clips are run.

    Attributes:
        settings: those of the server.
        reactions: those of the policy.
        record: a folder for recordings of the detections, or None.
        of: what detections depend on besides the clip, a digest.
        open_detector: opens the detector.
    """

    settings: Settings
    reactions: ReactionSettings
    record: Path | None = None
    of: str = ""
    open_detector: Callable[[Settings], Detector] = open_configured


def run_local(
    how: Local,
    clips: Sequence[Clip],
    *,
    at_once: int,
    on_done: OnDone,
    on_progress: Callable[[float], None],
) -> None:
    """Runs every clip, `at_once` of them at the same time, each in a process of its own if that is more than one.

    Args:
        on_done: receives each clip's run and the description of what it was run with.
        on_progress: receives the seconds of video that were run since its last call.

    Raises:
        UnreadableMedia: a clip is no video.
        ModelError: the model is missing or damaged.
    """
    if at_once == 1 or len(clips) == 1:
        runner = _Runner(how)
        try:
            for clip in clips:
                run = runner.run(clip)
                on_done(clip, run, runner.about)
                on_progress(run.seconds)
        finally:
            runner.close()
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(at_once, len(clips)), context, _begin, (how,)) as pool:
        futures = {pool.submit(_run, clip): clip for clip in clips}
        try:
            for future in as_completed(futures):
                run, about = future.result()
                on_done(futures[future], run, about)
                on_progress(run.seconds)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def recording_digest(clip: Clip, of: str) -> str:
    """The digest of what a recording of the clip depends on; `of` is that of all the rest."""
    return f"{of}:{file_digest(clip.path)}"


def replay(directory: Path, clip: Clip, reactions: ReactionSettings) -> tuple[ClipRun, dict[str, Any]]:
    """Runs the policy alone on the recorded detections of a clip. Every label is allowed.

    Returns the run and the description of what it was run with.

    Raises:
        DatasetError: there is no recording of the clip, or one of another clip of this name.
    """
    path = recording_path(directory, clip.name)
    recording = read_recording(path)
    if recording.of.rpartition(":")[2] != file_digest(clip.path):
        raise DatasetError(f"{path}: expected a recording of {clip.path}, got one of other video")
    seconds, frames = recording.seconds, recording.frames
    policy = _policy(reactions, frozenset(reactions.reaction_labels))
    events: list[PolicyEvent] = []
    for frame in frames:
        events += policy.observe(frame.regions, frame.at_s)
    events += policy.finish(seconds, END_REASON)
    counts = FrameCounts(received=len(frames), analysed=len(frames))
    run = ClipRun(clip.name, seconds, tuple(events), counts, tuple(frame.at_s for frame in frames))
    return run, {**recording.about, "preset": reactions.preset}


class _Runner:
    """Runs clips one after the other. Holds the networks."""

    def __init__(self, how: Local) -> None:
        self._how = how
        media = how.settings.media
        # The networks run on one thread, and so does what prepares their pictures.
        cv2.setNumThreads(1)
        self._detector = how.open_detector(how.settings)
        self._comparer = Comparer(media.filter.metric)
        self._converter = Converter(media.long_side, media.short_side)
        self._labels = reaction_labels(self._detector.info, how.reactions)

    @property
    def about(self) -> dict[str, Any]:
        """The description of what runs, for the report."""
        info = self._detector.info
        return {
            "model": info.name,
            "model_version": info.version,
            "backend": info.backend,
            "preset": self._how.reactions.preset,
            "server_version": __version__,
            "reaction_labels": list(self._labels),
        }

    def close(self) -> None:
        self._detector.close()

    def run(self, clip: Clip) -> ClipRun:
        media = self._how.settings.media
        frame_filter = FrameFilter(media.filter, media.max_analysis_fps, self._comparer)
        policy = _policy(self._how.reactions, frozenset(self._labels))
        events: list[PolicyEvent] = []
        recorded: list[Recorded] = []
        analysed_s: list[float] = []
        skipped = Counter[str]()
        received, last_s, interval_s = 0, 0.0, 0.0
        first_s: float | None = None
        for frame in open_frames(clip.path)[1]:
            first_s = float(frame.time) if first_s is None else first_s
            at_s = round(float(frame.time) - first_s, 6)
            last_s, interval_s = at_s, at_s - last_s
            received += 1
            decision = frame_filter.check(frame, at_s)
            if decision.skip is not None:
                skipped[decision.skip.value] += 1
                if decision.skip is SkipReason.SIMILAR:
                    events += policy.inherit(at_s)
                    frame_filter.holding = policy.holding
                continue
            frame_filter.analysed(decision, at_s)
            (regions,) = self._detector.detect([self._converter.array(frame)])
            analysed_s.append(at_s)
            if self._how.record is not None:
                recorded.append(Recorded(at_s, tuple(regions)))
            events += policy.observe(regions, at_s)
            frame_filter.holding = policy.holding
        events += policy.finish(last_s, END_REASON)
        # What the file states, as for a server. Otherwise the last picture is shown as long as the one before it.
        seconds = _stated_s(clip.path) or clip.seconds or last_s + interval_s
        if self._how.record is not None:
            of = recording_digest(clip, self._how.of)
            recording = Recording(seconds, tuple(recorded), of, self.about)
            write_recording(recording_path(self._how.record, clip.name), recording)
        counts = FrameCounts(received, len(analysed_s), dict(skipped))
        return ClipRun(clip.name, seconds, tuple(events), counts, tuple(analysed_s))


def _stated_s(path: Path) -> float | None:
    """The length that a file states, in seconds."""
    with av.open(str(path)) as container:
        return None if container.duration is None else float(container.duration / av.time_base)


def _policy(reactions: ReactionSettings, allowed: frozenset[str]) -> ReactionPolicy:
    numbers: Iterator[int] = itertools.count(1)
    return ReactionPolicy(reactions, allowed, lambda: str(next(numbers)))


_runner: _Runner | None = None


def _begin(how: Local) -> None:
    global _runner
    _runner = _Runner(how)


def _run(clip: Clip) -> tuple[ClipRun, dict[str, Any]]:
    assert _runner is not None
    return _runner.run(clip), _runner.about
