"""The connections of a client to its servers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import grpc
import grpc.aio
import structlog

from gifcue.client.exceptions import ServerError, ServerUnavailable
from gifcue.client.health_watch import HealthWatch
from gifcue.client.options import ConnectionOptions
from gifcue.client.placement import Placement
from gifcue.client.servers import Resolver, Server, resolve
from gifcue.client.tokens import TokenSource

log = structlog.get_logger()

# Seconds for which an answer of the resolver is used.
_RESOLVED_FOR_S = 1.0
# Seconds after which a resolver that does not answer is given up.
_RESOLVE_LIMIT_S = 5.0
# Seconds for which a connection waits for the resolver where servers are known.
_PATIENCE_S = 0.3


class ServerPool:
    """One channel for each server in use, and the health of the servers that streams may need.

    A channel of a server that the resolver no longer names is closed once no stream uses it.
    """

    def __init__(
        self,
        resolver: Resolver,
        options: ConnectionOptions,
        tokens: TokenSource,
        *,
        watches: bool,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._resolver = resolver
        self._options = options
        self._tokens = tokens
        self._watches = watches
        self._clock = clock
        self._sleep = sleep
        self.placement = Placement(clock)
        self._resolved_until_s = float("-inf")
        self._resolving: asyncio.Task[None] | None = None
        self._channels: dict[Server, Any] = {}
        self._users: dict[Server, int] = {}
        self._wanted: dict[object, frozenset[Server]] = {}
        self._watched: dict[Server, tuple[HealthWatch, asyncio.Task[None]]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def refresh(self) -> None:
        """Brings the placement's servers up to date. Where the resolver fails, they stay as they were.

        Raises:
            ServerError: the resolver failed, and no server is known.
            ClientError: what it returned are no servers, and none is known.
            Exception: the resolver raised something else, and no server is known.
        """
        if self._clock() < self._resolved_until_s:
            return
        if self._resolving is None:
            self._resolving = asyncio.create_task(self._resolve(), name="gifcue-resolving")
            self._resolving.add_done_callback(self._resolved)
        resolving = self._resolving
        # Known servers do not wait for a resolver that hangs. It goes on meanwhile.
        limit_s = _PATIENCE_S if self.placement.servers else None
        await asyncio.wait({resolving}, timeout=limit_s)
        if resolving.cancelled():
            raise ServerUnavailable("UNAVAILABLE", "expected an open client, got one that is closed")
        if resolving.done():
            resolving.result()

    def channel(self, server: Server) -> Any:
        """The channel to this server."""
        channel = self._channels.get(server)
        if channel is None:
            arguments = self._options.channel_arguments(server.name)
            if self._options.tls is None:
                channel = grpc.aio.insecure_channel(server.address, options=arguments)
            else:
                credentials = self._options.tls.credentials()
                channel = grpc.aio.secure_channel(server.address, credentials, options=arguments)
            self._channels[server] = channel
        return channel

    def hold(self, server: Server) -> None:
        """A stream uses this server's channel, until `release`."""
        self._users[server] = self._users.get(server, 0) + 1

    def release(self, server: Server) -> None:
        """A stream no longer uses this server's channel."""
        self._users[server] -= 1
        if not self._users[server]:
            del self._users[server]

    def want(self, stream: object, servers: Iterable[Server]) -> None:
        """A stream may need these servers, so their health is followed. An empty list ends that."""
        self._wanted[stream] = frozenset(servers)
        if not self._wanted[stream]:
            del self._wanted[stream]
        self._follow_wanted()

    def ended(self, server: Server, problem: ServerError, was_ready: bool) -> None:
        """A stream on this server ended with an error."""
        if self.placement.ended(server, problem, was_ready) and server in self._watched:
            self._watched[server][0].ask_again()

    async def close(self) -> None:
        """Ends all watches and closes all channels."""
        tasks = {task for _, task in self._watched.values()}
        if self._resolving is not None:
            tasks.add(self._resolving)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._watched.clear()
        for channel in self._channels.values():
            await channel.close()
        self._channels.clear()
        if self._closing:
            await asyncio.wait(self._closing)

    async def _resolve(self) -> None:
        try:
            async with asyncio.timeout(_RESOLVE_LIMIT_S):
                servers = await resolve(self._resolver)
        except Exception as error:  # a resolver is the caller's code and may raise anything
            if self.placement.servers:
                log.warning("servers not resolved", error=str(error) or type(error).__name__)
                self._resolved_until_s = self._clock() + _RESOLVED_FOR_S
                return
            if isinstance(error, ServerError) or not isinstance(error, OSError | TimeoutError):
                raise
            reason = str(error) or f"no answer within {_RESOLVE_LIMIT_S:g} s"
            raise ServerUnavailable(
                "UNAVAILABLE", f"expected servers of the resolver, got: {reason}"
            ) from error
        self.placement.update(servers)
        self._resolved_until_s = self._clock() + _RESOLVED_FOR_S
        self._follow_wanted()
        self._close_unused()

    def _resolved(self, resolving: asyncio.Task[None]) -> None:
        self._resolving = None
        if not resolving.cancelled():
            resolving.exception()  # nobody may wait for it any more

    def _follow_wanted(self) -> None:
        if not self._watches:
            return
        present = set(self.placement.servers)
        wanted = {server for servers in self._wanted.values() for server in servers} & present
        for server in self._watched.keys() - wanted:
            self._watched.pop(server)[1].cancel()
        for server in wanted - self._watched.keys():
            watch = HealthWatch(
                self.channel(server),
                self._tokens.metadata(None),
                lambda is_serving, server=server: self.placement.health(server, is_serving),  # type: ignore[misc]
                lambda server=server: self.placement.suspect(server),  # type: ignore[misc]
                self._sleep,
            )
            task = asyncio.create_task(watch.follow(), name="gifcue-health")
            self._watched[server] = watch, task

    def _close_unused(self) -> None:
        present = set(self.placement.servers)
        for server in self._channels.keys() - present - self._users.keys():
            task = asyncio.create_task(self._channels.pop(server).close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
