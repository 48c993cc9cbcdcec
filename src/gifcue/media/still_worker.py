"""The still decoder: one JPEG or PNG at a time, from bytes to a slot of shared memory.

Each still has a budget of CPU time. The kernel ends the process where it is spent: the code that takes too long is
FFmpeg's, which nothing in the same process can interrupt.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping

import numpy as np

from gifcue.errors import MediaError
from gifcue.media.still_messages import StillAnswer, StillDone, StillFailed, StillInit, StillRequest
from gifcue.media.still_settings import StillSettings
from gifcue.media.stills import announced_pixels, scaled_still
from gifcue.workers.arena import ARENA_FD, Arena
from gifcue.workers.channel import BlockingChannel, serve
from gifcue.workers.memory import return_unused
from gifcue.workers.messages import bounded

# CPU time for a still. The slowest legal kind, a photographic PNG, takes 36 ms a megapixel on a core of an AMD EPYC.
BASE_BUDGET_S = 0.25
BUDGET_S_PER_MEGAPIXEL = 0.1
# Streams are served first where CPU time is short.
_NICENESS = 5


def main(channel: BlockingChannel, init: StillInit, fds: Mapping[str, int]) -> None:
    """The target of the child process."""
    os.nice(_NICENESS)
    # Its default action ends the process, which is what is wanted.
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    arena = Arena.attach(fds[ARENA_FD], init.shape, writable=True)
    channel.ready()

    def handle(request: StillRequest) -> None:
        signal.setitimer(signal.ITIMER_PROF, budget_s(request.data, init.max_pixels))
        answer = decode(request, arena, init.settings, init.max_pixels)
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        channel.send(answer)
        return_unused()

    serve(channel, handle)


def budget_s(data: bytes, max_pixels: int) -> float:
    """Seconds of CPU time for a still, by the pixels that it announces. One with too many is not decoded."""
    pixels = announced_pixels(data)
    return BASE_BUDGET_S + BUDGET_S_PER_MEGAPIXEL * (pixels / 1e6 if pixels <= max_pixels else 0.0)


def decode(request: StillRequest, arena: Arena, settings: StillSettings, max_pixels: int) -> StillAnswer:
    """Decodes a still into its slot."""
    try:
        rgb, source_width, source_height = scaled_still(
            request.data, max_pixels, settings.long_side, settings.short_side
        )
    except MediaError as error:
        return StillFailed(request.number, error.reason, bounded(str(error)))
    height, width = rgb.shape[:2]
    with arena.slot(request.slot) as target:
        np.copyto(np.frombuffer(target, np.uint8, rgb.nbytes), rgb.reshape(-1))
    return StillDone(request.number, width, height, source_width, source_height)
