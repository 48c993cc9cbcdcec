"""What an orchestrator and an operator see."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from pathlib import Path

import aiohttp
import psutil

from tests.chaos.cases.case import Case
from tests.chaos.findings import Findings
from tests.chaos.server import Checkout, Server


async def status_of_a_server_without_workers(checkout: Checkout, seed: random.Random) -> Findings:
    """`gifcue status` is the health check of the image: it must fail while nothing can be analysed."""
    findings = Findings()
    async with Server(checkout) as server:
        findings.equal("exit status while all is well", await _status(checkout, server.target), 0)
        killing = asyncio.create_task(_kill_again_and_again(server))
        await server.until_status("/readyz", 503, 30.0)
        code = await _status(checkout, server.target)
        findings.holds("exit status without workers", code > 0, expected="more than 0", got=str(code))
        killing.cancel()
    code = await _status(checkout, server.target)
    findings.holds("exit status where nobody answers", code > 0, expected="more than 0", got=str(code))
    return findings


async def _kill_again_and_again(server: Server) -> None:
    while True:
        for worker in server.workers("decode"):
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.kill()
        await asyncio.sleep(0.05)


async def _status(checkout: Checkout, target: str) -> int:
    process = await asyncio.create_subprocess_exec(
        *(str(checkout.python), "-m", "gifcue", "status", "--server", target),
        cwd=checkout.folder,
        env={"PYTHONPATH": str(checkout.folder / "src"), "PATH": "/usr/bin:/bin"},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        return await asyncio.wait_for(process.wait(), 60.0)
    except TimeoutError:
        process.kill()
        return -1


async def http_refusals(checkout: Checkout, seed: random.Random) -> Findings:
    """Malformed requests are answered with a status of 400 to 499."""
    findings = Findings()
    boundary = "chaos"
    huge = f"--{boundary}\r\nContent-Disposition: form-data; name=img; x={'y' * 20_000}\r\n\r\n1\r\n--{boundary}--\r\n"
    charset = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="_charset_"\r\n\r\nno-such\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="img"\r\n\r\nx\r\n--{boundary}--\r\n'
    )
    async with Server(checkout) as server:
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10.0)) as session:
            for what, body in (("a huge part header", huge), ("an unknown _charset_", charset)):
                async with session.post(
                    server.http + "/annotations", data=body.encode(), headers=headers
                ) as answer:
                    findings.holds(
                        what, 400 <= answer.status < 500, expected="400 to 499", got=str(answer.status)
                    )
        status = await server.get("/gifs/" + "a" * 5000)
        findings.holds(
            "a long path under /gifs/", 400 <= status < 500, expected="400 to 499", got=str(status)
        )
    return findings


async def stills_on_disk(checkout: Checkout, seed: random.Random) -> Findings:
    """An upload of 1.5 MB never reaches a file: the descriptors of the front process are watched meanwhile."""
    findings = Findings()
    seen: set[str] = set()
    async with Server(checkout) as server:
        front = server.processes()[0]

        async def body() -> object:
            yield b"--chaos\r\nContent-Disposition: form-data; name=img; filename=a.jpg\r\n\r\n"
            for _ in range(24):
                yield bytes(64 * 1024)
                seen.update(_written_files(front.pid))
                await asyncio.sleep(0.05)
            yield b"\r\n--chaos--\r\n"

        headers = {"Content-Type": "multipart/form-data; boundary=chaos"}
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20.0)) as session,
            session.post(server.http + "/annotations", data=body(), headers=headers) as answer,
        ):
            await answer.read()
    findings.equal("files that an upload was written to", sorted(seen), [])
    return findings


def _written_files(pid: int) -> set[str]:
    """Regular files, deleted ones too, that a process has open for writing, its log apart."""
    found = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            path = str(descriptor.readlink())
            flags = int(
                Path(f"/proc/{pid}/fdinfo/{descriptor.name}").read_text().split("flags:")[1].split()[0], 8
            )
            is_file = path.startswith("/") and not path.startswith(("/dev/", "/proc/", "/memfd:"))
            if is_file and flags & (os.O_WRONLY | os.O_RDWR) and not path.endswith(".log"):
                found.add(path)
    return found


CASES = (
    Case("status-without-workers", "gifcue status while nothing works", status_of_a_server_without_workers),
    Case("http-refusals", "malformed HTTP", http_refusals),
    Case("stills-on-disk", "an upload of 1.5 MB", stills_on_disk),
)
