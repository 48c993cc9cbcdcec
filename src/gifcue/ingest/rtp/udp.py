"""An open UDP socket, read in batches."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import struct
from collections.abc import Callable
from typing import Any

from gifcue.errors import GifcueError

Address = tuple[Any, ...]
Received = Callable[[bytes, Address], None]

# Bytes that the kernel may hold for the socket. A keyframe of 200 kB comes within a millisecond.
_SOCKET_BUFFER_BYTES = 4 * 1024 * 1024
# The largest datagram of UDP.
_MAX_DATAGRAM_BYTES = 65_535
# Datagrams that are read before other work of the event loop has its turn. The rest waits in the kernel.
_BATCH = 128


class ListenError(GifcueError):
    """A port that cannot be opened."""


class UdpSocket:
    """Calls `received` for each datagram, from its opening until `close`. Joins the group where `host` is multicast.

    One wake-up of the event loop reads all datagrams that wait: a frame's packets come together.

    Raises:
        ListenError: the address is none of this machine, or the port is taken.
    """

    def __init__(self, host: str, port: int, received: Received) -> None:
        self._received = received
        self._loop = asyncio.get_running_loop()
        self._socket = _opened(host, port)
        self._loop.add_reader(self._socket.fileno(), self._read)

    @property
    def port(self) -> int:
        """The port that is open."""
        return int(self._socket.getsockname()[1])

    def send(self, datagram: bytes, to: Address) -> None:
        """Sends, or drops the datagram where the kernel has no room or no way: the caller repeats what matters."""
        with contextlib.suppress(OSError):
            self._socket.sendto(datagram, to)

    def close(self) -> None:
        """Can be called more than once."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def _read(self) -> None:
        receive, received = self._socket.recvfrom, self._received
        for _ in range(_BATCH):
            try:
                datagram, peer = receive(_MAX_DATAGRAM_BYTES)
            except BlockingIOError:
                return
            except OSError:
                # An ICMP error for feedback that was sent: its receiver is gone. Video may still come.
                continue
            received(datagram, peer)


def _opened(host: str, port: int) -> socket.socket:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise ListenError(f"expected an IP address to listen on, got {host!r}") from None
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_DGRAM)
    try:
        opened.setblocking(False)
        with contextlib.suppress(OSError):
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SOCKET_BUFFER_BYTES)
        if address.is_multicast:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((host, port))
        if address.is_multicast:
            _join_group(opened, address)
    except (OSError, OverflowError) as error:
        opened.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise ListenError(f"expected a free UDP port at {host}:{port}, got: {reason}") from None
    return opened


def _join_group(opened: socket.socket, group: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    if group.version == 6:
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group.packed + struct.pack("@I", 0))
    else:
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group.packed + bytes(4))
