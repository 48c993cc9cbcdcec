"""The servers to which one stream connects, attempt after attempt."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any, Protocol

from gifcue.client.exceptions import ServerError
from gifcue.client.options import Backoff, ConnectionOptions
from gifcue.client.placement import says_it_is_lost
from gifcue.client.pool import ServerPool
from gifcue.client.rendezvous import room_key
from gifcue.client.servers import Server
from gifcue.client.stream import ReactionStream
from gifcue.client.tokens import TokenSource
from gifcue.protocol.requests import StreamOptions
from gifcue.protocol.resume import RoomState
from gifcue.v1 import reaction_service_pb2_grpc

# Servers of a room's order whose health is followed while its stream is open.
_WATCHED = 3
# Attempts in a row without a pause worth the name, each at another server or after a drain.
_QUICK_ATTEMPTS = 3
# Seconds, at most, before such an attempt: the streams of a server that died do not all come in one moment.
_QUICK_PAUSE_S = 0.1
# Seconds for which an attempt waits for the server's Ready where another one may lead to another server; twice as many
# after each that failed.
_PATIENCE_S = 3.0
_MAX_EXPONENT = 16
# Share by which a pause that a server asked for is prolonged at most, so that not all callers return at once.
_SPREAD = 0.2


def placement_key(options: StreamOptions) -> str:
    """By what a stream is placed: its room, or without one a place of its own."""
    return room_key(options.room_id) or secrets.token_hex(8)


class Route(Protocol):
    """Where a reconnecting stream connects, one attempt after the other."""

    async def next(self, resume: RoomState) -> ReactionStream:
        """The stream of the next attempt, not entered yet. `resume` is what its room keeps from the server before.

        Raises:
            ServerError: no server is known at the moment.
        """

    def opened(self) -> None:
        """The stream of the last attempt is open."""

    def held(self) -> None:
        """That stream has been open for so long that failures before it count no more. Before `draining`, `failed`."""

    def draining(self) -> None:
        """Its server asked for the stream to move: the next attempt goes to another one, if there is one."""

    def failed(self, problem: ServerError) -> None:
        """The last attempt failed, or its connection was lost."""

    @property
    def has_other(self) -> bool:
        """Whether a usable server is left that was not tried since a connection held."""

    def pause_s(self, attempt: int) -> float:
        """Seconds before attempt number `attempt`, counted from 1 since the last connection that worked."""

    def close(self) -> None:
        """There will be no further attempt."""


class PlacedRoute:
    """The `Route` of one stream through a pool of servers, of which there may be only one."""

    def __init__(
        self,
        pool: ServerPool,
        options: StreamOptions,
        connection: ConnectionOptions,
        tokens: TokenSource,
        backoff: Backoff,
    ) -> None:
        self._pool = pool
        self._options = options
        self._connection = connection
        self._tokens = tokens
        self._backoff = backoff
        self._key = placement_key(options)
        self._tried: set[Server] = set()
        self._last: Server | None = None
        self._quick = 0
        self._slow = 0
        self._is_moving = False
        self._has_opened = False
        self._is_open = False
        # Seconds asked for by the server that ended a stream for what it did itself; None where that is not so.
        self._own_pause_s: float | None = None

    async def next(self, resume: RoomState) -> ReactionStream:
        await self._pool.refresh()
        placement = self._pool.placement
        if not self.has_other:
            self._tried.clear()
        server = placement.choose(self._key, self._tried)
        self._tried.add(server)
        self._last = server
        self._is_open = False
        self._pool.want(self, {server, *placement.order(self._key)[:_WATCHED]})
        connection = self._connection
        # Behind a single address there may be a proxy, so another attempt there can lead to another server as well.
        if self.has_other or self._has_opened:
            failures = max(0, self._slow - 1)  # the first slow attempt comes before any failure to connect
            patience_s = _PATIENCE_S * 2.0 ** min(failures, _MAX_EXPONENT)
            connection = replace(connection, open_timeout_s=min(patience_s, connection.open_timeout_s))
        seat = PlacedSeat(self._pool, self._key, server)
        return ReactionStream(seat, replace(self._options, resume=resume), connection, self._tokens)

    def opened(self) -> None:
        self._has_opened = self._is_open = True

    def held(self) -> None:
        self._tried.clear()
        self._quick = self._slow = 0

    def draining(self) -> None:
        self._is_moving = True
        if self._last is not None:
            self._tried.add(self._last)

    def failed(self, problem: ServerError) -> None:
        if self._last is None or self._is_moving:
            return
        if self._is_open and not says_it_is_lost(problem, was_ready=True):
            # What the stream did itself speaks against no server: it stays where its room is, after a pause.
            self._tried.discard(self._last)
            self._own_pause_s = problem.retry_after_s or 0.0
        elif problem.retryable:
            self._tried.add(self._last)

    @property
    def has_other(self) -> bool:
        return self._pool.placement.has_other(self._tried)

    def pause_s(self, attempt: int) -> float:
        # A drain is no failure: also a single address, that of a proxy, leads to another server then. But servers that
        # ask every new stream to move are not asked without end.
        is_moving, self._is_moving = self._is_moving, False
        own_pause_s, self._own_pause_s = self._own_pause_s, None
        can_be_quick = is_moving or (own_pause_s is None and self.has_other)
        if can_be_quick and self._quick < _QUICK_ATTEMPTS:
            self._quick += 1
            return _QUICK_PAUSE_S * self._backoff.uniform()
        self._slow += 1
        busy_s = max(self._pool.placement.busy_s(), own_pause_s or 0.0)
        return max(self._backoff.delay_s(self._slow), busy_s * (1 + _SPREAD * self._backoff.uniform()))

    def close(self) -> None:
        self._pool.want(self, ())


class PlacedSeat:
    """The `Seat` of one stream: on `server`, or on the one that `key` prefers when the stream is entered."""

    def __init__(self, pool: ServerPool, key: str, server: Server | None = None) -> None:
        self._pool = pool
        self._key = key
        self._server = server
        self._is_held = False

    async def stub(self) -> Any:
        if self._server is None:
            await self._pool.refresh()
            self._server = self._pool.placement.choose(self._key)
        self._pool.hold(self._server)
        self._is_held = True
        return reaction_service_pb2_grpc.ReactionServiceStub(self._pool.channel(self._server))

    def ended(self, problem: BaseException | None, was_ready: bool) -> None:
        if self._server is None or not self._is_held:
            return
        self._is_held = False
        self._pool.release(self._server)
        if isinstance(problem, ServerError):
            self._pool.ended(self._server, problem, was_ready)
