"""Reads a source from an asyncio program. Demuxing blocks, so each source has a thread of its own."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from gifcue.ingest.opening import STDIN
from gifcue.ingest.source import EncodedPacket, MediaSource, open_source

# Packets read from a file at once: switching to the thread and back costs more than demuxing a packet.
FILE_BATCH = 16

T = TypeVar("T")


class Reading:
    """An open source and its packets. `source` has the codec and the size."""

    def __init__(self, source: MediaSource, executor: ThreadPoolExecutor) -> None:
        self.source = source
        self._executor = executor
        self._iterator: Iterator[EncodedPacket] = iter(source)

    async def packets(self) -> AsyncIterator[EncodedPacket]:
        """Every packet, in decoding order; those of a live source as they come.

        Raises:
            SourceError: reading failed.
        """
        size = 1 if self.source.live or self.source.where == STDIN else FILE_BATCH
        while batch := await _in(self._executor, lambda: list(itertools.islice(self._iterator, size))):
            for packet in batch:
                yield packet


@asynccontextmanager
async def reading(where: str, loop: bool = False, track: int = 1) -> AsyncIterator[Reading]:
    """Opens a source as `open_source` does, and closes it at the end."""
    executor = ThreadPoolExecutor(1, thread_name_prefix="gifcue-source")
    try:
        source = await _in(executor, lambda: open_source(where, loop, track))
        try:
            yield Reading(source, executor)
        finally:
            # A cancelled caller may have left a read running. The thread runs one call at a time, so the source is
            # closed after that read. Closing it here would free it while the thread still reads.
            executor.submit(source.close)
    finally:
        executor.shutdown(wait=False)


async def _in(executor: ThreadPoolExecutor, call: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(executor, call)
