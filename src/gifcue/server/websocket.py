"""GET /stream: StreamReactions over WebSocket. `gifcue.server.streams` serves the streams.

Host and Origin are checked before the upgrade (`http_access`). The token and the quotas are checked after it, because a
page cannot read the answer to a handshake that fails, but it can read a close frame.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from aiohttp import hdrs, web

from gifcue.access.bearer import SUBPROTOCOL, bearer_token, websocket_token
from gifcue.access.control import StreamAccess
from gifcue.access.grants import Scope
from gifcue.access.peers import Peer
from gifcue.access.refusals import AccessRefused, Reason, Unauthenticated
from gifcue.server import call_identity
from gifcue.server.access_guard import AccessGuard
from gifcue.server.http_access import peer_of
from gifcue.server.http_stills import error_answer
from gifcue.server.status_codes import status_of
from gifcue.server.streams import Streams
from gifcue.server.tracing import trace_context
from gifcue.server.transport import ConnectionLost, StreamStatus
from gifcue.server.websocket_transport import Socket, WebSocketTransport

WEBSOCKET_PATH = "/stream"
# The version of RFC 6455.
_VERSION = "13"


class WebSocketHandler:
    """The handler. `max_message_bytes` bounds one message from a client."""

    def __init__(self, streams: Streams, guard: AccessGuard, max_message_bytes: int) -> None:
        self._streams = streams
        self._guard = guard
        self._max_message_bytes = max_message_bytes

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serves a stream to its end, or answers what is no handshake with an error."""
        fault = _handshake_fault(request)
        if fault is not None:
            return fault
        peer = peer_of(self._guard, request)
        websocket = Socket(SUBPROTOCOL, self._max_message_bytes)
        await websocket.prepare(request)
        try:
            transport = WebSocketTransport(request, websocket, self._max_message_bytes)
        except ConnectionLost:
            return websocket
        try:
            access = self._enter(request, peer)
        except AccessRefused as error:
            self._guard.control.record(error, peer)
            await transport.close(_refusal(error))
            return websocket
        # aiohttp runs each request in a task and so in a context of its own.
        call_identity.caller.set(access.caller)
        call_identity.stream_access.set(access)
        call_identity.trace.set(trace_context(request.headers))
        try:
            await self._streams.serve(transport)
        finally:
            access.close()
        return websocket

    def _enter(self, request: web.Request, peer: Peer) -> StreamAccess:
        caller = self._guard.control.authenticate(Scope.STREAM, _token(request), peer)
        return self._guard.control.open_stream(caller)


def _token(request: web.Request) -> str | None:
    """The token of a handshake: among its subprotocols, or in a header, which clients other than browsers can set.

    Raises:
        Unauthenticated: there is more than one, or none that is well formed.
    """
    proposed = websocket_token(_proposed(request))
    header = bearer_token(request.headers.getall(hdrs.AUTHORIZATION, []))
    if proposed is not None and header is not None:
        raise Unauthenticated(
            Reason.MALFORMED_TOKEN, "expected one token, got one as a subprotocol and one in a header"
        )
    return proposed or header


def _proposed(request: web.BaseRequest) -> Sequence[str]:
    return [
        each.strip()
        for header in request.headers.getall(hdrs.SEC_WEBSOCKET_PROTOCOL, [])
        for each in header.split(",")
    ]


def _handshake_fault(request: web.BaseRequest) -> web.Response | None:
    """The answer to a request that aiohttp must not see as a handshake; None for others.

    aiohttp logs the subprotocols of a client that does not propose the server's, and with them the token.
    """
    headers = request.headers
    if headers.get(hdrs.UPGRADE, "").strip().lower() != "websocket":
        answer = error_answer(426, "expected a WebSocket handshake, got another request")
        answer.headers[hdrs.UPGRADE] = "websocket"
        return answer
    if headers.get(hdrs.SEC_WEBSOCKET_VERSION) != _VERSION:
        answer = error_answer(426, f"expected version {_VERSION} of WebSocket, got another one")
        answer.headers[hdrs.SEC_WEBSOCKET_VERSION] = _VERSION
        return answer
    lines = headers.getall(hdrs.SEC_WEBSOCKET_PROTOCOL, [])
    if len(lines) > 1:
        return error_answer(400, f"expected one header Sec-WebSocket-Protocol, got {len(lines)}")
    if lines and SUBPROTOCOL not in _proposed(request):
        return error_answer(400, f"expected the subprotocol {SUBPROTOCOL} among those proposed, got others")
    return None


def _refusal(error: AccessRefused) -> StreamStatus:
    """How a stream ends that is refused."""
    return StreamStatus(status_of(error).grpc, str(error), math.ceil((error.retry_after_s or 0.0) * 1000))
