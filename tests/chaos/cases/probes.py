"""What an orchestrator and an operator see."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
from pathlib import Path

import aiohttp
import psutil

from tests.chaos.cases.case import Case
from tests.chaos.cases.readers import OVERRUN
from tests.chaos.findings import Findings
from tests.chaos.raw_http2 import closed_window
from tests.chaos.server import Checkout, Server


async def status_of_a_server_without_workers(checkout: Checkout, chance: random.Random) -> Findings:
    """`gifcue status` is the health check of the image: it must fail while nothing can be analysed."""
    findings = Findings()
    async with Server(checkout) as server:
        findings.equal("exit status while all is well", await _status(checkout, server.operator), 0)
        killing = asyncio.create_task(_kill_again_and_again(server))
        await server.until_status("/readyz", 503, 30.0)
        code = await _status(checkout, server.operator)
        findings.holds("exit status without workers", code > 0, expected="more than 0", got=str(code))
        killing.cancel()
    code = await _status(checkout, server.operator)
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


async def http_refusals(checkout: Checkout, chance: random.Random) -> Findings:
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


async def stills_on_disk(checkout: Checkout, chance: random.Random) -> Findings:
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


async def log_says(checkout: Checkout, chance: random.Random) -> Findings:
    """The log names the status of a stream that failed, its peer, and the worker that died with its signal."""
    findings = Findings()
    async with Server(checkout) as server:
        async with closed_window(server.target) as client:
            await client.ask_statistics(OVERRUN)
            await client.until_ended(15.0)
            for worker in server.workers("decode")[:1]:
                worker.kill()
            await server.until_streams(0, 10.0)
        await asyncio.sleep(1.0)
        events = [json.dumps(event) for event in server.events()]
    ends = [event for event in events if "RESOURCE_EXHAUSTED" in event]
    findings.holds("a stream that was not read", bool(ends), expected="RESOURCE_EXHAUSTED", got=_last(events))
    findings.holds(
        "its peer",
        any("peer" in json.loads(event) for event in events),
        expected="a field `peer`",
        got=_last(ends or events),
    )
    deaths = [
        event for event in events if "decode-0" in event and ("SIGKILL" in event or "signal 9" in event)
    ]
    findings.holds(
        "a worker that was killed", bool(deaths), expected="decode-0 and SIGKILL", got=_last(events)
    )
    return findings


def _last(events: list[str]) -> str:
    return events[-1][:300] if events else "an empty log"


async def liveness(checkout: Checkout, chance: random.Random) -> Findings:
    """Where workers die without end, the server comes back by itself, or its liveness probe fails.

    Either is enough for an orchestrator: a server that is alive, not ready and stays so is not.
    """
    findings = Findings()
    async with Server(checkout) as server:
        killing = asyncio.create_task(_kill_again_and_again(server))
        await server.until_status("/readyz", 503, 30.0)
        await asyncio.sleep(10.0)
        killing.cancel()
        ready_s, alive = await server.until_ready(20.0), await server.get("/healthz")
        findings.holds(
            "20 s after workers could live again",
            ready_s <= 20.0 or alive != 200,
            expected="/readyz 200, or /healthz other than 200",
            got=f"/readyz {200 if ready_s <= 20.0 else 503}, /healthz {alive}",
        )
    return findings


CASES = (
    Case(
        "status-without-workers", "gifcue status while nothing works", status_of_a_server_without_workers, 8
    ),
    Case("http-refusals", "malformed HTTP", http_refusals, 10),
    Case("stills-on-disk", "an upload of 1.5 MB", stills_on_disk, 9),
    Case("log-says", "what the log says of a failed stream and a dead worker", log_says, 8),
    Case("liveness", "workers that die without end", liveness, 8),
)
