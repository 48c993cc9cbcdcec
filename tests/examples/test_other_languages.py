"""The clients in `examples/` against real servers. `make examples` builds them and runs this."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import struct
import subprocess
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from gifcue.protocol.codecs import Codec
from gifcue.sample_video.clips import encode
from gifcue.sample_video.photo import photo_frames
from tests.chaos.server import Checkout, Server

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
WAIT_S = 60.0

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        "GIFCUE_EXAMPLES" not in os.environ, reason="`make examples` builds and runs the examples"
    ),
]


@pytest.fixture(scope="module", params=["node", "go"])
def client(request: pytest.FixtureRequest) -> Sequence[str]:
    """The command line of an example that is built."""
    folder = EXAMPLES / request.param
    if shutil.which(request.param) is None:
        if "CI" in os.environ:
            pytest.fail(f"expected {request.param} to be installed in CI")
        pytest.skip(f"{request.param} is not installed")
    if request.param == "node":
        return ["node", str(folder / "client.mjs")]
    built = folder / "gen" / "client"
    subprocess.run(["go", "build", "-o", built, "."], cwd=folder, check=True, timeout=240)
    return [str(built)]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine seconds of the public photograph, who smiles throughout, as an IVF file of VP8."""
    video = encode(photo_frames(9, 15, width=640, height=360), Codec.VP8, 15, keyframe_interval=15)
    path = tmp_path_factory.mktemp("clip") / "clip.ivf"
    header = struct.pack("<4sHH4sHHIIII", b"DKIF", 0, 32, b"VP80", 640, 360, 90_000, 1, len(video.packets), 0)
    frames = (struct.pack("<IQ", len(each.payload), each.pts) + each.payload for each in video.packets)
    path.write_bytes(header + b"".join(frames))
    return path


@contextlib.asynccontextmanager
async def running(
    client: Sequence[str], clip: Path, *servers: Server
) -> AsyncIterator[asyncio.subprocess.Process]:
    targets = ",".join(server.target for server in servers)
    process = await asyncio.create_subprocess_exec(
        *client, clip, targets, "smile", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(WAIT_S):
            yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def until_line(process: asyncio.subprocess.Process, *words: str) -> list[str]:
    """The lines up to the first that has all words."""
    assert process.stdout is not None
    lines: list[str] = []
    async for line in process.stdout:
        lines.append(line.decode())
        if all(word in lines[-1] for word in words):
            return lines
    raise AssertionError(f"expected a line with {words}, got {lines}")


async def test_to_the_end(client: Sequence[str], clip: Path) -> None:
    async with Server(Checkout(ROOT)) as server, running(client, clip, server) as process:
        out, errors = await process.communicate()
        assert process.returncode == 0, errors
        assert out.count(b"PHASE_STARTED") == out.count(b"PHASE_ENDED") == 1


async def test_a_server_that_drains_during_a_hold(client: Sequence[str], clip: Path) -> None:
    async with (
        Server(Checkout(ROOT)) as first,
        Server(Checkout(ROOT)) as second,
        running(client, clip, first, second) as process,
    ):
        before = await until_line(process, "PHASE_STARTED")
        os.kill(first.pid, signal.SIGTERM)
        out, errors = await process.communicate()
        assert process.returncode == 0, errors
        lines = "".join(before) + out.decode()
        # The reaction ends on the server that drains, and the other server sees the rest.
        assert "draining" in lines
        assert second.target in lines
        assert lines.count("PHASE_STARTED") == lines.count("PHASE_ENDED") == 2


async def test_a_server_that_is_killed(client: Sequence[str], clip: Path) -> None:
    async with (
        Server(Checkout(ROOT)) as first,
        Server(Checkout(ROOT)) as second,
        running(client, clip, first, second) as process,
    ):
        before = await until_line(process, "PHASE_STARTED")
        os.kill(first.pid, signal.SIGKILL)
        out, errors = await process.communicate()
        assert process.returncode == 0, errors
        lines = "".join(before) + out.decode()
        assert "disconnected" in lines
        assert second.target in lines
        # The first server could not tell the end any more.
        assert (lines.count("PHASE_STARTED"), lines.count("PHASE_ENDED")) == (2, 1)


async def test_what_is_no_video_is_refused_before_a_server_is_asked(
    client: Sequence[str], tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("no video")
    process = await asyncio.create_subprocess_exec(
        *client, tmp_path / "a.txt", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(WAIT_S):
        _, errors = await process.communicate()
    assert process.returncode not in (0, None)
    assert b"expected an IVF file" in errors
