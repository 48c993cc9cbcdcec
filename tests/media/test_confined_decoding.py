"""Decoding in a confined worker: every codec, at the largest size, within the memory that a worker may take."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from gifcue.media.frame import FrameInFlight
from gifcue.media.messages import Outcome, Picture
from gifcue.media.pool import DecodePool
from gifcue.media.settings import FilterSettings, MediaSettings
from gifcue.protocol.codecs import Codec
from gifcue.sample_video.clips import encode
from gifcue.workers.arena import Arena
from gifcue.workers.confinement.profile import DECODER
from gifcue.workers.settings import SupervisionSettings
from tests.support.waiting import until_changed

SUPERVISION = SupervisionSettings(start_timeout_s=60.0, stuck_after_s=30.0, backoff_initial_s=0.0)
SETTINGS = MediaSettings(
    workers=1,
    filter=FilterSettings(enabled=False),
    max_analysis_fps=240.0,
    late_ms=1.0,
    slots_per_worker=8,
    # Enough to admit all of them at once.
    decoder_memory_mb=2048,
)


def peak_bytes(pid: int) -> int:
    """The largest address space that a process has had."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = [line for line in status if line.startswith("VmPeak")]
    return int(line.split()[1]) * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_a_worker_decodes_every_codec_in_4k_within_its_memory() -> None:
    picture = np.random.default_rng(1).integers(0, 255, (270, 480, 3), dtype=np.uint8)
    frames = [np.kron(picture, np.ones((8, 8, 1), np.uint8))] * 2
    arena = Arena.create(1, SETTINGS.slots_per_worker, SETTINGS.slot_bytes)
    outcomes: list[Outcome] = []
    changed = asyncio.Event()

    def on_outcome(_: FrameInFlight, outcome: Outcome) -> None:
        outcomes.append(outcome)
        changed.set()

    def answered(count: int) -> bool:
        return len(outcomes) == count

    pool = DecodePool(
        SETTINGS,
        arena,
        SUPERVISION,
        on_outcome=on_outcome,
        on_decoder_lost=lambda _: None,
        on_incident=lambda _: None,
    )
    await pool.start()
    (worker,) = pool.statistics().workers
    assert {each.state for each in worker.confinement} <= {"active", "missing"}
    mapped = peak_bytes(worker.pid)
    # All at once in one worker, each with its own decoder.
    for key, codec in enumerate(Codec, start=1):
        clip = await asyncio.to_thread(encode, frames, codec, 15.0)
        pool.open(key, codec, clip.extradata)
        packet = clip.packets[0]
        frame = FrameInFlight(key, 1, 1, packet.pts, packet.clock_hz, 0.0, len(packet.payload), 0.0)
        pool.submit(frame, packet.payload)
        await until_changed(changed, partial(answered, key), state=lambda: outcomes)
    assert [outcome for outcome in outcomes if not isinstance(outcome, Picture)] == []
    assert pool.statistics().workers[0].restarts == 0
    assert DECODER.memory_bytes is not None
    # A third at most: the rest is for participants with many reference frames.
    added = peak_bytes(worker.pid) - mapped
    assert 50_000_000 < added < DECODER.memory_bytes / 3, added
    await pool.stop()
    arena.close()
