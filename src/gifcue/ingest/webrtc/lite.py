"""ICE-lite (RFC 8445): all peers come to one UDP port of this end, and this end never looks for them.

A peer proves with each check that it knows the password of its session. Nothing is sent to an address before a check
came from it: candidates that an offer names are not read. So an offer cannot make this end send anything anywhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import secrets
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from aioice.candidate import candidate_foundation, candidate_priority
from aioice.ice import get_host_addresses

from gifcue.ingest.rtp.udp import Address, UdpSocket
from gifcue.ingest.webrtc.ice import DatagramPath, IceCredentials, IceFailed
from gifcue.ingest.webrtc.stun import Check, answer_to, is_stun, plain_address, read_check

# Addresses of one peer that datagrams are taken from: those of its interfaces, and those it changes to. A further one
# takes the place of the one that the peer checked longest ago.
MAX_ADDRESSES = 8
# Datagrams of one peer that wait to be decrypted. More wait only where the event loop is late by a second.
MAX_DATAGRAMS_WAITING = 512
# Datagrams that are taken before other work of the event loop has its turn.
_BATCH = 32
# Seconds without a datagram after which a peer is gone. Peers check every 2 to 15 s that this end is there.
SILENCE_S = 30.0


class LitePort:
    """One UDP port for any number of peers. Use it with `async with`.

    `addresses` are those that peers are told; by default those of this machine.

    Raises, when it is entered:
        ListenError: the port cannot be opened.
    """

    def __init__(self, host: str, port: int, addresses: Sequence[str] = ()) -> None:
        self._host = host
        self._wanted_port = port
        self._addresses = tuple(addresses)
        self._socket: UdpSocket | None = None
        self._peers: dict[str, LiteIce] = {}  # by this end's user name
        self._paths: dict[tuple[str, int], LiteIce] = {}  # by the peer's address
        self._dropped: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        self._socket = UdpSocket(self._host, self._wanted_port, self._on_datagram)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for peer in list(self._peers.values()):
            await peer.close()
        if self._socket is not None:
            self._socket.close()

    @property
    def port(self) -> int:
        """The port that is open."""
        assert self._socket is not None
        return self._socket.port

    @property
    def dropped(self) -> Mapping[str, int]:
        """Datagrams of no peer, and those that came too fast, by reason."""
        return +self._dropped

    def open(self) -> LiteIce:
        """This end of a new connection."""
        return LiteIce(self)

    # Called by LiteIce

    def candidates(self) -> Sequence[str]:
        """Values of `a=candidate` lines, the first address first."""
        lines = []
        for preference, host in enumerate(self._reachable()):
            foundation = candidate_foundation("host", "udp", host)[:8]
            priority = candidate_priority(1, "host", 65535 - preference)
            lines.append(f"{foundation} 1 udp {priority} {host} {self.port} typ host")
        return lines

    def add(self, peer: LiteIce) -> None:
        """The peer may come from now on."""
        self._peers[peer.local.username] = peer

    def remove(self, peer: LiteIce) -> None:
        """Nothing of the peer is taken any longer."""
        self._peers.pop(peer.local.username, None)
        self._paths = {address: each for address, each in self._paths.items() if each is not peer}

    def forget(self, address: tuple[str, int]) -> None:
        """Nothing is taken from the address until it sends a check again."""
        self._paths.pop(address, None)

    def count(self, reason: str) -> None:
        """A datagram was of no use."""
        self._dropped[reason] += 1

    def send(self, datagram: bytes, to: Address) -> None:
        """Sends from the port."""
        if self._socket is not None:
            self._socket.send(datagram, to)

    def _reachable(self) -> Sequence[str]:
        if self._addresses:
            return self._addresses
        listening = ipaddress.ip_address(self._host)
        if not listening.is_unspecified:
            return (self._host,)
        found = get_host_addresses(use_ipv4=True, use_ipv6=listening.version == 6)
        usable = [each for each in found if not ipaddress.ip_address(each).is_link_local]
        return usable or ("127.0.0.1",)

    def _on_datagram(self, datagram: bytes, sender: Address) -> None:
        if is_stun(datagram):
            self._on_stun(datagram, sender)
            return
        peer = self._paths.get(sender[:2])
        if peer is None or not datagram:
            self.count("unknown_address")
        else:
            peer.take(datagram)

    def _on_stun(self, datagram: bytes, sender: Address) -> None:
        check = read_check(datagram)
        if check is None:
            # Among them are indications that peers keep their path open with.
            peer = self._paths.get(sender[:2])
            if peer is None:
                self.count("no_check")
            else:
                peer.is_heard()
            return
        peer = self._peers.get(check.to)
        # Nothing is answered here. RFC 8489 asks for an error, but an answer to whoever knows no password would go to
        # any address that a sender pretends to have.
        if peer is None or not check.is_signed_with(peer.local.password):
            self.count("refused_check")
            return
        if self._paths.get(sender[:2]) not in (None, peer) or not peer.checked(check, sender):
            self.count("refused_address")
            return
        self._paths[sender[:2]] = peer
        self.send(answer_to(check, (plain_address(sender[0]), sender[1]), peer.local.password), sender)


class LiteIce:
    """This end of one connection. See `gifcue.ingest.webrtc.ice.Ice`."""

    is_lite = True
    role = "controlled"

    def __init__(self, port: LitePort) -> None:
        self.local = IceCredentials(secrets.token_hex(8), secrets.token_hex(16))
        self._port = port
        self._loop = asyncio.get_running_loop()
        self._remote: IceCredentials | None = None
        self._addresses: dict[tuple[str, int], None] = {}  # the one that was checked last is the last
        self._target: Address | None = None
        self._is_nominated = False
        self._reachable = asyncio.Event()
        self._waiting: deque[bytes] = deque()
        self._arrived = asyncio.Event()
        self._at_once = 0
        self._heard_s = 0.0
        self._silence: asyncio.TimerHandle | None = None
        self._is_closed = False

    @property
    def path(self) -> DatagramPath:
        return self

    async def gather(self) -> Sequence[str]:
        return self._port.candidates()

    async def add_candidate(self, candidate: str) -> None:
        """Does nothing: the peer comes by itself."""

    async def connect(self, remote: IceCredentials, *, remote_is_lite: bool) -> None:
        if remote_is_lite:
            raise IceFailed("expected a peer with full ICE, got one with a=ice-lite")
        self._remote = remote
        self._port.add(self)
        await self._reachable.wait()
        if self._is_closed:
            raise IceFailed("expected a path to the peer, got the end of the connection")
        self._watch()

    async def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._port.remove(self)
            if self._silence is not None:
                self._silence.cancel()
            self._reachable.set()
            self._arrived.set()

    # Called by the port

    def checked(self, check: Check, sender: Address) -> bool:
        """Takes a check whose signature is right. False where it is of somebody else."""
        if self._remote is None or check.by != self._remote.username:
            return False
        address = (sender[0], sender[1])
        if address in self._addresses:
            del self._addresses[address]
        elif len(self._addresses) >= MAX_ADDRESSES:
            # The address that is sent to stays, whatever its age: only the peer chooses another one.
            used = None if self._target is None else self._target[:2]
            oldest = next(each for each in self._addresses if each != used)
            del self._addresses[oldest]
            self._port.forget(oldest)
        self._addresses[address] = None
        # Until the peer has chosen a path, the first one is as good as any.
        if self._target is None or (check.nominates and not (self._is_nominated and self._target == sender)):
            self._target = sender
            self._is_nominated = check.nominates
        self.is_heard()
        self._reachable.set()
        return True

    def is_heard(self) -> None:
        """The peer is there."""
        self._heard_s = self._loop.time()

    def take(self, datagram: bytes) -> None:
        """DTLS or media of the peer."""
        self.is_heard()
        if len(self._waiting) >= MAX_DATAGRAMS_WAITING:
            self._port.count("too_fast")
            return
        self._waiting.append(datagram)
        self._arrived.set()

    # Called by aiortc's DTLS transport

    async def _recv(self) -> bytes:
        while not self._waiting:
            if self._is_closed:
                raise ConnectionError("expected an open path, got a closed one")
            self._at_once = 0
            self._arrived.clear()
            await self._arrived.wait()
        self._at_once += 1
        if self._at_once >= _BATCH:
            self._at_once = 0
            await asyncio.sleep(0)
        return self._waiting.popleft()

    async def _send(self, data: bytes) -> None:
        if self._target is None or self._is_closed:
            raise ConnectionError("expected an open path, got none")
        with contextlib.suppress(OSError):
            self._port.send(data, self._target)

    def _watch(self) -> None:
        """Closes the path once the peer has been silent for too long."""
        left_s = self._heard_s + SILENCE_S - self._loop.time()
        if left_s > 0:
            self._silence = self._loop.call_later(left_s, self._watch)
            return
        self._is_closed = True
        self._port.remove(self)
        self._arrived.set()
