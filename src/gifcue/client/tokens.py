"""The token that a client's calls carry."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable

from gifcue.client.exceptions import ClientError

# Called for every call and every connection. Where it raises ServerUnavailable, a reconnecting stream tries again.
TokenProvider = Callable[[], str | Awaitable[str]]
Metadata = tuple[tuple[str, str], ...]


class TokenSource:
    """Gives each call its metadata. `token` is a token, or what provides one."""

    def __init__(self, token: str | TokenProvider | None, metadata: Metadata) -> None:
        self._token = token
        self._metadata = metadata

    async def current(self) -> str | None:
        """The token at the moment.

        Raises:
            ClientError: it cannot be sent. The message does not hold it.
        """
        token = self._token() if callable(self._token) else self._token
        if inspect.isawaitable(token):
            token = await token
        if token is None:
            return None
        token = token.strip()
        if not token or not token.isascii() or not token.isprintable():
            raise ClientError("expected a token of printable ASCII characters, got another text or none")
        return token

    def metadata(self, token: str | None) -> Metadata | None:
        """The metadata of a call with this token; None where there is nothing to send."""
        bearer = () if token is None else (("authorization", f"Bearer {token}"),)
        return (*self._metadata, *bearer) or None
