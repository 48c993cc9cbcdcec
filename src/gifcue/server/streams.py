"""The open streams of a server, over all transports: how many, how they ended, and their drain."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import grpc
import structlog

from gifcue.engine.engine import Engine
from gifcue.server.settings import ServerSettings
from gifcue.server.stream import DRAINING, FLUSH_S, Stream
from gifcue.server.transport import StreamStatus, Transport

log = structlog.get_logger()


class Streams:
    """Owns the open streams. `clock` is the engine's, in seconds. `gif_base_url` goes before the addresses of GIFs
    that are only a path.
    """

    def __init__(
        self,
        engine: Engine,
        settings: ServerSettings,
        clock: Callable[[], float],
        *,
        gif_base_url: str = "",
    ) -> None:
        self._gif_base_url = gif_base_url
        self._engine = engine
        self._settings = settings
        self._clock = clock
        self._streams: set[Stream] = set()
        self._is_draining = False
        self._closed_holding_dropped = 0
        self._closed_details_dropped = 0
        self._ended: Counter[str] = Counter()

    async def serve(self, transport: Transport) -> None:
        """Serves a stream to its end, the status included. Called by the transports, in a task of the stream's own.

        `call_identity` says who the caller is.
        """
        refusal = self._refusal()
        if refusal is not None:
            self._ended[refusal.code.name] += 1
            log.info("stream refused", peer=transport.peer, status=refusal.code.name)
            await transport.close(refusal)
            return
        stream = Stream(self._engine, self._settings, self._clock, transport, self._gif_base_url)
        self._streams.add(stream)
        try:
            await stream.run()
        finally:
            self._streams.discard(stream)
            self._closed_holding_dropped += stream.holding_dropped
            self._closed_details_dropped += stream.details_dropped
            self._ended[stream.status.code.name] += 1

    @property
    def ended(self) -> dict[str, int]:
        """Streams that have ended since the start, refused ones included, by the name of their gRPC status."""
        return dict(self._ended)

    @property
    def holding_dropped(self) -> int:
        """HOLDING events that gave way to newer ones or to the bound, on all streams since the start."""
        return self._closed_holding_dropped + sum(stream.holding_dropped for stream in self._streams)

    @property
    def details_dropped(self) -> int:
        """Decisions that lost their details to the bound, on all streams since the start."""
        return self._closed_details_dropped + sum(stream.details_dropped for stream in self._streams)

    async def drain(self, timeout_s: float) -> None:
        """Refuses new streams, sends `Draining` on every stream, lets frames in flight finish, and ends the streams.

        After `timeout_s` the streams end with frames in flight. Returns soon after that, whatever clients do.
        """
        self._is_draining = True
        until_s = self._clock() + timeout_s
        if not self._streams:
            return
        drains = [asyncio.create_task(stream.drain(until_s), name="stream drain") for stream in self._streams]
        # Each stream ends within its own deadline. This one holds even where one does not.
        _, pending = await asyncio.wait(drains, timeout=timeout_s + 2 * FLUSH_S)
        for drain in pending:
            drain.cancel()
        if pending:
            log.error("streams did not end in time", streams=len(pending))

    def _refusal(self) -> StreamStatus | None:
        if self._is_draining:
            return DRAINING
        if not self._engine.is_ready:
            return StreamStatus(grpc.StatusCode.UNAVAILABLE, "expected a server that is ready, it is not yet")
        if len(self._streams) >= self._settings.max_streams:
            return StreamStatus(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"expected at most {self._settings.max_streams} streams at once",
            )
        return None
