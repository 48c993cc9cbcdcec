"""More honest video than the machine can decode."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sys

from gifcue.v1 import reaction_service_pb2
from tests.chaos.cases.case import MEMORY_BYTES, Case, check_books
from tests.chaos.clip import FPS, own_clip
from tests.chaos.findings import Findings
from tests.chaos.server import Checkout, Server
from tests.chaos.streams import Request, Response, frame, join, now_s

PARTICIPANTS = 64
WARM_S = 5.0
MEASURED_S = 15.0
# What waits longer than this is of no use to a meeting: the reaction's moment has passed.
LATENCY_MS = 1000.0


async def overload(checkout: Checkout, chance: random.Random) -> Findings:
    """64 participants of 640 x 480 at 30 frames a second while every core is busy with something else."""
    findings = Findings()
    decided: list[tuple[float, float]] = []
    told: dict[str, float] = {}
    sent_s: dict[tuple[str, int], float] = {}

    def hear(response: Response) -> None:
        match response.WhichOneof("message"):
            case "decision":
                decision = response.decision
                since_s = sent_s.pop((decision.participant_id, decision.sequence), None)
                if since_s is not None:
                    decided.append((now_s(), now_s() - since_s))
            case "control" if response.control.WhichOneof("control") == "slow_down":
                told.setdefault("SlowDown", now_s())
            case "fault":
                told.setdefault(reaction_service_pb2.FaultCode.Name(response.fault.code), now_s())
            case _:
                pass

    await asyncio.to_thread(own_clip)
    async with Server(checkout) as server, _busy_cores():
        stream = server.stream()
        stream.on_response = hear
        async with stream:
            packets = own_clip().packets
            names = [f"honest-{number}" for number in range(PARTICIPANTS)]
            for name in names:
                await stream.send(join(name, "H264", own_clip().extradata))
            began_s, index = now_s(), 0
            while now_s() < began_s + WARM_S + MEASURED_S:
                await asyncio.sleep(max(0.0, began_s + index / FPS - now_s()))
                frames = []
                for place, name in enumerate(names):
                    # Each begins at another keyframe, as people who join one after another do.
                    packet = packets[(index + 60 * place) % len(packets)]
                    sent_s[name, index] = now_s()
                    frames.append(frame(name, index, index * 3000, packet.payload, keyframe=packet.keyframe))
                if not await stream.send(Request(frames=reaction_service_pb2.Frames(frames=frames))):
                    break
                index += 1
            latencies = sorted(latency for at_s, latency in decided if at_s > began_s + WARM_S)
            p95_ms = latencies[int(0.95 * (len(latencies) - 1))] * 1000 if latencies else float("inf")
            findings.holds("decisions", len(latencies) >= 50, expected="50 or more", got=str(len(latencies)))
            findings.at_most("latency p95 of all decisions", p95_ms, LATENCY_MS, "ms")
            findings.holds(
                "the media server is told", bool(told), expected="SlowDown or a fault", got=str(sorted(told))
            )
            findings.equal("the stream goes on", stream.ended.is_set(), False)
        findings.at_most("until no stream is left", await server.until_streams(0, 20.0), 10.0, "s")
        findings.at_most(
            "peak of memory, all processes", server.peak_pss_bytes / 1e6, MEMORY_BYTES / 1e6, "MB"
        )
        await check_books(findings, server)
    return findings


@contextlib.asynccontextmanager
async def _busy_cores():
    """One process for each core that computes without end."""
    burners = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", "while True: pass")
        for _ in range(len(os.sched_getaffinity(0)))
    ]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            await burner.wait()


CASES = (Case("overload", "64 participants of 640 x 480 on busy cores", overload, 6),)
