"""What a token grants: scopes, rooms and labels."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from gifcue.access.refusals import Forbidden, Reason

# Rooms or labels that one token or key names, and characters of a name. A token has a limit of its own.
MAX_NAMES = 256
MAX_NAME_LENGTH = 256
ALL_ROOMS = ("*",)


class Scope(enum.StrEnum):
    """What a caller may do."""

    # Open streams.
    STREAM = "stream"
    # Send stills.
    ANNOTATE = "annotate"
    # Read figures: status, metrics and open streams.
    OBSERVE = "observe"
    # That, and everything else that the operators' ports offer, such as to drain the server.
    OPERATE = "operate"


@dataclass(frozen=True, slots=True)
class Grant:
    """What one token grants.

    `identity` names the caller for quotas: tokens of one key and subject share it. `source` is the key or the static
    token that vouches for it. `rooms` holds patterns, each an exact name or a prefix that ends with "*". `labels` None
    means every label of the server. `expires_s` is in seconds since the epoch, None for a static token without an end.
    """

    identity: str
    source: object
    scopes: frozenset[Scope]
    rooms: tuple[str, ...]
    labels: frozenset[str] | None
    expires_s: float | None

    def require_scope(self, scope: Scope) -> None:
        """Raises Forbidden where the token does not grant `scope`."""
        enough = {scope, Scope.OPERATE} if scope is Scope.OBSERVE else {scope}
        if not enough & self.scopes:
            got = " ".join(sorted(self.scopes)) or "none"
            raise Forbidden(Reason.WRONG_SCOPE, f"expected a token with the scope {scope}, got {got}")

    def require_room(self, room_id: str) -> None:
        """Raises Forbidden where the token does not grant this room. The message does not list other rooms."""
        if not matches_room(self.rooms, room_id):
            raise Forbidden(
                Reason.WRONG_ROOM, "expected a room that the token grants, got another one (room_id)"
            )


def matches_room(patterns: Iterable[str], room_id: str) -> bool:
    """Whether a room matches one of the patterns. Names are compared character by character, as they are written."""
    return any(
        room_id.startswith(pattern[:-1]) if pattern.endswith("*") else room_id == pattern
        for pattern in patterns
    )


def scopes_of(names: Iterable[str]) -> frozenset[Scope]:
    """The scopes with these names.

    Raises:
        ValueError: a name is none of a scope.
    """
    known = {scope.value: scope for scope in Scope}
    given = list(names)
    for name in given:
        if name not in known:
            raise ValueError(f"expected scopes out of {', '.join(known)}")
    return frozenset(known[name] for name in given)


def names_of(value: object) -> tuple[str, ...]:
    """A list of names, as a token or the keys file has them.

    Raises:
        ValueError: it is no list of strings, or longer than the limits.
    """
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError("expected a list of strings")
    if len(value) > MAX_NAMES or any(len(each) > MAX_NAME_LENGTH for each in value):
        raise ValueError(f"expected at most {MAX_NAMES} names of {MAX_NAME_LENGTH} characters")
    return tuple(value)
