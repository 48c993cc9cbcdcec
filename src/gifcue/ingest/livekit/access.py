"""Tokens for LiveKit: signed here from an API key and its secret, or one that somebody else has signed."""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt

from gifcue.errors import ConfigError

# A token is needed to enter only. LiveKit renews the one of a session by itself.
TOKEN_S = 600
# Clocks of two machines differ.
CLOCK_SKEW_S = 30
MAX_TOKEN_BYTES = 16 * 1024
_TOKEN = re.compile(r"[\w-]{16,}\.[\w-]{16,}\.[\w-]{16,}")


@dataclass(frozen=True, slots=True)
class LiveKitAccess:
    """An API key with its secret, or a token for the room. The secret and the token are never printed."""

    api_key: str | None = None
    api_secret: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)


class Tokens:
    """The tokens of one room. `identity` is the name under which this side is in the room.

    Raises:
        ConfigError: there is neither a token nor a key with its secret, or the token is not for the room.
    """

    def __init__(self, access: LiveKitAccess, room: str, identity: str) -> None:
        self._key = access.api_key
        self._secret = access.api_secret
        self._given = access.token
        self._room = room
        self._identity = identity
        if self._given is not None:
            _check(self._given, room)
        elif not (self._key and self._secret):
            raise ConfigError(
                "expected a token, or an API key and its secret of LiveKit, got "
                + ("no secret" if self._key else "no key" if self._secret else "none")
            )

    def join(self) -> str:
        """To enter the room unseen, to receive and to send nothing.

        The kind `agent` lets LiveKit close the room once everybody else has left: any other participant keeps it open.
        """
        if self._given is not None:
            return self._given
        grants = {
            "roomJoin": True,
            "room": self._room,
            "hidden": True,
            "canSubscribe": True,
            "canPublish": False,
            "canPublishData": False,
            "canUpdateOwnMetadata": False,
        }
        return self._signed({"sub": self._identity, "name": self._identity, "kind": "agent", "video": grants})

    def admin(self) -> str:
        """To send data messages to everybody in the room. A given token must allow that by itself (`roomAdmin`)."""
        if self._given is not None:
            return self._given
        return self._signed({"sub": self._identity, "video": {"roomAdmin": True, "room": self._room}})

    def renew(self, token: str) -> None:
        """LiveKit has renewed the token of the session. Takes the place of a given one, which expires."""
        if self._given is not None and 0 < len(token) <= MAX_TOKEN_BYTES:
            self._given = token

    def without(self, text: str) -> str:
        """`text` without a token that this side has sent: LiveKit repeats it in some errors."""
        return _TOKEN.sub("***", text)

    def _signed(self, claims: Mapping[str, Any]) -> str:
        now = int(time.time())
        whole = {"iss": self._key, "nbf": now - CLOCK_SKEW_S, "exp": now + TOKEN_S, **claims}
        with warnings.catch_warnings():
            # `livekit-server --dev` has a secret of six characters. LiveKit warns of short ones itself.
            warnings.simplefilter("ignore", jwt.InsecureKeyLengthWarning)
            return jwt.encode(whole, self._secret or "", algorithm="HS256")


def _check(token: str, room: str) -> None:
    """Only LiveKit can verify a token; that it is meant for the room can be seen here."""
    if len(token) > MAX_TOKEN_BYTES:
        raise ConfigError(f"expected a token of at most {MAX_TOKEN_BYTES} bytes, got {len(token)}")
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError as error:
        raise ConfigError(f"expected a token of LiveKit (JWT), got: {error}") from None
    grants = claims.get("video")
    named = grants.get("room") if isinstance(grants, dict) else None
    if named != room:
        raise ConfigError(f"expected a token for the room {room!r}, got one for {str(named)[:80]!r}")
