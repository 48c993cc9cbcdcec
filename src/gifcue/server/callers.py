"""Who a caller is, for limits that hold for each caller: the address of its host, without the port."""

from __future__ import annotations

from urllib.parse import unquote

from aiohttp import web

# Callers on a Unix socket, and callers whose address is not known, share their limits.
UNKNOWN = "unknown"


def caller_of_peer(peer: str) -> str:
    """The caller by what gRPC calls the peer: "ipv4:192.0.2.1:53412", "ipv6:%5B2001:db8::1%5D:53412", "unix:"."""
    kind, _, address = unquote(peer).partition(":")
    if kind not in ("ipv4", "ipv6"):
        return UNKNOWN
    return address.rpartition(":")[0].strip("[]") or UNKNOWN


def caller_of_request(request: web.BaseRequest) -> str:
    """The caller of an HTTP request."""
    return request.remote or UNKNOWN
