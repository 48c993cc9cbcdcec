"""The clients in `examples/` against real servers. `make examples` builds them and runs this.

All clients run at the same time: a run takes as long as its clip, and hardly any of it is work.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import struct
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from gifcue.protocol.codecs import Codec
from gifcue.protocol.features import FEATURES
from gifcue.sample_video.clips import encode
from gifcue.sample_video.photo import photo_frames
from gifcue.testing import FakeServer
from tests.chaos.server import Checkout, Server
from tests.examples.scripts import AV1_UNITS, SCRIPTS

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
LANGUAGES = ("node", "go")
WAIT_S = 90.0
# Whether the server takes over what a client carries to it: a reaction that is under way then goes on without a second
# STARTED.
CARRIES = "resume" in FEATURES

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.skipif(
        "GIFCUE_EXAMPLES" not in os.environ, reason="`make examples` builds and runs the examples"
    ),
]


def _require(program: str) -> None:
    if shutil.which(program) is None:
        if "CI" in os.environ:
            pytest.fail(f"expected {program} to be installed in CI")
        pytest.skip(f"{program} is not installed")


@pytest.fixture(scope="module")
def clients() -> Mapping[str, Sequence[str]]:
    """The command line of each example, built."""
    for program in LANGUAGES:
        _require(program)
    built = EXAMPLES / "go" / "gen" / "client"
    subprocess.run(["go", "build", "-o", built, "."], cwd=EXAMPLES / "go", check=True, timeout=300)
    return {"node": ["node", str(EXAMPLES / "node" / "client.mjs")], "go": [str(built)]}


def _write(path: Path, fourcc: bytes, frames: Sequence[tuple[int, bytes]]) -> Path:
    """An IVF file of frames with their times in ticks of 90 kHz."""
    header = struct.pack("<4sHH4sHHIIII", b"DKIF", 0, 32, fourcc, 640, 360, 90_000, 1, len(frames), 0)
    path.write_bytes(header + b"".join(struct.pack("<IQ", len(data), pts) + data for pts, data in frames))
    return path


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """IVF files. `clip` has eight seconds of the public photograph, who smiles throughout."""
    folder = tmp_path_factory.mktemp("clips")
    video = encode(photo_frames(8, 15, width=640, height=360), Codec.VP8, 15, keyframe_interval=15)
    frames = [(each.pts, each.payload) for each in video.packets]
    units = [AV1_UNITS[number % 3 > 0] for number in range(120)]
    av1 = [(number * 3000, b"\x12\x00" + unit) for number, unit in enumerate(units)]
    of = {
        "clip": frames,
        "short": frames[:23],  # over before a refused join is repeated
        "moment": frames[:1],  # over before a server answers
        # The frame at its end, a keyframe, comes later than a client waits for a server.
        "pause": [*frames[:30], (13 * 90_000, frames[45][1])],
    }
    paths = {name: _write(folder / f"{name}.ivf", b"VP80", each) for name, each in of.items()}
    return {**paths, "av1": _write(folder / "av1.ivf", b"AV01", av1)}


@dataclass(frozen=True, slots=True)
class Run:
    """How a client ended."""

    status: int | None
    lines: str
    errors: str

    @property
    def started_and_ended(self) -> tuple[int, int]:
        return self.lines.count("PHASE_STARTED"), self.lines.count("PHASE_ENDED")


class _Client:
    """A client that runs. `started` is set with its first STARTED."""

    def __init__(
        self, command: Sequence[str], room: str, clip: Path, servers: Sequence[Server | FakeServer]
    ) -> None:
        targets = ",".join(server.target for server in servers)
        self._command = [*command, str(clip), targets, "smile", room]
        self.started = asyncio.Event()

    async def run(self) -> Run:
        process = await asyncio.create_subprocess_exec(
            *self._command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stderr is not None
        errors = asyncio.create_task(process.stderr.read())
        lines = ""
        try:
            async for line in process.stdout:
                lines += line.decode()
                if b"PHASE_STARTED" in line:
                    self.started.set()
            return Run(await process.wait(), lines, (await errors).decode())
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _signal_once_started(clients: Sequence[_Client], server: Server, number: signal.Signals) -> None:
    for client in clients:
        await client.started.wait()
    os.kill(server.pid, number)


async def _run_all(
    commands: Mapping[str, Sequence[str]], clips: Mapping[str, Path]
) -> dict[tuple[str, str], Run]:
    async with (
        asyncio.timeout(WAIT_S),
        contextlib.AsyncExitStack() as stack,
        Server(Checkout(ROOT)) as drained,
        Server(Checkout(ROOT)) as killed,
        Server(Checkout(ROOT)) as other,
        asyncio.TaskGroup() as group,
    ):
        servers = {"end": [other], "moment": [other], "drain": [drained, other], "kill": [killed, other]}
        runs: dict[tuple[str, str], _Client] = {}
        for language, command in commands.items():
            for case, known in servers.items():
                clip = clips["moment" if case == "moment" else "clip"]
                runs[language, case] = _Client(command, f"{language}-{case}", clip, known)
            for case, script in SCRIPTS.items():
                fakes = [await stack.enter_async_context(FakeServer()) for _ in range(script.servers)]
                runs[language, case] = _Client(command, f"{language}-{case}", clips[script.clip], fakes)
                group.create_task(script.play(fakes))
        tasks = {key: group.create_task(client.run()) for key, client in runs.items()}
        of = {case: [client for (_, each), client in runs.items() if each == case] for case in servers}
        group.create_task(_signal_once_started(of["drain"], drained, signal.SIGTERM))
        group.create_task(_signal_once_started(of["kill"], killed, signal.SIGKILL))
    return {key: task.result() for key, task in tasks.items()}


@pytest.fixture(scope="module")
def runs(clients: Mapping[str, Sequence[str]], clips: Mapping[str, Path]) -> Mapping[tuple[str, str], Run]:
    """Every client to the end, with every server."""
    return asyncio.run(_run_all(clients, clips))


@pytest.mark.parametrize("language", LANGUAGES)
def test_to_the_end(runs: Mapping[tuple[str, str], Run], language: str) -> None:
    run = runs[language, "end"]
    assert run.status == 0, run
    assert run.started_and_ended == (1, 1), run


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_clip_that_is_over_before_the_server_answers(
    runs: Mapping[tuple[str, str], Run], language: str
) -> None:
    run = runs[language, "moment"]
    assert run.status == 0, run
    assert run.started_and_ended == (0, 0), run


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_server_that_drains_during_a_reaction(runs: Mapping[tuple[str, str], Run], language: str) -> None:
    run = runs[language, "drain"]
    assert run.status == 0, run
    assert "draining" in run.lines
    # Where nothing is carried, the reaction ends on the server that drains, and the other one starts another.
    assert run.started_and_ended == ((1, 1) if CARRIES else (2, 2)), run


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_server_that_is_killed(runs: Mapping[tuple[str, str], Run], language: str) -> None:
    run = runs[language, "kill"]
    assert run.status == 0, run
    assert "disconnected" in run.lines
    # A server that is killed tells no end: the next one does, where the reaction is carried to it.
    assert run.started_and_ended == ((1, 1) if CARRIES else (2, 1)), run


# What the scripts do not see: the status, how many reactions start and end, and why those end that no server ends.
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("case", "status", "shown", "refused", "lost"),
    [
        ("full", 0, (2, 2), 1, 0),
        ("unheard", 0, (1, 1), 1, 0),
        ("uncarried", 0, (3, 3), 0, 2),
        ("silent", 0, (2, 2), 0, 1),
        ("short", 0, (0, 0), 0, 0),
        ("over", 0, (0, 0), 0, 0),
        ("resets", 1, (1, 1), 0, 1),
        ("elsewhere", 0, (1, 1), 0, 0),
        ("av1", 0, (1, 1), 0, 0),
    ],
)
def test_a_server_without_video(
    runs: Mapping[tuple[str, str], Run],
    language: str,
    case: str,
    status: int,
    shown: tuple[int, int],
    refused: int,
    lost: int,
) -> None:
    run = runs[language, case]
    assert run.status == status, run
    assert run.started_and_ended == shown, run
    assert (run.lines.count("refused"), run.lines.count("stream_lost")) == (refused, lost), run


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_no_video_is_refused_before_a_server_is_asked(
    clients: Mapping[str, Sequence[str]], tmp_path: Path, language: str
) -> None:
    (tmp_path / "a.txt").write_text("no video")
    run = subprocess.run([*clients[language], tmp_path / "a.txt"], capture_output=True, timeout=60)
    assert run.returncode != 0
    assert b"expected an IVF file" in run.stderr


# Says that it is ready, and runs until it is interrupted, or until there is a file by which it ends by itself.
_INGEST = """#!/bin/sh
trap 'exit 0' INT
echo '{"type": "ready"}'
while kill -0 $PPID; do [ -e "$END" ] && exit 3; sleep 0.05; done
"""


def test_a_forward_of_mediasoup_ends_with_what_it_needs_and_stays_paused(tmp_path: Path) -> None:
    _require("node")
    package = EXAMPLES / "mediasoup"
    compiler = package / "node_modules" / ".bin" / "tsc"
    subprocess.run(
        [compiler, "--noEmit", "false", "--outDir", tmp_path], cwd=package, check=True, timeout=120
    )
    (tmp_path / "package.json").write_text('{"type": "module"}')
    ingest = tmp_path / "gifcue"
    ingest.write_text(_INGEST)
    ingest.chmod(0o755)
    run = subprocess.run(
        ["node", Path(__file__).with_name("forward.mjs"), tmp_path / "forward.js"],
        env={
            **os.environ,
            "END": str(tmp_path / "end"),
            "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        },
        capture_output=True,
        timeout=60,
    )
    assert run.returncode == 0, run
    assert json.loads(run.stdout) == {
        "pausedByTheCaller": [True, 1],
        "resumed": [False, 3],
        "closed": "closed",
        "routerClosed": "closed",
        "ingestEnded": "expected gifcue ingest to run until the forward is closed, got exit code 3",
        "consumerClosed": True,
    }
