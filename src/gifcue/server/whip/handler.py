"""WHIP over HTTP (RFC 9725). docs/ingest.md describes it for senders.

POST    /whip/{room}/{participant}            an offer → 201 with the answer, and the session's address in Location
DELETE  /whip/{room}/{participant}/{session}  ends the session
GET     /whip/{room}                          the reactions of the room's senders, as server-sent events
OPTIONS on each of them                       what browsers ask before a page of another site may call

PATCH is answered with 405: this end is ICE-lite, so it needs no candidates of the sender, and it cannot restart ICE.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from urllib.parse import quote

from aiohttp import hdrs, web

from gifcue.access.bearer import bearer_token
from gifcue.access.control import Caller
from gifcue.access.grants import Scope
from gifcue.access.peers import Peer, parse_address
from gifcue.access.refusals import AccessRefused
from gifcue.engine.settings import LimitSettings
from gifcue.ingest.rtp.sdp import SdpError
from gifcue.server.access_guard import AccessGuard
from gifcue.server.http_access import peer_of, refusal
from gifcue.server.http_stills import error_answer
from gifcue.server.streams import Streams
from gifcue.server.whip.events import MAX_LISTENERS_PER_CALLER, RoomEvents, server_sent
from gifcue.server.whip.sessions import LIMITS, Asked, Refused, WhipSession, WhipSessions

ENDPOINT = "/whip/{room}/{participant}"
SESSION = "/whip/{room}/{participant}/{session}"
ROOM = "/whip/{room}"
SDP = "application/sdp"
# Seconds for the whole body of an offer.
_BODY_S = 5.0
# When to come back where the server does not take streams at the moment.
_LATER_S = 2
# Seconds of silence after which a listener gets a comment, and for which it may leave one unread.
_SILENCE_S = 15.0
_WRITE_S = 10.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class WhipHandler:
    """The handlers. Host and Origin are checked before (`http_access`); the token is checked here, so that a page can
    read why it was refused. `labels` gives the labels that this server knows.
    """

    def __init__(
        self,
        sessions: WhipSessions,
        events: RoomEvents,
        streams: Streams,
        guard: AccessGuard,
        limits: LimitSettings,
        labels: Callable[[], Collection[str]],
    ) -> None:
        self._sessions = sessions
        self._events = events
        self._streams = streams
        self._guard = guard
        self._limits = limits
        self._labels = labels
        self._refused: Counter[str] = Counter()

    @property
    def refused(self) -> Mapping[str, int]:
        """Requests since the start that were refused, by the status of HTTP. Refusals by tokens and quotas are counted
        with all others of the server.
        """
        return self._refused

    def add_to(self, application: web.Application) -> None:
        """Adds the routes."""
        for path, method, handler in (
            (ENDPOINT, hdrs.METH_POST, self._open),
            (SESSION, hdrs.METH_DELETE, self._end),
            (ROOM, hdrs.METH_GET, self._listen),
        ):
            application.router.add_route(method, path, self._guarded(handler))
            application.router.add_route(hdrs.METH_OPTIONS, path, self._options(method))

    def _guarded(self, handler: Handler) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                answer = await handler(request)
            except AccessRefused as error:
                connection = None if request.remote is None else parse_address(request.remote)
                self._guard.control.record(error, Peer(connection))
                answer = refusal(error)
            except Refused as error:
                self._refused[str(error.status)] += 1
                answer = error_answer(error.status, str(error))
                if error.retry_after_s is not None:
                    answer.headers[hdrs.RETRY_AFTER] = str(error.retry_after_s)
            except SdpError as error:
                self._refused["400"] += 1
                answer = error_answer(400, str(error))
            if not answer.prepared:
                _allow_site(request, answer)
            return answer

        return handle

    def _options(self, method: str) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            answer = web.Response(status=204)
            if method == hdrs.METH_POST:
                answer.headers["Accept-Post"] = SDP
            _allow_site(request, answer)
            answer.headers[hdrs.ACCESS_CONTROL_ALLOW_METHODS] = f"{method}, OPTIONS"
            answer.headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = "Authorization, Content-Type, If-Match"
            answer.headers[hdrs.ACCESS_CONTROL_MAX_AGE] = "600"
            return answer

        return handle

    async def _open(self, request: web.Request) -> web.StreamResponse:
        caller = self._caller(request)
        room, participant = self._name(request, "room"), self._name(request, "participant")
        if caller.grant is not None:
            caller.grant.require_room(room)
        labels = self._allowed(request, caller)
        previous = self._sessions.replaced_by(room, participant, caller.key)
        status = self._streams.refusal(None if previous is None else previous.transport)
        if status is not None:
            raise Refused(503, status.details, math.ceil(status.retry_after_ms / 1000))
        offer = await _body(request)
        # Again, because the session may have ended meanwhile. Nothing is awaited from here until the sessions check.
        replaces = self._sessions.replaced_by(room, participant, caller.key) is not None
        access = self._guard.control.open_stream(caller, replaces=replaces)
        client = request.headers.get(hdrs.USER_AGENT, "")
        name = f"WHIP {client}".encode()[: self._limits.max_name_bytes].decode(errors="ignore")
        session = await self._sessions.open(
            Asked(room, participant, labels, offer, name, str(caller.peer), access)
        )
        # Relative, because a proxy may have put a prefix before the address that the sender knows.
        location = f"{quote(participant, safe='')}/{session.id}"
        return web.Response(
            status=201,
            text=session.answer,
            content_type=SDP,
            headers={hdrs.LOCATION: location, hdrs.ETAG: f'"{session.id[:8]}"'},
        )

    async def _end(self, request: web.Request) -> web.StreamResponse:
        session = self._session(request, self._caller(request))
        await self._sessions.close(session, "deleted")
        return web.Response(status=200)

    async def _listen(self, request: web.Request) -> web.StreamResponse:
        caller = self._caller(request)
        room = self._name(request, "room")
        if caller.grant is not None:
            caller.grant.require_room(room)
        if self._events.count_of(caller.key) >= MAX_LISTENERS_PER_CALLER:
            raise Refused(
                429, f"expected at most {MAX_LISTENERS_PER_CALLER} listeners of one caller at once", _LATER_S
            )
        listener = self._events.open(room, caller.key)
        if listener is None:
            raise Refused(503, "expected fewer listeners at once", _LATER_S)
        try:
            response = web.StreamResponse(
                headers={
                    hdrs.CONTENT_TYPE: "text/event-stream",
                    hdrs.CACHE_CONTROL: "no-store",
                    "X-Accel-Buffering": "no",
                }
            )
            _allow_site(request, response)
            await response.prepare(request)
            event = server_sent("ready", {"room_id": room})
            while not listener.is_cut and self._guard.control.is_valid(caller):
                try:
                    async with asyncio.timeout(_WRITE_S):
                        await response.write(event)
                except TimeoutError:
                    listener.is_cut = True
                    break
                try:
                    async with asyncio.timeout(_SILENCE_S):
                        event = await listener.take()
                except TimeoutError:
                    event = b": nothing new\n\n"
            if listener.is_cut and request.transport is not None:
                request.transport.abort()
            return response
        finally:
            self._events.close(listener)

    def _caller(self, request: web.Request) -> Caller:
        peer = peer_of(self._guard, request)
        token = bearer_token(request.headers.getall(hdrs.AUTHORIZATION, []))
        return self._guard.control.authenticate(Scope.STREAM, token, peer)

    def _session(self, request: web.Request, caller: Caller) -> WhipSession:
        info = request.match_info
        session = self._sessions.find(info["room"], info["participant"], info["session"])
        # One of another caller is answered as one that does not exist.
        if session is None or session.caller != caller.key:
            raise Refused(404, "expected a session of this caller, got the address of none")
        return session

    def _name(self, request: web.Request, part: str) -> str:
        name = request.match_info[part]
        size, most = len(name.encode()), self._limits.max_name_bytes
        if not 0 < size <= most:
            raise Refused(400, f"{part}: expected 1 to {most} bytes, got {size}")
        return name

    def _allowed(self, request: web.Request, caller: Caller) -> tuple[str, ...]:
        """The labels that the sender agrees to: those of its address, or those that its token names."""
        granted = None if caller.grant is None else caller.grant.labels
        known = self._labels()
        usable = sorted(each for each in known if granted is None or each in granted)
        given = request.query.getall("labels", [])
        if not given and granted is not None:
            return tuple(usable)
        labels = list(dict.fromkeys(each for part in given for each in part.split(",") if each))
        if not labels:
            example = ",".join(usable[:2])
            raise Refused(
                400, f"expected the labels that the participant agrees to, as in ?labels={example}; got none"
            )
        wrong = [each for each in labels if each not in usable]
        if wrong:
            raise Refused(400, f"labels: expected some of {', '.join(usable)}, got {wrong[0][:64]!r}")
        return tuple(labels)


def _allow_site(request: web.Request, answer: web.StreamResponse) -> None:
    """Lets a page of the request's site read the answer. Sites that may not call are refused before."""
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None:
        answer.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
        answer.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = "Location, ETag, Retry-After"
        answer.headers[hdrs.VARY] = hdrs.ORIGIN


async def _body(request: web.Request) -> str:
    """The offer. Read in parts, so that no more than an offer is ever kept."""
    most = LIMITS.offer.total_bytes
    if request.content_type != SDP:
        raise Refused(415, f"expected {SDP}, got {request.content_type[:80]}")
    if hdrs.CONTENT_ENCODING in request.headers:
        raise Refused(415, "expected a body without Content-Encoding, got one with it")
    if request.content_length is not None and request.content_length > most:
        raise Refused(413, f"expected at most {most} bytes, got {request.content_length}")
    data = bytearray()
    try:
        async with asyncio.timeout(_BODY_S):
            async for chunk in request.content.iter_chunked(16 * 1024):
                data += chunk
                if len(data) > most:
                    raise Refused(413, f"expected at most {most} bytes, got more")
        return data.decode()
    except TimeoutError:
        raise Refused(408, f"expected the body within {math.ceil(_BODY_S)} s") from None
    except UnicodeDecodeError:
        raise Refused(400, "expected an offer in UTF-8, got other bytes") from None
