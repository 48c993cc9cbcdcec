"""Who may teach. A taught gesture changes what the server does for everybody, so that this is a matter of operators."""

from __future__ import annotations

from aiohttp import web

from gifcue.access.hosts import is_loopback
from gifcue.server import call_identity
from gifcue.server.access_guard import AccessGuard
from gifcue.server.exposure import is_exposed
from gifcue.server.settings import ServerSettings

# Headers by which a proxy says whom it stands for. Without tokens nobody vouches for such a caller.
_PROXIED = ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Forwarded", "Via")


class TeachAccess:
    """With tokens, the middleware of access control has required the scope `operate` already."""

    def __init__(self, settings: ServerSettings, guard: AccessGuard) -> None:
        self._mode = settings.teaching
        self._is_exposed = is_exposed(settings.http_listen)
        self._guard = guard

    def is_valid(self) -> bool:
        """Whether the token of the present call still holds. Always True where there are no tokens."""
        caller = call_identity.caller.get()
        return caller is None or self._guard.control.is_valid(caller)

    def problem(self, request: web.Request) -> str | None:
        """Why the caller may not teach; None where it may."""
        if self._mode == "never":
            return "expected a server on which gestures may be taught, server.teaching forbids it"
        if self._mode == "always" or self._guard.control.needs_tokens:
            return None
        is_proxied = any(name in request.headers for name in _PROXIED)
        is_own = request.remote is not None and is_loopback(request.remote)
        if self._is_exposed or is_proxied or not is_own:
            return (
                "expected a port that this machine alone reaches, because this server asks for no tokens: listen on "
                '127.0.0.1, set access.keys, or accept it with server.teaching = "always" (docs/access.md)'
            )
        return None
