"""The open streams of a server, over all transports: how many, how they ended, and their drain."""

from __future__ import annotations

import asyncio
import functools
import itertools
import math
import random
from collections import Counter
from collections.abc import Callable

import structlog

from gifcue.engine.engine import Engine
from gifcue.protocol.operations import Drained, StreamFigures, StreamPage
from gifcue.server import call_identity
from gifcue.server.settings import ServerSettings
from gifcue.server.stream import FLUSH_S, Stream
from gifcue.server.stream_admission import StreamAdmission
from gifcue.server.stream_rates import WINDOW_S, StreamRates
from gifcue.server.tracing import StreamSpan, Tracing
from gifcue.server.transport import StreamStatus, Transport

log = structlog.get_logger()

# Streams of a page whose figures are read before others get their turn.
_FIGURES_AT_ONCE = 16


class Streams:
    """Owns the open streams. `clock` is the engine's, in seconds; `chance` chooses which streams move. `gif_base_url`
    goes before the addresses of GIFs that are only a path.
    """

    def __init__(
        self,
        engine: Engine,
        settings: ServerSettings,
        clock: Callable[[], float],
        *,
        gif_base_url: str = "",
        tracing: Tracing | None = None,
        chance: random.Random | None = None,
    ) -> None:
        self._gif_base_url = gif_base_url
        self._tracing = tracing or Tracing()
        self._engine = engine
        self._settings = settings
        self._clock = clock
        self._chance = chance or random.Random()
        # In the order in which they were opened, each with its number in it.
        self._streams: dict[Stream, int] = {}
        self._numbers = itertools.count()
        # Streams that were asked to move, each with the task that ends it.
        self._moving: dict[Stream, asyncio.Task[None]] = {}
        self._asked = 0
        self._rates = StreamRates()
        self._admission = StreamAdmission(engine, settings, clock, self._chance)
        self._is_draining = False
        self._is_refusing = False
        self._closed_holding_dropped = 0
        self._closed_details_dropped = 0
        self._ended: Counter[str] = Counter()

    async def serve(self, transport: Transport) -> None:
        """Serves a stream to its end, the status included. Called by the transports, in a task of the stream's own.

        `call_identity` says who the caller is, and in which trace.
        """
        kind = transport.peer.partition(":")[0]
        name = kind if kind in ("websocket", "whip") else "grpc"  # gRPC names the kind of the address
        with self._tracing.stream(call_identity.trace.get(), name) as span:
            await self._serve(transport, span)

    async def _serve(self, transport: Transport, span: StreamSpan) -> None:
        refusal = self.refusal()
        if refusal is not None:
            self._ended[refusal.code.name] += 1
            log.info("stream refused", peer=transport.peer, status=refusal.code.name)
            span.end(refusal)
            await transport.close(refusal)
            return
        stream = Stream(
            self._engine, self._settings, self._clock, transport, self._gif_base_url, self._tracing
        )
        self._streams[stream] = next(self._numbers)
        try:
            await stream.run()
        finally:
            del self._streams[stream]
            self._closed_holding_dropped += stream.holding_dropped
            self._closed_details_dropped += stream.details_dropped
            self._ended[stream.status.code.name] += 1
            span.end(stream.status, **_span_figures(stream))

    @property
    def count(self) -> int:
        """Streams open, those included that have not sent their configuration."""
        return len(self._streams)

    @property
    def ended(self) -> dict[str, int]:
        """Streams that have ended since the start, refused ones included, by the name of their gRPC status."""
        return dict(self._ended)

    @property
    def refused(self) -> dict[str, int]:
        """Streams that were refused when they opened, since the start, by reason."""
        return self._admission.refused

    @property
    def moving(self) -> int:
        """Open streams that were asked to move."""
        return len(self._moving)

    @property
    def asked_to_move(self) -> int:
        """Streams that were asked to move since the start."""
        return self._asked

    @property
    def refuses(self) -> bool:
        """True while new streams are refused because of a drain."""
        return self._is_draining or self._is_refusing

    @property
    def is_ending(self) -> bool:
        """True once the server stops, which is not to be undone."""
        return self._is_draining

    @property
    def holding_dropped(self) -> int:
        """HOLDING events that gave way to newer ones or to the bound, on all streams since the start."""
        return self._closed_holding_dropped + sum(stream.holding_dropped for stream in self._streams)

    @property
    def details_dropped(self) -> int:
        """Decisions that lost their details to the bound, on all streams since the start."""
        return self._closed_details_dropped + sum(stream.details_dropped for stream in self._streams)

    async def follow(self) -> None:
        """Measures the rates of the streams until it is cancelled."""
        while True:
            await asyncio.sleep(WINDOW_S)
            self.sample()

    def sample(self) -> None:
        """Takes a sample of what each stream has received, for its rate."""
        sessions = (stream.session for stream in self._streams)
        received = {each.session_id: each.received for each in sessions if each is not None}
        self._rates.sample(self._clock(), received)

    async def page(self, size: int, first: int = 0) -> StreamPage:
        """Figures of at most `size` streams, those opened first at first. `first` is the token of the page."""
        opened = [(stream, number) for stream, number in self._streams.items() if stream.session is not None]
        # A token is a number in the order of opening, so that it holds where the stream has ended meanwhile.
        following = [(stream, number) for stream, number in opened if number >= first]
        figures: list[StreamFigures] = []
        for index, (stream, _) in enumerate(following[:size]):
            if index and index % _FIGURES_AT_ONCE == 0:
                await asyncio.sleep(0)
            figures.append(self._figures(stream))
        token = str(following[size][1]) if len(following) > size else ""
        return StreamPage(tuple(figures), token, len(opened))

    def ask_to_move(self, share: float, timeout_s: float) -> Drained:
        """Asks a share of the streams, 0..1, to move to another server; those that were asked before do not count.

        A stream is served no longer: what is in flight is finished, and it ends with OK, or after `timeout_s`. With the
        share 1 new streams are refused, until `accept`.
        """
        staying = [stream for stream in self._streams if stream not in self._moving]
        if share >= 1:
            self._is_refusing = True
        # What binary fractions add must not move a stream more: 0.07 * 100 is 7.000000000000001.
        count = min(len(staying), math.ceil(share * len(staying) - 1e-9))
        until_s = self._clock() + timeout_s
        for stream in self._chance.sample(staying, count):
            task = asyncio.create_task(stream.drain(until_s), name="stream move")
            self._moving[stream] = task
            task.add_done_callback(functools.partial(self._on_moved, stream))
        self._asked += count
        return Drained(count, len(staying) - count, round(timeout_s * 1000))

    def accept(self) -> bool:
        """Takes new streams again; False where they were not refused."""
        was_refusing, self._is_refusing = self._is_refusing, False
        return was_refusing

    def refuse(self) -> None:
        """Refuses new streams for good. Open ones go on until `drain`."""
        self._is_draining = True

    async def drain(self, timeout_s: float) -> None:
        """Refuses new streams, sends `Draining` on every stream, lets frames in flight finish, and ends the streams.

        After `timeout_s` the streams end with frames in flight. Returns soon after that, whatever clients do.
        """
        self.refuse()
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

    def _figures(self, stream: Stream) -> StreamFigures:
        session, now_s = stream.session, self._clock()
        assert session is not None, "expected a stream with a configuration"
        summary = session.summary()
        return StreamFigures(
            session_id=session.session_id,
            age_s=now_s - stream.opened_s,
            participants=summary.participants,
            frames_per_s=self._rates.rate(session.session_id, now_s, session.received, stream.opened_s),
            frames=summary.frames,
            reactions=summary.reactions,
            latency_p50_ms=summary.latency_p50_ms,
            latency_p95_ms=summary.latency_p95_ms,
            is_moving=stream in self._moving,
        )

    def _on_moved(self, stream: Stream, task: asyncio.Task[None]) -> None:
        del self._moving[stream]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a stream failed to move", exc_info=error)

    def refusal(self, replaced: Transport | None = None) -> StreamStatus | None:
        """How a stream that opens now is refused, which counts as a refused stream; None where it is served.

        The stream over the transport `replaced`, if it is open, ends before the new one.
        """
        ending = next((each for each in self._streams if each.transport is replaced), None)
        return self._admission.refusal(self._streams, is_draining=self.refuses, replaced=ending)


def _span_figures(stream: Stream) -> dict[str, int]:
    if stream.session is None:
        return {}
    counts = stream.session.frame_counts()
    return {
        "frames.received": counts.received,
        "frames.analysed": counts.analysed,
        "frames.dropped": sum(counts.dropped.values()),
    }
