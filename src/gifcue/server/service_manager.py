"""What a server tells systemd: that it is ready, that it stops, and that it lives (sd_notify(3)).

Each message is a datagram to the socket that NOTIFY_SOCKET names. Without one, nobody is told. The protocol is a few
lines, and the packages for it are either unmaintained or need libsystemd.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable, Mapping

import structlog

log = structlog.get_logger()


class ServiceManager:
    """The service manager of this process. `environment` names its socket and how often it wants a sign of life."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self.watchdog_s = _watchdog_s(environment) if self._address else 0.0

    def tell(self, *messages: str) -> None:
        """Sends messages such as READY=1 together. A socket that cannot be written to is logged and changes nothing."""
        if not self._address:
            return
        # An abstract socket's name begins with a zero byte, which a variable cannot hold.
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        try:
            with contextlib.closing(
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            ) as end:
                end.setblocking(False)
                end.sendto("\n".join(messages).encode(), address)
        except OSError as error:
            log.warning("the service manager could not be told", error=type(error).__name__)

    async def keep_alive(
        self, is_alive: Callable[[], bool], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """Gives signs of life while `is_alive`, until it is cancelled. Returns at once where none are wanted.

        A blocked event loop gives none either, so that the service manager restarts the process.
        """
        while self.watchdog_s:
            if is_alive():
                self.tell("WATCHDOG=1")
            await sleep(self.watchdog_s / 2)


def _watchdog_s(environment: Mapping[str, str]) -> float:
    """Seconds within which a sign of life has to come; 0: none has to."""
    value, process = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not value.isdecimal() or (process and process != str(os.getpid())):
        return 0.0
    return int(value) / 1e6
