"""Why a caller is refused."""

from __future__ import annotations

import enum

from gifcue.errors import GifcueError


class Reason(enum.StrEnum):
    """Why a caller is refused. The values are labels of the metric `gifcue_refused_total`."""

    # No token came where one is needed.
    NO_TOKEN = "no_token"
    # The token is too long, not of a known form, or names a key that does not exist.
    MALFORMED_TOKEN = "malformed_token"
    # No key that the server knows has signed the token, or it is none of its static tokens.
    UNKNOWN_TOKEN = "unknown_token"
    # The signature does not fit the token.
    WRONG_SIGNATURE = "wrong_signature"
    # The token has expired.
    EXPIRED_TOKEN = "expired_token"
    # The token is not valid yet.
    EARLY_TOKEN = "early_token"
    # The token is for another service, or from another issuer.
    WRONG_AUDIENCE = "wrong_audience"
    # The token or its key was withdrawn while a stream was open.
    WITHDRAWN_TOKEN = "withdrawn_token"
    # The token does not grant what the call does.
    WRONG_SCOPE = "wrong_scope"
    # The token does not grant the room.
    WRONG_ROOM = "wrong_room"
    # The token does not grant a label.
    WRONG_LABEL = "wrong_label"
    # The caller has too many streams, participants, joins or stills.
    STREAMS = "streams"
    PARTICIPANTS = "participants"
    JOINS = "joins"
    STILLS = "stills"
    # The peer watches the health of the server too often at once.
    WATCHES = "watches"
    # The request names a host or an origin that the server does not serve.
    HOST = "host"
    ORIGIN = "origin"
    # The headers of proxies contradict each other.
    FORWARDED = "forwarded"


class AccessRefused(GifcueError):
    """A caller is refused for `reason`. `retry_after_s` says when to come back, None where that does not help."""

    def __init__(self, reason: Reason, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry_after_s = retry_after_s


class Unauthenticated(AccessRefused):
    """Who calls is not known: the token is missing or not valid."""


class Forbidden(AccessRefused):
    """Who calls is known, and may not do this."""


class OverQuota(AccessRefused):
    """The caller has used up what it is allowed at the moment."""

    retryable = True


class BadRequest(AccessRefused):
    """What names the caller is contradictory."""


class Misdirected(AccessRefused):
    """The request is for a host that this server does not serve."""
