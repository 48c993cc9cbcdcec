"""How a token travels: in a header or metadata, or among the subprotocols of a WebSocket."""

from __future__ import annotations

from collections.abc import Sequence

from gifcue.access.refusals import Reason, Unauthenticated

# A browser cannot set headers of a WebSocket, but it can propose subprotocols.
SUBPROTOCOL = "gifcue.v1"
_TOKEN_SUBPROTOCOL = "gifcue.token."


def bearer_token(authorization: Sequence[str]) -> str | None:
    """The token of all `authorization` headers of a call; None without any.

    Raises:
        Unauthenticated: there is more than one, or another scheme than Bearer.
    """
    if not authorization:
        return None
    if len(authorization) > 1:
        # Which one counts would depend on who reads them, a proxy or this server.
        raise _malformed(f"expected one authorization header, got {len(authorization)}")
    scheme, _, token = authorization[0].strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise _malformed("expected `authorization: Bearer TOKEN`, got another scheme or no token")
    return token.strip()


def websocket_token(subprotocols: Sequence[str]) -> str | None:
    """The token among the subprotocols that a WebSocket client proposes, `gifcue.token.<token>`; None without any.

    The server answers with `SUBPROTOCOL` and never with the one that holds the token.

    Raises:
        Unauthenticated: there is more than one, or an empty one.
    """
    found = [
        each.strip().removeprefix(_TOKEN_SUBPROTOCOL)
        for each in subprotocols
        if each.strip().startswith(_TOKEN_SUBPROTOCOL)
    ]
    if not found:
        return None
    if len(found) > 1 or not found[0]:
        raise _malformed(
            f"expected one subprotocol {_TOKEN_SUBPROTOCOL}TOKEN, got {len(found)} or an empty one"
        )
    return found[0]


def _malformed(message: str) -> Unauthenticated:
    return Unauthenticated(Reason.MALFORMED_TOKEN, message)
