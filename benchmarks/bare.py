"""The work of a frame in a bare loop: decode it, compare it, and where it is worth it, convert it and detect.

Nothing of a server: no processes that hand each other work, no messages, no queue. Every frame is decoded, since the
next one builds on it; pacing and filter go by the frames' own time, as in the server, so that the same pictures are
looked at, however fast the loop runs.
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
# Participants whose frames one loop takes in turn: what a decoder keeps must not all lie in the cache.
PARTICIPANTS_A_LOOP = 8
_START_TIMEOUT_S = 120.0


@dataclass
class Bare:
    """What bare loops did. `cpu_s` has seconds of CPU a stage, `wall_s` is how long they ran beside each other.

    `compared` frames passed pacing and were compared with the last one analysed; `cpu_total_s` is all CPU spent,
    the loop's own included.
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
        """Adds a loop that ran at the same time."""
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
        """Analyses a second of video."""
        return self.analysed / self.media_s

    @property
    def participants(self) -> float:
        """Seconds of video a second: the participants that the machine carries with nothing but the work."""
        return self.media_s / self.wall_s

    def cpu_per_participant_s(self, analysed_per_s: float, fps: float) -> float:
        """CPU seconds that a second of one participant's video costs at another rate of analysis."""
        looks_s = self.cpu_s["resize"] + self.cpu_s["infer"]
        every_frame_s = (self.cpu_total_s - looks_s) / self.frames
        return every_frame_s * fps + looks_s / self.analysed * analysed_per_s

    def participants_at(self, analysed_per_s: float, fps: float) -> float:
        """The participants that the machine would carry at another rate of analysis, all its cores as busy as here."""
        return self.cpu_total_s / self.wall_s / self.cpu_per_participant_s(analysed_per_s, fps)

    def ms(self) -> dict[str, float]:
        """CPU milliseconds of each stage each time it is done."""
        times = {
            "decode": self.frames,
            "filter": self.compared,
            "resize": self.analysed,
            "infer": self.analysed,
        }
        return {stage: self.cpu_s[stage] * 1000 / max(1, times[stage]) for stage in STAGES}


class Loop:
    """Takes the frames of several participants in turn. `detector` is anything that detects."""

    def __init__(self, footage: list[Footage], media: MediaSettings, detector: Detector, fps: float) -> None:
        self._detector = detector
        self._fps = fps
        self._seats = [
            _Seat(footage[place % len(footage)], media, fps) for place in range(PARTICIPANTS_A_LOOP)
        ]
        self._slot = memoryview(bytearray(media.slot_bytes))

    def run(self, is_over: Callable[[int], bool]) -> Bare:
        """Runs rounds of a frame each until `is_over(frames)`; the time is that of the rounds."""
        done = Bare()
        started_s, cpu_s = time.perf_counter(), time.process_time()
        while not is_over(done.frames):
            for seat in self._seats:
                self._frame(seat, done)
        done.wall_s = time.perf_counter() - started_s
        done.cpu_total_s = time.process_time() - cpu_s
        done.media_s = done.frames / self._fps
        return done

    def _frame(self, seat: _Seat, done: Bare) -> None:
        clock, spent = time.thread_time, done.cpu_s
        begin_s = clock()
        decoded = seat.decode()
        decoded_s = clock()
        done.frames += 1
        spent["decode"] += decoded_s - begin_s
        if decoded is None:
            return
        verdict = seat.filter.judge(*decoded)
        judged_s = clock()
        spent["filter"] += judged_s - decoded_s
        done.compared += verdict.similarity != NOT_COMPARED
        if verdict.skip is not None:
            return
        width, height = seat.converter.convert(decoded.frame, self._slot)
        seat.filter.analysed(verdict, decoded.pts_s)
        converted_s = clock()
        spent["resize"] += converted_s - judged_s
        picture = np.frombuffer(self._slot, np.uint8, width * height * 3).reshape(height, width, 3)
        self._detector.detect([picture])
        spent["infer"] += clock() - converted_s
        done.analysed += 1


class _Seat:
    """One participant: its footage over and over, with its own decoder and filter."""

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
    """The server's, from the environment, with another pace where one is given."""
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
    """Runs one loop a core, all at once, for so long. `analysis_fps` is the pace, the server's own where None."""
    which = sorted(os.sched_getaffinity(0) if cores is None else cores)
    total = Bare(processes=len(which))
    for done in in_processes(_loop, [(core, footage, fps, seconds, analysis_fps) for core in which]):
        total.add(done)
    return total


def in_processes(work: Callable[..., Any], arguments: list[tuple[Any, ...]]) -> list[Any]:
    """Runs `work(connection, *arguments)` in a process each; all begin together.

    The work says "ready" once it is set up, waits for an answer, and sends its result. Raises RuntimeError where
    one ends without.
    """
    children: list[Child] = []
    try:
        for each in arguments:
            children.append(Child(work, *each))
        for child in children:
            child.hear(_START_TIMEOUT_S)
        for child in children:
            child.say("go")
        return [child.hear(_START_TIMEOUT_S) for child in children]
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
    # The first look at everybody, which nothing can be compared with, is not measured.
    loop.run(lambda frames: frames > 0)
    connection.send("ready")
    connection.recv()
    end_s = time.monotonic() + seconds
    connection.send(loop.run(lambda _: time.monotonic() >= end_s))
