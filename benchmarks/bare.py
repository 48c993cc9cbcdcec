"""A bare loop over frames: decode, filter and, for the frames that pass, convert and detect.

There is no server around the work: no worker processes, no messages, no queue. Every frame is decoded, because the next
one depends on it. Pacing and filter use the frames' own time, as in the server, so that the same pictures are analysed
at any speed of the loop.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import cv2
import numpy as np

from benchmarks.footage import Footage
from benchmarks.processes import Child
from gifcue.detect.detector import Detector
from gifcue.detect.factory import open_detector
from gifcue.media.decoder import Decoder
from gifcue.media.filter import NOT_COMPARED, FrameFilter
from gifcue.media.picture import Converter
from gifcue.media.settings import MediaSettings
from gifcue.server.config import load_settings

STAGES = ("decode", "filter", "resize", "infer")
# Participants whose frames one loop takes in turn. One decoder alone would stay in the processor's cache.
PARTICIPANTS_PER_LOOP = 8
_START_TIMEOUT_S = 120.0


@dataclass
class Bare:
    """The result of bare loops that ran in parallel for `wall_s` seconds.

    `cpu_s` has the CPU seconds of each stage, `cpu_total_s` all CPU seconds, those of the loop itself included.
    `compared` frames passed pacing and were compared with the last analysed frame.
    """

    processes: int = 1
    frames: int = 0
    compared: int = 0
    analysed: int = 0
    media_s: float = 0.0
    wall_s: float = 0.0
    cpu_total_s: float = 0.0
    cpu_s: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))

    def add(self, other: Bare) -> None:
        """Adds the result of a loop that ran at the same time."""
        self.frames += other.frames
        self.compared += other.compared
        self.analysed += other.analysed
        self.media_s += other.media_s
        self.wall_s = max(self.wall_s, other.wall_s)
        self.cpu_total_s += other.cpu_total_s
        for stage in STAGES:
            self.cpu_s[stage] += other.cpu_s[stage]

    @property
    def analysed_per_participant_s(self) -> float:
        """Analyses per second of video."""
        return self.analysed / self.media_s

    @property
    def participants(self) -> float:
        """Participants that the machine carries without a server: seconds of video processed per second."""
        return self.media_s / self.wall_s

    def cpu_per_participant_s(self, analysed_per_s: float, fps: float) -> float:
        """CPU seconds for one second of a participant's video at another rate of analysis."""
        analysis_s = self.cpu_s["resize"] + self.cpu_s["infer"]
        every_frame_s = (self.cpu_total_s - analysis_s) / self.frames
        return every_frame_s * fps + analysis_s / self.analysed * analysed_per_s

    def participants_at(self, analysed_per_s: float, fps: float) -> float:
        """Participants that the machine would carry at another rate of analysis, with its cores as busy as here."""
        return self.cpu_total_s / self.wall_s / self.cpu_per_participant_s(analysed_per_s, fps)

    def ms(self) -> dict[str, float]:
        """Mean CPU milliseconds of one execution of each stage."""
        times = {
            "decode": self.frames,
            "filter": self.compared,
            "resize": self.analysed,
            "infer": self.analysed,
        }
        return {stage: self.cpu_s[stage] * 1000 / max(1, times[stage]) for stage in STAGES}


class Loop:
    """Processes the frames of several participants in turn."""

    def __init__(self, footage: list[Footage], media: MediaSettings, detector: Detector, fps: float) -> None:
        self._detector = detector
        self._fps = fps
        self._participants = [
            _ParticipantMedia(footage[place % len(footage)], media, fps)
            for place in range(PARTICIPANTS_PER_LOOP)
        ]
        self._slot = memoryview(bytearray(media.slot_bytes))

    def run(self, is_over: Callable[[int], bool]) -> Bare:
        """Runs rounds of one frame per participant until `is_over(frames)`. `wall_s` is the time of these rounds."""
        done = Bare()
        started_s, cpu_s = time.perf_counter(), time.process_time()
        while not is_over(done.frames):
            for participant in self._participants:
                self._frame(participant, done)
        done.wall_s = time.perf_counter() - started_s
        done.cpu_total_s = time.process_time() - cpu_s
        done.media_s = done.frames / self._fps
        return done

    def _frame(self, participant: _ParticipantMedia, done: Bare) -> None:
        clock, spent = time.thread_time, done.cpu_s
        begin_s = clock()
        decoded = participant.decode()
        decoded_s = clock()
        done.frames += 1
        spent["decode"] += decoded_s - begin_s
        if decoded is None:
            return
        decision = participant.filter.check(*decoded)
        filtered_s = clock()
        spent["filter"] += filtered_s - decoded_s
        done.compared += decision.similarity != NOT_COMPARED
        if decision.skip is not None:
            return
        width, height = participant.converter.convert(decoded.frame, self._slot)
        participant.filter.analysed(decision, decoded.pts_s)
        converted_s = clock()
        spent["resize"] += converted_s - filtered_s
        picture = np.frombuffer(self._slot, np.uint8, width * height * 3).reshape(height, width, 3)
        self._detector.detect([picture])
        spent["infer"] += clock() - converted_s
        done.analysed += 1


class _ParticipantMedia:
    """The media stages of one participant: repeated footage, decoder, filter and converter."""

    def __init__(self, footage: Footage, media: MediaSettings, fps: float) -> None:
        clip = footage.clip
        self._packets = clip.packets
        self._decoder = Decoder(clip.codec, clip.extradata, media.max_pixels)
        self._lap_s = len(clip.packets) / fps
        self._place = self._laps = 0
        self.filter = FrameFilter(media.filter, media.max_analysis_fps)
        self.converter = Converter(media.long_side, media.short_side)

    def decode(self) -> Any:
        packet = self._packets[self._place]
        pts_s = self._laps * self._lap_s + packet.pts / packet.clock_hz
        self._place += 1
        if self._place == len(self._packets):
            self._place = 0
            self._laps += 1
        return self._decoder.decode(packet.payload, pts_s)


def media_settings(analysis_fps: float | None) -> MediaSettings:
    """The server's media settings, with `analysis_fps` in place of their pace if it is given."""
    overrides = {} if analysis_fps is None else {"media": {"max_analysis_fps": analysis_fps}}
    return load_settings(overrides=overrides).media


def saturate(
    footage: list[Footage],
    fps: float,
    seconds: float,
    *,
    analysis_fps: float | None = None,
    cores: Iterable[int] | None = None,
) -> Bare:
    """Runs one loop per core for `seconds`, all at once. `analysis_fps` is the pace, by default the server's."""
    which = sorted(os.sched_getaffinity(0) if cores is None else cores)
    total = Bare(processes=len(which))
    for done in in_processes(_loop, [(core, footage, fps, seconds, analysis_fps) for core in which]):
        total.add(done)
    return total


def in_processes(work: Callable[..., Any], arguments: list[tuple[Any, ...]]) -> list[Any]:
    """Runs `work(connection, *arguments)` in one process for each tuple of arguments; all start together.

    The work sends "ready" once it is set up, waits for a message, and sends its result.

    Raises:
        RuntimeError: a process ended without a result.
    """
    children: list[Child] = []
    try:
        for each in arguments:
            children.append(Child(work, *each))
        for child in children:
            child.receive(_START_TIMEOUT_S)
        for child in children:
            child.send("go")
        return [child.receive(_START_TIMEOUT_S) for child in children]
    finally:
        for child in children:
            child.close()


def _loop(
    connection: Connection,
    core: int,
    footage: list[Footage],
    fps: float,
    seconds: float,
    analysis_fps: float | None,
) -> None:
    os.sched_setaffinity(0, {core})
    cv2.setNumThreads(1)
    detector = open_detector(load_settings().detect.detector())
    detector.warm()
    loop = Loop(footage, media_settings(analysis_fps), detector, fps)
    # The first frames are not measured: there is no earlier frame to compare them with.
    loop.run(lambda frames: frames > 0)
    connection.send("ready")
    connection.recv()
    end_s = time.monotonic() + seconds
    connection.send(loop.run(lambda _: time.monotonic() >= end_s))
