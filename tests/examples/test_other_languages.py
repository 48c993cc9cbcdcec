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
from gifcue.testing import FakeServer, FakeStream
from gifcue.v1 import reaction_service_pb2
from tests.chaos.server import Checkout, Server

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


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight seconds of the public photograph, who smiles throughout, as an IVF file of VP8."""
    video = encode(photo_frames(8, 15, width=640, height=360), Codec.VP8, 15, keyframe_interval=15)
    path = tmp_path_factory.mktemp("clip") / "clip.ivf"
    header = struct.pack("<4sHH4sHHIIII", b"DKIF", 0, 32, b"VP80", 640, 360, 90_000, 1, len(video.packets), 0)
    frames = (struct.pack("<IQ", len(each.payload), each.pts) + each.payload for each in video.packets)
    path.write_bytes(header + b"".join(frames))
    return path


@pytest.fixture(scope="module")
def moment(clip: Path) -> Path:
    """The first frame of the clip: it is over before a server answers."""
    whole = clip.read_bytes()
    path = clip.with_name("moment.ivf")
    path.write_bytes(whole[: 32 + 12 + int.from_bytes(whole[32:36], "little")])
    return path


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


async def _drain_and_refuse(server: FakeServer) -> None:
    """Drains the stream while a reaction is under way, and refuses the next join. Returns once a later one sends."""
    first = await server.service.stream(0)
    await first.until(lambda seen: bool(seen.frames))
    drain = reaction_service_pb2.Drain(deadline_ms=500)
    first.answer(control=reaction_service_pb2.StreamControl(drain=drain))
    # What was in flight: the reaction ends, and another starts. That one goes on at the next server.
    ended, started = reaction_service_pb2.PHASE_ENDED, reaction_service_pb2.PHASE_STARTED
    for phase, reaction_id in ((ended, "r-ada"), (started, "late")):
        first.answer(
            reaction=reaction_service_pb2.ReactionEvent(
                participant_id="ada", reaction_id=reaction_id, label="smile", phase=phase
            )
        )
    first.end()
    second = await server.service.stream(1)
    assert not any(each.participant.HasField("leave") for each in first.requests), first.requests
    assert not first.half_closed.is_set()
    await second.until(lambda seen: bool(seen.joins))
    assert [each.reaction_id for each in second.joins["ada"].resume.running] == ["late"]
    code = reaction_service_pb2.FAULT_CODE_TOO_MANY_JOINS
    second.answer(
        fault=reaction_service_pb2.ParticipantFault(participant_id="ada", code=code, message="full")
    )
    await second.until(lambda seen: len(_carried(seen)) == 2 and seen.requests[-1].HasField("frame"))
    assert _carried(second) == [1, 0]


def _carried(stream: FakeStream) -> list[int]:
    """How many running reactions each join carried."""
    joins = [each.participant.join for each in stream.requests if each.participant.HasField("join")]
    return [len(each.resume.running) for each in joins]


async def _run_all(
    commands: Mapping[str, Sequence[str]], clip: Path, moment: Path
) -> dict[tuple[str, str], Run]:
    async with (
        asyncio.timeout(WAIT_S),
        contextlib.AsyncExitStack() as stack,
        Server(Checkout(ROOT)) as drained,
        Server(Checkout(ROOT)) as killed,
        Server(Checkout(ROOT)) as other,
    ):
        servers = {"end": [other], "moment": [other], "drain": [drained, other], "kill": [killed, other]}
        runs = {
            (language, case): _Client(
                command, f"{language}-{case}", moment if case == "moment" else clip, servers[case]
            )
            for language, command in commands.items()
            for case in servers
        }
        full = {language: await stack.enter_async_context(FakeServer()) for language in commands}
        for language, server in full.items():
            runs[language, "full"] = _Client(commands[language], f"{language}-full", clip, [server])
        of = {case: [client for (_, each), client in runs.items() if each == case] for case in servers}
        async with asyncio.TaskGroup() as group:
            tasks = {key: group.create_task(client.run()) for key, client in runs.items()}
            for server in full.values():
                group.create_task(_drain_and_refuse(server))
            group.create_task(_signal_once_started(of["drain"], drained, signal.SIGTERM))
            group.create_task(_signal_once_started(of["kill"], killed, signal.SIGKILL))
        return {key: task.result() for key, task in tasks.items()}


@pytest.fixture(scope="module")
def runs(clients: Mapping[str, Sequence[str]], clip: Path, moment: Path) -> Mapping[tuple[str, str], Run]:
    """Every client to the end, with a server that drains during a reaction, and with one that is killed."""
    return asyncio.run(_run_all(clients, clip, moment))


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


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_server_that_refuses_the_join_with_what_it_carries(
    runs: Mapping[tuple[str, str], Run], language: str
) -> None:
    run = runs[language, "full"]
    assert run.status == 0, run
    assert run.started_and_ended == (2, 2), run
    assert "refused" in run.lines, run


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
