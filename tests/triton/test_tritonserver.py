"""gifcue beside a real tritonserver: the same reactions as with LiteRT, and what becomes of streams when it is lost.

`make test-triton` runs them; they print their figures (`pytest -s`). The limits in seconds are those that the
documentation promises.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from benchmarks.peers import environments
from benchmarks.tritonserver import TritonServer
from gifcue.cli.streaming import Job, Plan, stream_all
from gifcue.client import Disconnected, Event, FrameDecided, ReactionClient, StreamOptions
from gifcue.detect.remote import RemoteStatistics
from gifcue.sample_video.clips import write
from gifcue.sample_video.photo import photo_frames
from gifcue.server.config import Settings, load_settings
from gifcue.server.lifecycle import Server
from gifcue.triton.worker import TritonDetector, open_detector
from gifcue_lab.evaluation.clips.run import ClipRun
from gifcue_lab.evaluation.clips.streaming import run_clips
from gifcue_lab.evaluation.clips.truth import Clip
from gifcue_lab.export.triton import export_triton
from tests.support.waiting import until

pytestmark = [
    pytest.mark.skipif("GIFCUE_TRITON" not in os.environ, reason="make test-triton runs a real tritonserver"),
    pytest.mark.timeout(400),
]

MODELS = Path(__file__).parents[2] / "models"
SHARED = Path(os.environ.get("GIFCUE_SHARED_DATA", MODELS.parent / "shared" / "data"))
# The private clips of people, where they are.
CLIPS = sorted((SHARED / "clips" / "dev").glob("*.mp4"))
FALLBACK_S, RETURN_S = 1.0, 5.0
PARTICIPANTS, FPS = 6, 15.0


@pytest.fixture(scope="module")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    folder = tmp_path_factory.mktemp("triton")
    export_triton(MODELS, folder / "repository", tensorflow=False)
    server = TritonServer(folder / "repository" / "python", folder)
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def portrait(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight seconds of a smiling face that moves."""
    path = tmp_path_factory.mktemp("clips") / "portrait.mp4"
    write(photo_frames(8.0, FPS, motion="always"), str(path), fps=FPS)
    return path


def settings(*endpoints: str) -> Settings:
    """With inference servers, or without."""
    ports = ("listen", "http_listen", "operator_listen", "operator_http_listen")
    server = {**dict.fromkeys(ports, "127.0.0.1:0"), "http_listen": "", "operator_http_listen": ""}
    detect: dict[str, Any] = {"workers": 1}
    if endpoints:
        detect |= {"backend": "triton", "triton": {"endpoints": endpoints, "insecure": True}}
    return load_settings(None, {"server": server, "detect": detect, "media": {"workers": 1}})


async def reactions(settings: Settings, clips: list[Clip]) -> dict[str, list[Any]]:
    """What was sent of every clip, without the random names of reactions."""
    settings = settings.model_copy(update={"media": settings.media.with_constant_rate()})
    async with (
        Server(settings) as server,
        ReactionClient(f"127.0.0.1:{server.listen_port}") as client,
    ):
        runs = await run_clips(client, clips, at_once=2, on_progress=lambda _: None)
        await until(lambda: is_reported(server))
        remote = server.engine.statistics().detect.remote
    if remote is not None:
        assert (remote.local_pictures, remote.failures) == (0, {}), (
            "Triton ran every network on every picture"
        )
    return {run.name: events_of(run) for run in runs}


def is_reported(server: Server) -> bool:
    """Whether the front knows of pictures that Triton analysed, if it has any."""
    remote = server.engine.statistics().detect.remote
    return remote is None or remote.remote_pictures > 0 or remote.local_pictures > 0


def events_of(run: ClipRun) -> list[Any]:
    events = [
        (event.phase, event.label, event.at_s, event.score, event.box, event.reason) for event in run.events
    ]
    return [*events, run.counts.analysed, run.counts.dropped, run.analysed_s]


async def test_reactions_are_those_of_litert(triton: TritonServer, portrait: Path) -> None:
    clips = [Clip(path.name, path) for path in [portrait, *CLIPS]]
    here = await reactions(settings(), clips)
    there = await reactions(settings(triton.address), clips)
    assert there == here
    started = sum(event[0].value == "started" for events in here.values() for event in events[:-3])
    print(
        f"\n{len(clips)} clips: {started} reactions started, all events the same with Triton and with LiteRT"
    )
    assert started


def test_pictures_of_several_servers_share_batches(triton: TritonServer) -> None:
    """Four detectors stand for the workers of four servers."""
    config = settings(triton.address).detect.detector()
    detectors = [open_detector(config) for _ in range(4)]
    for detector in detectors:
        detector.warm()
    frames = list(photo_frames(4.0, 10.0, motion="always"))
    before = batches_of(triton)

    def analyse(detector: TritonDetector) -> None:
        for frame in frames:
            detector.detect([frame])

    with ThreadPoolExecutor(len(detectors)) as threads:
        list(threads.map(analyse, detectors))
    pictures, batches = (after - old for after, old in zip(batches_of(triton), before, strict=True))
    for detector in detectors:
        detector.close()
    print(f"\n{pictures} pictures of {len(detectors)} detectors in {batches} batches of Triton")
    assert batches < pictures


def batches_of(triton: TritonServer) -> tuple[int, int]:
    """Pictures that the detector network has analysed, and in how many batches, as Triton's own client prints it."""
    code = (
        "import sys; from tritonclient.grpc import InferenceServerClient as Client\n"
        "found = Client(sys.argv[1]).get_inference_statistics('gifcue_detector').model_stats[0]\n"
        "print(found.inference_count, found.execution_count)"
    )
    command = [str(environments.python_of("triton")), "-c", code, triton.address]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, env={}).stdout
    pictures, batches = map(int, printed.split())
    return pictures, batches


class Watched:
    """Participants that stream in real time, and when decisions on their frames came."""

    def __init__(self, server: Server, triton: TritonServer) -> None:
        self.server = server
        self.triton = triton
        # Of each participant.
        self.decided: defaultdict[str, list[float]] = defaultdict(list)
        self.disconnected = 0

    def hear(self, event: Event) -> None:
        if isinstance(event, FrameDecided):
            self.decided[event.participant_id].append(time.monotonic())
        self.disconnected += isinstance(event, Disconnected)

    def fewest(self, since_s: float = 0.0) -> int:
        """Decisions since then on the participant with the fewest."""
        counts = [sum(at_s > since_s for at_s in times) for times in self.decided.values()]
        return min(counts) if len(counts) == PARTICIPANTS else 0

    @property
    def remote(self) -> RemoteStatistics:
        figures = self.server.engine.statistics().detect.remote
        assert figures is not None
        return figures

    async def lose(self, number: signal.Signals) -> None:
        """Sends a signal to Triton, and checks that analysis goes on and the fallback is reported in time."""
        self.triton.send(number)
        lost_s, before = time.monotonic(), self.remote
        await until(lambda: self.remote.local_pictures > before.local_pictures, timeout_s=2 * FALLBACK_S)
        reported_s = time.monotonic() - lost_s
        await until(lambda: self.fewest(since_s=lost_s) >= 5)
        gap_s = max(
            b - a
            for times in self.decided.values()
            for a, b in pairwise([lost_s, *(at_s for at_s in times if at_s > lost_s)])
        )
        assert self.remote.is_fallback
        print(
            f"\n{number.name}: no participant waited longer than {gap_s:.2f} s, reported after {reported_s:.2f} s"
        )
        assert gap_s < FALLBACK_S

    async def is_back(self, what: str) -> None:
        """Waits until Triton is used again, and checks that this is in time."""
        returned_s, before = time.monotonic(), self.remote
        await until(
            # More than the checks of the endpoint send.
            lambda: not self.remote.is_fallback and self.remote.remote_pictures > before.remote_pictures + 30,
            timeout_s=2 * RETURN_S,
        )
        back_s = time.monotonic() - returned_s
        print(f"{what}: used again {back_s:.2f} s after it was ready")
        assert back_s < RETURN_S


@pytest.fixture
async def watched(triton: TritonServer, portrait: Path) -> AsyncIterator[Watched]:
    async with (
        Server(settings(triton.address)) as server,
        ReactionClient(f"127.0.0.1:{server.listen_port}") as client,
    ):
        found = Watched(server, triton)
        stop = asyncio.Event()
        plan = Plan(
            jobs=[Job(f"participant-{number}", str(portrait)) for number in range(PARTICIPANTS)],
            stream=StreamOptions(room_id="triton", send_decisions=True),
            loop=True,
        )
        streaming = asyncio.ensure_future(stream_all(client, plan, found.hear, lambda *_: None, stop))
        await until(lambda: streaming.done() or (found.fewest() > 10 and found.remote.remote_pictures))
        assert not streaming.done(), "streams go on until they are stopped"
        yield found
        assert not streaming.done(), "no stream ended"
        stop.set()
        await streaming
        frames = server.engine.statistics().frames
        assert frames.is_consistent
        assert found.disconnected == 0
        assert "detect_failed" not in frames.dropped
        assert "detect_worker_lost" not in frames.dropped


async def test_no_stream_notices_that_triton_is_killed_and_comes_back(
    triton: TritonServer, watched: Watched
) -> None:
    await watched.lose(signal.SIGKILL)
    triton.kill()
    await asyncio.to_thread(triton.start)
    await watched.is_back("killed and started")


async def test_no_stream_notices_that_triton_hangs_and_goes_on(watched: Watched) -> None:
    await watched.lose(signal.SIGSTOP)
    watched.triton.send(signal.SIGCONT)
    await watched.is_back("stopped and continued")
