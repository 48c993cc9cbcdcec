"""Worker processes that die, stop or cannot start, and a front process that is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import signal
import tempfile
from pathlib import Path

import psutil

from tests.chaos.attacks.http import close_all, open_half
from tests.chaos.cases.case import GAP_STUCK_S, READY_S, Bounds, Case, beside_bystander
from tests.chaos.findings import Findings
from tests.chaos.payloads import video
from tests.chaos.server import Checkout, Server
from tests.chaos.streams import Request, frame, join, now_s

TWO_WORKERS = {"media": {"workers": 2}}
# A worker that computed so long since the culprit's keyframe was sent holds the culprit: its picture takes 0.25 s, and
# all that the bystander sends meanwhile less than 0.04 s.
CULPRITS_SHARE_S = 0.1


async def deadly_participant(checkout: Checkout, chance: random.Random) -> Findings:
    """Whatever worker decodes the culprit dies. The kill from outside stands for an unknown defect of a decoder."""
    deaths = 0

    async def fault(server: Server, chance: random.Random, findings: Findings) -> None:
        nonlocal deaths
        unit = await asyncio.to_thread(video.noise)
        until_s, sequence = now_s() + 40.0, 0
        async with server.stream() as stream:
            await stream.send(join("culprit", "H264"))
            while now_s() < until_s and deaths < 20:
                before = await _computed_s(server)
                message = frame("culprit", sequence, sequence * 90_000, unit, keyframe=True)
                if not await stream.send(Request(frame=message)):
                    break
                sequence += 1
                deaths += await _kill_busiest(server, before)

    findings = await beside_bystander(
        checkout, chance, fault, Bounds(gap_s=GAP_STUCK_S), settings=TWO_WORKERS
    )
    findings.at_most("workers that died of the culprit", deaths, 6)
    return findings


async def _kill_busiest(server: Server, before: dict[int, float]) -> int:
    """Waits a moment for a worker to compute for the culprit, and kills it; returns how many it killed."""
    for _ in range(25):
        await asyncio.sleep(0.01)
        for pid, computed_s in before.items():
            if _computed_by(pid) - computed_s > CULPRITS_SHARE_S:
                with contextlib.suppress(psutil.NoSuchProcess):
                    psutil.Process(pid).kill()
                    return 1
    return 0


async def _computed_s(server: Server) -> dict[int, float]:
    """Seconds of CPU of each decode worker that is ready: one that starts computes for itself."""
    status = await server.status()
    workers = status.workers if status is not None else ()
    ready = [each.pid for each in workers if each.name.startswith("decode") and each.state == "ready"]
    return {pid: _computed_by(pid) for pid in ready}


def _computed_by(pid: int) -> float:
    """Seconds of CPU that a process has used. /proc/PID/stat counts in hundredths, which is too coarse."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
    except (OSError, IndexError):
        return 0.0


async def killed_workers(checkout: Checkout, chance: random.Random) -> Findings:
    """SIGKILL of a worker of either kind, at random times."""

    async def fault(server: Server, chance: random.Random, findings: Findings) -> None:
        for _ in range(5):
            kind = chance.choice(("decode", "detect"))
            for worker in chance.sample(server.workers(kind), k=min(1, len(server.workers(kind)))):
                worker.kill()
            await asyncio.sleep(chance.uniform(3.0, 6.0))

    return await beside_bystander(checkout, chance, fault)


async def stopped_workers(checkout: Checkout, chance: random.Random) -> Findings:
    """SIGSTOP of each kind of worker, one kind after another."""

    async def fault(server: Server, chance: random.Random, findings: Findings) -> None:
        for kind in ("decode", "detect"):
            for worker in server.workers(kind):
                worker.send_signal(signal.SIGSTOP)
            await asyncio.sleep(8.0)

    return await beside_bystander(checkout, chance, fault, Bounds(gap_s=GAP_STUCK_S))


async def paused_machine(checkout: Checkout, chance: random.Random) -> Findings:
    """All processes stand still for six seconds, as in a virtual machine that is moved. No worker is to blame."""
    pause_s = 6.0

    async def fault(server: Server, chance: random.Random, findings: Findings) -> None:
        processes = server.processes()
        for process in processes:
            process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(pause_s)
        for process in reversed(processes):
            process.send_signal(signal.SIGCONT)
        await asyncio.sleep(3.0)
        status = await server.status()
        restarts = sum(worker.restarts for worker in status.workers) if status is not None else -1
        findings.equal("workers that were restarted", restarts, 0)

    return await beside_bystander(checkout, chance, fault, Bounds(gap_s=pause_s + 4.0))


async def paused_front(checkout: Checkout, chance: random.Random) -> Findings:
    """The front process alone stands still for six seconds. Its workers are not to blame for its silence."""
    pause_s = 6.0

    async def fault(server: Server, chance: random.Random, findings: Findings) -> None:
        front = server.processes()[0]
        front.send_signal(signal.SIGSTOP)
        await asyncio.sleep(pause_s)
        front.send_signal(signal.SIGCONT)
        await asyncio.sleep(3.0)
        status = await server.status()
        restarts = sum(worker.restarts for worker in status.workers) if status is not None else -1
        findings.equal("workers that were restarted", restarts, 0)

    return await beside_bystander(checkout, chance, fault, Bounds(gap_s=pause_s + 4.0))


async def no_descriptors(checkout: Checkout, chance: random.Random) -> Findings:
    """120 idle connections to a server that may hold 64 descriptors, and a worker that dies meanwhile."""

    async def fault(server: Server, chance: random.Random, findings: Findings) -> None:
        lines = len(server.log().splitlines())
        writers = await open_half(server, 120, chance)
        for worker in server.workers("decode"):
            worker.kill()
        await asyncio.sleep(10.0)
        findings.at_most("lines logged meanwhile", len(server.log().splitlines()) - lines, 200)
        close_all(writers)

    return await beside_bystander(checkout, chance, fault, Bounds(gap_s=16.0), limits={"n": 64})


async def repaired_model(checkout: Checkout, chance: random.Random) -> Findings:
    """The model's weights are damaged while detectors restart, and repaired 15 s later."""
    findings = Findings()
    with tempfile.TemporaryDirectory(prefix="gifcue-chaos-") as name:
        folder = Path(name) / "model"
        await asyncio.to_thread(shutil.copytree, checkout.folder / "models", folder)
        kept = {path: path.read_bytes() for path in folder.glob("*.tflite")}
        async with Server(checkout, settings={"detect": {"model_dir": str(folder)}}) as server:
            for path, data in kept.items():
                path.write_bytes(data[: len(data) // 3])
            until_s = now_s() + 15.0
            while now_s() < until_s:
                for worker in server.workers("detect"):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        worker.kill()
                await asyncio.sleep(0.5)
            findings.equal("readiness while the model is damaged", await server.get("/readyz"), 503)
            for path, data in kept.items():
                path.write_bytes(data)
            findings.at_most("ready after the repair", await server.until_ready(60.0), READY_S * 3, "s")
    return findings


CASES = (
    Case("deadly-participant", "every worker that decodes the culprit dies", deadly_participant, 1),
    Case("killed-workers", "SIGKILL of workers at random times", killed_workers),
    Case("stopped-worker", "SIGSTOP of workers", stopped_workers, 7),
    Case("paused-machine", "all processes stand still for 6 s", paused_machine),
    Case("paused-front", "the front process stands still for 6 s", paused_front),
    Case("idle-connections", "120 connections at 64 descriptors, and a dead worker", no_descriptors, 7),
    Case("repaired-model", "a model that is damaged and repaired", repaired_model, 7),
)
