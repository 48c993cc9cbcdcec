"""Disks that fill up, files that change, requests that never end."""

from __future__ import annotations

import asyncio
import contextlib
import random
import resource
import shutil
import tempfile
import time
from pathlib import Path

import psutil

from tests.chaos.attacks.http import HALF_OPEN, close_all, open_half
from tests.chaos.cases.case import Case, beside_bystander
from tests.chaos.findings import Findings
from tests.chaos.server import Checkout, Server
from tests.chaos.streams import Request, frame, join

BRACKETS = b"[" * 20_000
BOOK = b"""version: 1
gifs:
  party: {url: /gifs/party.gif, title: Balloons rise}
rules:
  - {label: smile, gifs: [party]}
"""


async def full_log(checkout: Checkout, chance: random.Random) -> Findings:
    """The log can take no more bytes: streams open, work and close as before, and nothing of them is left."""

    async def fault(server: Server, chance: random.Random, findings: Findings) -> None:
        # A limit on the size of files stands for a full disk: every write fails. It needs no file system of its own.
        server.limit(resource.RLIMIT_FSIZE, len(server.log().encode()))
        served = 0
        for _ in range(60):
            async with server.stream() as stream:
                await stream.send(join("guest", "H264"))
                await stream.send(Request(frame=frame("guest", 0, 0, b"junk", keyframe=True)))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stream.ready.wait(), 2.0)
                    served += 1
                await stream.half_close()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stream.ended.wait(), 2.0)
            if served == 0:
                break
        findings.equal("streams that were accepted", served, 60)
        findings.at_most(
            "until the bystander's stream is the only one", await server.until_streams(1, 10.0), 5.0, "s"
        )
        for worker in server.workers("decode"):
            worker.kill()
        await asyncio.sleep(3.0)
        server.limit(resource.RLIMIT_FSIZE, resource.RLIM_INFINITY)

    return await beside_bystander(checkout, chance, fault)


async def lost_gifs(checkout: Checkout, chance: random.Random) -> Findings:
    """The folder of GIFs and the rule book disappear from under a server, and come back."""
    with tempfile.TemporaryDirectory(prefix="gifcue-chaos-") as name:
        folder = Path(name)
        gifs, book = folder / "gifs", folder / "book.yaml"
        gifs.mkdir()
        (gifs / "party.gif").write_bytes(b"GIF89a")
        book.write_bytes(BOOK)

        async def fault(server: Server, chance: random.Random, findings: Findings) -> None:
            findings.equal("a GIF", await server.get("/gifs/party.gif"), 200)
            shutil.move(gifs, folder / "away")
            book.unlink()
            await asyncio.sleep(4.0)
            findings.equal("the GIF while the folder is away", await server.get("/gifs/party.gif"), 404)
            shutil.move(folder / "away", gifs)
            book.write_bytes(BOOK)
            findings.equal("the GIF once it is back", await server.get("/gifs/party.gif"), 200)

        settings = {"rules": {"book": str(book), "gifs": str(gifs)}}
        return await beside_bystander(checkout, chance, fault, settings=settings)


async def bracketed_book(checkout: Checkout, chance: random.Random) -> Findings:
    """A rule book of 20,000 opening brackets is put in place of the one that is served."""
    with tempfile.TemporaryDirectory(prefix="gifcue-chaos-") as name:
        book = Path(name) / "book.yaml"
        book.write_bytes(BOOK)

        async def fault(server: Server, chance: random.Random, findings: Findings) -> None:
            front = psutil.Process(server.pid)
            before_s = front.cpu_times().user
            book.write_bytes(BRACKETS)
            await asyncio.sleep(10.0)
            spent_s = front.cpu_times().user - before_s
            findings.at_most("CPU time of the front process in 10 s", spent_s, 5.0, "s")
            book.write_bytes(BOOK)
            began_s = time.monotonic()
            process = await asyncio.create_subprocess_exec(
                *checkout.gifcue("rules", "check", str(_written(Path(name) / "bad.yaml", BRACKETS))),
                env=checkout.environment,
                cwd=checkout.folder,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
            code = await process.wait()
            findings.holds("exit status of `gifcue rules check`", code == 1, expected="1", got=str(code))
            findings.at_most("`gifcue rules check`", time.monotonic() - began_s, 8.0, "s")

        return await beside_bystander(checkout, chance, fault, settings={"rules": {"book": str(book)}})


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


async def half_open_descriptors(checkout: Checkout, chance: random.Random) -> Findings:
    """470 requests that are never finished hold no descriptor for longer than 15 s."""

    async def fault(server: Server, chance: random.Random, findings: Findings) -> None:
        front = psutil.Process(server.pid)
        before = front.num_fds()
        writers = await open_half(server, HALF_OPEN, chance)
        await asyncio.sleep(15.0)
        findings.at_most("descriptors that they hold after 15 s", front.num_fds() - before, 20)
        close_all(writers)

    return await beside_bystander(checkout, chance, fault)


CASES = (
    Case("full-log", "a log that can take no more", full_log, 7),
    Case("lost-gifs", "GIFs and rule book disappear and come back", lost_gifs),
    Case("bracketed-book", "a rule book of 20,000 opening brackets", bracketed_book, 10),
    Case(
        "half-open-descriptors", "470 requests that are never finished, after 15 s", half_open_descriptors, 10
    ),
)
