"""Everything about access that one server owns: keys, certificates, rules for hosts and proxies, and their changes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import structlog

from gifcue.access.control import AccessControl
from gifcue.access.hosts import HostRules
from gifcue.access.peers import Peer, TrustedProxies
from gifcue.access.refusals import AccessRefused
from gifcue.access.watch import KeysWatcher
from gifcue.delivery.settings import DeliverySettings
from gifcue.engine.throttle import Throttle
from gifcue.server.config import Settings
from gifcue.server.exposure import check_exposure
from gifcue.server.tls import tls_of

log = structlog.get_logger()

# Seconds between two checks whether the token of an open stream is still valid.
_SWEEP_INTERVAL_S = 1.0
# Seconds between two log lines about the same peer that is refused for the same reason.
_LOG_INTERVAL_S = 10.0


class AccessGuard:
    """`clock` is the engine's, in seconds; `now_s` gives seconds since the epoch.

    Raises:
        ConfigError: a file is missing or wrong, or a port is exposed without protection.
    """

    def __init__(
        self, settings: Settings, clock: Callable[[], float], now_s: Callable[[], float] = time.time
    ) -> None:
        server, access = settings.server, settings.access
        for problem in check_exposure(server, access):
            log.warning("insecure: whoever reaches this port may use it", problem=problem)
        self._interval_s = access.reload_interval_s
        self._keys = None if access.keys is None else KeysWatcher(access.keys)
        self._log = Throttle(_LOG_INTERVAL_S, clock)
        self.tls = tls_of(server)
        self.proxies = TrustedProxies(server.trusted_proxies)
        self.hosts = HostRules(
            (*server.allowed_hosts, *_public_hosts(settings.delivery)), server.allowed_origins
        )
        self.control = AccessControl(
            access,
            None if self._keys is None else self._keys.keys,
            now_s=now_s,
            clock=clock,
            on_refused=self._log_refusal,
        )

    async def follow(self) -> None:
        """Takes changed keys and certificates, and ends streams whose token has expired. Never returns."""
        waited_s = 0.0
        while True:
            await asyncio.sleep(_SWEEP_INTERVAL_S)
            waited_s += _SWEEP_INTERVAL_S
            if waited_s >= self._interval_s:
                waited_s = 0.0
                await self.look()
            self.control.sweep()

    async def look(self) -> None:
        """Reads keys and certificates and takes what has changed and is sound."""
        if self._keys is not None:
            keys = await asyncio.to_thread(self._keys.look)
            if keys is not None:
                self.control.use(keys)
        if self.tls is not None:
            await asyncio.to_thread(self.tls.look)

    def _log_refusal(self, error: AccessRefused, peer: Peer) -> None:
        count = self._log.admit((error.reason, peer.key))
        if count:
            log.warning("caller refused", reason=error.reason.value, peer=str(peer), count=count)


def _public_hosts(delivery: DeliverySettings) -> tuple[str, ...]:
    """The host of the address under which receivers fetch GIFs."""
    host = urlsplit(str(delivery.public_url or "")).hostname
    return (host,) if host else ()
