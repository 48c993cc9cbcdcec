"""A participant who does nothing wrong, and what an attack on others costs it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import math
import os
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.support.stream_model import Violations

ROOT = Path(__file__).resolve().parents[2]
# Until the first decision: the process has to encode its clip.
START_S = 60.0
STOP_S = 30.0
KILL_S = 5.0


@dataclass(slots=True)
class Bystander:
    """Streams a clip in real time from a process of its own (`tests.chaos.sender`) and notes when decisions come.

    `async with Bystander(target) as bystander`: entered at the first decision. Answers a request for a keyframe as an
    encoder does: the clip goes on at its next keyframe. A stream that ends is opened again at once, as a media server
    would. Each of its streams is compared with the model (`tests.support.stream_model`).
    """

    target: str
    name: str = "bystander"
    latencies_s: list[float] = field(default_factory=list)
    decided_s: list[float] = field(default_factory=list)
    # When it joined each of its streams, and the statuses of those that ended before it stopped.
    joined_s: list[float] = field(default_factory=list)
    endings: list[str] = field(default_factory=list)
    # Known once it has stopped, of all its streams: what was against the model, and how many were accounted for.
    violations: Violations = field(default_factory=Violations)
    accounted_streams: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    _process: asyncio.subprocess.Process | None = None
    _reader: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.chaos.sender", self.target, self.name),
            cwd=ROOT,
            # The harness' own code, whatever checkout the server is of.
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self._reader = asyncio.create_task(self._read(), name=self.name)
        try:
            async with asyncio.timeout(START_S):
                while not self.decided_s:
                    if self._reader.done():
                        raise RuntimeError(f"expected {self.name} to stream, its process ended")
                    await asyncio.sleep(0.05)
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Sends no more, asks for the outcome of every frame and ends its stream. Calling it again does nothing."""
        if self._process is None or self._reader is None or self._process.stdin is None:
            return
        self._process.stdin.close()
        await asyncio.wait({self._reader}, timeout=STOP_S)
        await self._end()

    async def until_ended(self, timeout_s: float) -> str:
        """The status with which its first stream ended; "none" where it did not in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not self.endings:  # noqa: ASYNC110 - another process says it
                    await asyncio.sleep(0.05)
        return self.endings[0] if self.endings else "none"

    def p95_ms(self, since_s: float, until_s: float) -> float:
        """The 95th percentile of the latency of frames decided upon between two times; infinity without any."""
        chosen = sorted(
            latency
            for at, latency in zip(self.decided_s, self.latencies_s, strict=True)
            if since_s <= at <= until_s
        )
        return chosen[math.ceil(0.95 * len(chosen)) - 1] * 1000 if chosen else math.inf

    def longest_gap_s(self, since_s: float, until_s: float) -> float:
        """The longest time without any decision between two times."""
        times = [since_s, *(at for at in self.decided_s if since_s < at < until_s), until_s]
        return max(after - before for before, after in itertools.pairwise(times))

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            said = json.loads(line)
            if "decided_s" in said:
                self.latencies_s.append(said["latency_s"])
                self.decided_s.append(said["decided_s"])
            elif "joined_s" in said:
                self.joined_s.append(said["joined_s"])
            elif "ending" in said:
                self.endings.append(said["ending"])
            else:
                self.violations.extend(Violations(**said["violations"]))
                self.accounted_streams = said["accounted_streams"]
                self.faults.update(said["faults"])

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            try:
                await asyncio.wait_for(process.wait(), KILL_S)
            except TimeoutError:
                process.kill()
                await process.wait()
        if self._reader is not None:
            await self._reader
