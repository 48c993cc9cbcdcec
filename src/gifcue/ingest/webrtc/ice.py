"""What a connection needs of ICE (RFC 8445), and full ICE by aiortc, for peers that this end looks for."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from aioice import Candidate
from aiortc import RTCIceCandidate, RTCIceGatherer, RTCIceServer, RTCIceTransport
from aiortc.rtcicetransport import RTCIceParameters, candidate_from_aioice, candidate_to_aioice

# Candidates of a peer that are tried. Each one costs some datagrams to the address that it names.
MAX_CANDIDATES = 32


class IceFailed(ConnectionError):
    """No path to the peer was found, or the one that was found is lost."""


@dataclass(frozen=True, slots=True)
class IceCredentials:
    """The user name and the password of one end."""

    username: str
    password: str


class DatagramPath(Protocol):
    """Datagrams to and from the peer, in the shape that aiortc's DTLS transport needs (`aiortc.RTCIceTransport`)."""

    @property
    def role(self) -> str:
        """`controlling` or `controlled`."""
        ...

    async def _recv(self) -> bytes: ...

    async def _send(self, data: bytes) -> None: ...


class Ice(Protocol):
    """One end of a connection. Called in this order: `gather`, `connect`, `close`."""

    is_lite: bool

    @property
    def local(self) -> IceCredentials:
        """What the peer must know."""
        ...

    @property
    def path(self) -> DatagramPath:
        """The path that `connect` found. Reading raises ConnectionError once it is lost."""
        ...

    async def gather(self) -> Sequence[str]:
        """This end's candidates, as values of `a=candidate` lines."""
        ...

    async def add_candidate(self, candidate: str) -> None:
        """A candidate of the peer. One that cannot be used is left out."""
        ...

    async def connect(self, remote: IceCredentials, *, remote_is_lite: bool) -> None:
        """Returns once there is a path to the peer. May take for ever.

        Raises:
            IceFailed: there is none.
        """
        ...

    async def close(self) -> None:
        """Ends the path. Can be called more than once."""
        ...


class FullIce:
    """ICE that looks for the peer at its candidates. For peers that are trusted: what they name is contacted.

    `servers` are addresses of STUN and TURN servers, such as `stun:stun.example.org:3478`; TURN needs a server object.
    """

    is_lite = False

    def __init__(self, servers: Sequence[RTCIceServer] = ()) -> None:
        self._servers = servers
        self._gatherer, self._transport = self._begun()
        self._path = LatestPath(self._transport)
        self._candidates = 0

    @property
    def local(self) -> IceCredentials:
        parameters = self._gatherer.getLocalParameters()
        assert parameters.usernameFragment is not None
        assert parameters.password is not None
        return IceCredentials(parameters.usernameFragment, parameters.password)

    @property
    def path(self) -> DatagramPath:
        return self._path

    async def restart(self) -> None:
        """Begins anew (RFC 8445 section 2.4): `local`, `gather` and `add_candidate` belong to a new session, and
        `connect` moves `path` over to it. Until then, `path` is that of the session before.
        """
        if self._transport is not self._path.transport:
            await self._transport.stop()  # one that never connected
        self._gatherer, self._transport = self._begun()
        self._candidates = 0

    async def gather(self) -> Sequence[str]:
        await self._gatherer.gather()
        return [candidate_to_aioice(each).to_sdp() for each in self._gatherer.getLocalCandidates()]

    async def add_candidate(self, candidate: str) -> None:
        """See Ice. At most `MAX_CANDIDATES` are used."""
        found = _parsed(candidate)
        if found is None or self._candidates >= MAX_CANDIDATES:
            return
        self._candidates += 1
        with contextlib.suppress(ValueError, OSError):
            await self._transport.addRemoteCandidate(found)

    async def connect(self, remote: IceCredentials, *, remote_is_lite: bool) -> None:
        # RFC 8445 section 6.1.1: the end that offers is the controlling one, unless it is lite.
        self._transport._connection.ice_controlling = remote_is_lite
        await self._transport.start(RTCIceParameters(remote.username, remote.password, remote_is_lite))
        if self._transport.state != "completed":
            raise IceFailed(f"expected a path to the peer, got ICE {self._transport.state}")
        await self._path.go_over(self._transport)

    async def close(self) -> None:
        await self._transport.stop()
        await self._path.transport.stop()

    def _begun(self) -> tuple[RTCIceGatherer, RTCIceTransport]:
        # A list, also where it is empty: without one, aiortc asks a public server.
        gatherer = RTCIceGatherer(list(self._servers))
        return gatherer, RTCIceTransport(gatherer)


class LatestPath:
    """The path of the ICE session that connected last. Encryption goes on over it where ICE begins anew."""

    def __init__(self, transport: RTCIceTransport) -> None:
        self.transport = transport

    @property
    def role(self) -> str:
        """Of the present ICE session."""
        return self.transport.role

    async def go_over(self, transport: RTCIceTransport) -> None:
        """Leaves the path before."""
        before, self.transport = self.transport, transport
        if before is not transport:
            await before.stop()  # who reads from it goes over

    async def _recv(self) -> bytes:
        while True:
            transport = self.transport
            try:
                return await transport._recv()
            except ConnectionError:
                if transport is self.transport:
                    raise

    async def _send(self, data: bytes) -> None:
        await self.transport._send(data)


def _parsed(candidate: str) -> RTCIceCandidate | None:
    """The candidate of `candidate:1 1 udp 2130706431 192.0.2.1 50000 typ host`; None where it is none over UDP."""
    try:
        read = Candidate.from_sdp(candidate.removeprefix("candidate:"))
    except ValueError:
        return None
    is_usable = read.transport.lower() == "udp" and read.component == 1 and 0 < read.port < 65536
    return candidate_from_aioice(read) if is_usable else None
