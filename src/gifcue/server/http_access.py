"""Access control of HTTP: the rules for hosts, origins and tokens, before a handler reads a body."""

from __future__ import annotations

import math
from collections.abc import Mapping

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from gifcue.access.bearer import bearer_token
from gifcue.access.grants import Scope
from gifcue.access.peers import Peer, parse_address
from gifcue.access.refusals import AccessRefused, BadRequest, Reason, Unauthenticated
from gifcue.server import call_identity
from gifcue.server.access_guard import AccessGuard
from gifcue.server.status_codes import status_of

# What needs no token: probes, pages, and GIFs, which browsers and meeting servers fetch by their address alone.
OPEN = None
SCOPES: Mapping[str, Scope | None] = {
    "/healthz": OPEN,
    "/readyz": OPEN,
    "/gifs": OPEN,
    "/": OPEN,
    "/live": OPEN,
    "/teach": OPEN,
    "/tap": OPEN,
    "/operate": OPEN,
    "/static/{path}": OPEN,
    # The handler checks the token after the upgrade: a page cannot read the answer to a handshake that fails.
    "/stream": OPEN,
    # The handler checks the token: pages of other sites ask without it whether they may call, and read its refusals.
    "/whip/{room}": OPEN,
    "/whip/{room}/{participant}": OPEN,
    "/whip/{room}/{participant}/{session}": OPEN,
    "/annotations": Scope.ANNOTATE,
    "/metrics": Scope.OBSERVE,
    "/operator/v1/status": Scope.OBSERVE,
    "/operator/v1/streams": Scope.OBSERVE,
}
# Requests below it that change something have to come from a page of the same port.
_ACTIONS = "/operator/"
# Probes of orchestrators may name any host, and their answer is no secret.
_ANY_HOST = frozenset({"/healthz", "/readyz"})


def access_middleware(guard: AccessGuard) -> Middleware:
    """The middleware for an application. A path that is not in `SCOPES` needs the scope of operators."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        peer = Peer(None if request.remote is None else parse_address(request.remote))
        try:
            peer = peer_of(guard, request)
            _enter(guard, request, peer)
        except AccessRefused as error:
            guard.control.record(error, peer)
            return refusal(error)
        return await handler(request)

    return check


def peer_of(guard: AccessGuard, request: web.BaseRequest) -> Peer:
    """Who sent a request: the peer of the connection, or the one that a trusted proxy names.

    Raises:
        BadRequest: the headers of proxies contradict each other.
    """
    connection = None if request.remote is None else parse_address(request.remote)
    headers = request.headers
    return guard.proxies.peer_of(
        connection, headers.getall("X-Forwarded-For", []), headers.getall("Forwarded", [])
    )


def check_site(guard: AccessGuard, request: web.BaseRequest) -> None:
    """Raises AccessRefused for a host or an origin that is not served."""
    hosts = request.headers.getall(hdrs.HOST, [])
    origins = request.headers.getall(hdrs.ORIGIN, [])
    if len(hosts) > 1 or len(origins) > 1:
        raise BadRequest(Reason.HOST, "expected one Host and at most one Origin header, got several")
    host = hosts[0] if hosts else None
    guard.hosts.check_host(host)
    guard.hosts.check_origin(origins[0] if origins else None, host)


def refusal(error: AccessRefused) -> web.Response:
    """The answer to a request that is refused."""
    answer = web.json_response({"error": str(error)}, status=status_of(error).http)
    if isinstance(error, Unauthenticated):
        answer.headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
    if error.retry_after_s is not None:
        answer.headers[hdrs.RETRY_AFTER] = str(math.ceil(error.retry_after_s))
    return answer


def _enter(guard: AccessGuard, request: web.Request, peer: Peer) -> None:
    resource = request.match_info.route.resource
    if resource is None:  # no such path or method, which the handler answers
        return
    path = resource.canonical
    if path not in _ANY_HOST:
        check_site(guard, request)
    if path.startswith(_ACTIONS) and request.method not in (hdrs.METH_GET, hdrs.METH_HEAD):
        headers = request.headers
        guard.hosts.check_same_site(headers.get(hdrs.ORIGIN), headers.get(hdrs.HOST))
    scope = SCOPES.get(path, Scope.OPERATE)
    if scope is not OPEN:
        token = bearer_token(request.headers.getall(hdrs.AUTHORIZATION, []))
        call_identity.caller.set(guard.control.authenticate(scope, token, peer))
