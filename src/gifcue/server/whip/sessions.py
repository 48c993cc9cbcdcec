"""The WHIP senders, from their offer to their end."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from gifcue.access.control import StreamAccess
from gifcue.ingest.webrtc.connection import PeerConnection, PeerLimits
from gifcue.ingest.webrtc.lite import LitePort
from gifcue.ingest.webrtc.track import VideoTrack
from gifcue.protocol.requests import StreamOptions
from gifcue.server import call_identity
from gifcue.server.streams import Streams
from gifcue.server.whip.events import RoomEvents
from gifcue.server.whip.transport import WhipTransport

log = structlog.get_logger()

# What a WHIP sender may make this server do: one track of video, in a small offer.
LIMITS = PeerLimits()
# Seconds after which the server gets a message of a sender whose camera is off; a third of its patience at most.
KEEP_ALIVE_S = 15.0


class Refused(Exception):
    """A sender that is not taken. `status` is that of HTTP; `retry_after_s` says when to come back."""

    def __init__(self, status: int, message: str, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Asked:
    """What a sender asks for. `labels` are those that it agrees to; `client` names its product, for the log.

    `peer` is its address and `access` its rights; both are those of the request.
    """

    room: str
    participant: str
    labels: Sequence[str]
    offer: str
    client: str
    peer: str
    access: StreamAccess


class WhipSession:
    """One sender. `done` ends with it."""

    def __init__(self, asked: Asked, connection: PeerConnection) -> None:
        self.id = secrets.token_urlsafe(16)
        self.room = asked.room
        self.participant = asked.participant
        self.key = (asked.room, asked.participant)
        self.caller = asked.access.caller.key
        self.connection = connection
        self.answer = ""
        self.transport: WhipTransport | None = None  # of its stream, once that may have begun
        self.done: asyncio.Task[None] | None = None


class WhipSessions:
    """Owns the sessions. `idle_timeout_s` is after how many seconds the server ends a silent stream, 0 for never."""

    def __init__(
        self,
        port: LitePort,
        streams: Streams,
        events: RoomEvents,
        max_sessions: int,
        idle_timeout_s: float,
    ) -> None:
        self._port = port
        self._streams = streams
        self._events = events
        self._max_sessions = max_sessions
        self._keep_alive_s = min(KEEP_ALIVE_S, idle_timeout_s / 3) if idle_timeout_s else KEEP_ALIVE_S
        self._sessions: dict[str, WhipSession] = {}
        self._opening: set[tuple[str, str]] = set()  # the room and the participant
        self._ended: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()

    @property
    def count(self) -> int:
        """Sessions at the moment, also one whose replacement has begun."""
        return len(self._sessions)

    @property
    def ended(self) -> Mapping[str, int]:
        """Sessions since the start that have ended, by reason."""
        return +self._ended

    @property
    def dropped(self) -> Mapping[str, int]:
        """Packets, datagrams and frames since the start that were of no use, by reason."""
        open_now = [_dropped_by(each.connection) for each in self._sessions.values()]
        return +sum(open_now, self._dropped + Counter(self._port.dropped))

    async def open(self, asked: Asked) -> WhipSession:
        """Takes a sender. Its access is closed with it, also where this raises.

        Raises:
            Refused: there are too many, or the participant is somebody else's, or is being taken already.
            SdpError: its offer cannot be answered.
        """
        try:
            previous = self._check(asked)
            tracks: list[VideoTrack] = []
            connection = PeerConnection(self._port.open(), LIMITS, tracks.append)
            session = WhipSession(asked, connection)
        except BaseException:
            asked.access.close()
            raise
        # Until the previous session has ended: a participant has two at most, whoever posts how often.
        self._opening.add(session.key)
        try:
            try:
                session.answer = await connection.answer(asked.offer)
            except BaseException:
                asked.access.close()
                await connection.close()
                raise
            self._sessions[session.id] = session
            session.done = asyncio.create_task(self._serve(session, asked, tracks[0]), name="WHIP session")
            if previous is not None:
                await self.close(previous, "replaced")
        finally:
            self._opening.remove(session.key)
        return session

    def replaced_by(self, room: str, participant: str, caller: str) -> WhipSession | None:
        """The session that ends where the caller sends the participant anew; None where it has none."""
        for session in self._sessions.values():
            if session.key == (room, participant) and session.caller == caller:
                return session
        return None

    def find(self, room: str, participant: str, name: str) -> WhipSession | None:
        """The session with this id; None where there is none, or it is of another room or participant."""
        session = self._sessions.get(name)
        if session is None or (session.room, session.participant) != (room, participant):
            return None
        return session

    async def close(self, session: WhipSession, reason: str) -> None:
        """Ends a session, and returns once it has ended."""
        await session.connection.close(reason)
        if session.done is not None:
            await asyncio.wait({session.done})

    async def close_all(self) -> None:
        """Ends all of them, because the server stops."""
        await asyncio.gather(*(self.close(each, "server_stops") for each in list(self._sessions.values())))

    def _check(self, asked: Asked) -> WhipSession | None:
        """The session that a new one replaces."""
        key = (asked.room, asked.participant)
        if key in self._opening:
            raise Refused(
                409, "expected one offer of a participant at a time, got another one before its answer", 1
            )
        previous = self.replaced_by(*key, asked.access.caller.key)
        sent = {each.key for each in self._sessions.values()}
        if previous is None and key in sent:
            raise Refused(409, "expected a participant that nobody else sends, got one with a session", 30)
        # A session and the one that replaces it count once, so that a sender can come back where all places are taken.
        if previous is None and len(sent | self._opening) >= self._max_sessions:
            message = f"expected at most {self._max_sessions} WHIP sessions at once (whip.max_sessions)"
            raise Refused(503, message, 5)
        return previous

    async def _serve(self, session: WhipSession, asked: Asked, track: VideoTrack) -> None:
        connection = session.connection
        transport = session.transport = WhipTransport(
            track,
            StreamOptions(room_id=asked.room, client_name=asked.client),
            asked.participant,
            asked.labels,
            peer=f"whip:{asked.peer}",
            keep_alive_s=self._keep_alive_s,
            publish=lambda event: self._events.publish(asked.room, asked.participant, event),
        )
        # The task has a context of its own.
        call_identity.caller.set(asked.access.caller)
        call_identity.stream_access.set(asked.access)
        try:
            if await _is_connected(connection):
                await self._streams.serve(transport)
        except Exception as error:
            log.error("WHIP session failed", exc_info=error)
        finally:
            asked.access.close()
            closing = asyncio.ensure_future(connection.close("stream_ended"))
            del self._sessions[session.id]
            await asyncio.wait({closing})
            self._ended[_reason_of(connection, transport)] += 1
            self._dropped += _dropped_by(connection)
            self._dropped["not_joined"] += transport.not_sent
            log.info(
                "WHIP session ended",
                peer=asked.peer,
                reason=connection.reason,
                connected=connection.connected.is_set(),
                packets=track.receiver.packets,
                frames=track.receiver.units,
                dropped=dict(track.dropped),
            )


async def _is_connected(connection: PeerConnection) -> bool:
    """Waits until the connection is open, or never will be."""
    waits = [asyncio.ensure_future(each.wait()) for each in (connection.connected, connection.closed)]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waits:
            each.cancel()
    return connection.connected.is_set()


def _dropped_by(connection: PeerConnection) -> Counter[str]:
    dropped = Counter(connection.dropped)
    for track in connection.tracks.values():
        dropped.update(track.dropped)
    return dropped


def _reason_of(connection: PeerConnection, transport: WhipTransport) -> str:
    """One of a few reasons, for figures."""
    if not connection.connected.is_set():
        return "not_connected"
    if connection.reason in ("deleted", "replaced", "server_stops"):
        return connection.reason
    if transport.status is not None and transport.status.code.name != "OK":
        return transport.status.code.name.lower()
    return "left"
