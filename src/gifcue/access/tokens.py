"""Reads tokens: JSON Web Tokens signed by a key of the keys file, and static tokens whose digest is in it."""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Callable, Mapping
from typing import Any

import jwt

from gifcue.access.grants import Grant, Scope, names_of, scopes_of
from gifcue.access.keys import Key, KeySet
from gifcue.access.refusals import Reason, Unauthenticated

# Longer tokens are refused before anything is done with them. A token that names twenty rooms takes some 600 bytes.
MAX_TOKEN_BYTES = 4096
# Static tokens begin with this, so that they are told from JWTs and found by scanners for leaked secrets.
STATIC_PREFIX = "gifcue_"
# Characters of `sub`, by which the callers of a key are told apart.
MAX_SUBJECT_LENGTH = 256


class TokenReader:
    """Says what a token grants, given the keys in force.

    Args:
        audience: What `aud` must name; None where tokens need no audience. A token with one is then refused.
        issuer: What `iss` must be; None where any will do.
        leeway_s: How far the clocks of issuer and server may differ.
        now_s: Seconds since the epoch.
    """

    def __init__(
        self,
        *,
        audience: str | None = None,
        issuer: str | None = None,
        leeway_s: float = 0.0,
        now_s: Callable[[], float],
    ) -> None:
        self._audience = audience
        self._issuer = issuer
        self._leeway_s = leeway_s
        self._now_s = now_s

    def read(self, token: str, keys: KeySet) -> Grant:
        """What the token grants.

        Raises:
            Unauthenticated: the token is not valid. The message never holds a part of it.
        """
        # By the characters: an encoded length is at least that.
        if len(token) > MAX_TOKEN_BYTES:
            raise _malformed(f"expected a token of at most {MAX_TOKEN_BYTES} bytes, got {len(token)}")
        if not token.isascii():
            raise _malformed("expected a token of ASCII characters")
        if token.startswith(STATIC_PREFIX):
            return self._static(token, keys)
        return self._signed(token, keys)

    def check_time(self, grant: Grant, grace_s: float = 0.0) -> None:
        """Raises Unauthenticated where the grant expired more than the leeway and `grace_s` ago."""
        if grant.expires_s is not None and self._now_s() >= grant.expires_s + self._leeway_s + grace_s:
            raise Unauthenticated(
                Reason.EXPIRED_TOKEN, "expected a token that is valid, got one that expired"
            )

    def _static(self, token: str, keys: KeySet) -> Grant:
        digest = hashlib.sha256(token.encode()).digest()
        found = None
        # All are compared, each in constant time: how long it takes says nothing about the digests.
        for each in keys.tokens:
            if hmac.compare_digest(each.digest, digest):
                found = each
        if found is None:
            raise Unauthenticated(
                Reason.UNKNOWN_TOKEN, "expected a token that this server knows, got another"
            )
        grant = Grant(f"token {found.name}", found, found.scopes, found.rooms, found.labels, found.expires_s)
        self.check_time(grant)
        return grant

    def _signed(self, token: str, keys: KeySet) -> Grant:
        key = _key_of(token, keys)
        try:
            claims = jwt.decode(
                token,
                key.verifier,
                # From the keys file, never from the token: else its author chooses how it is checked.
                algorithms=[key.algorithm],
                audience=self._audience,
                issuer=self._issuer,
                options={
                    "require": ["exp"],
                    "verify_aud": True,
                    "verify_iss": self._issuer is not None,
                    # The times are checked below, by this server's clock.
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except jwt.InvalidSignatureError:
            raise Unauthenticated(Reason.WRONG_SIGNATURE, "expected a token with a valid signature") from None
        except (jwt.InvalidAudienceError, jwt.InvalidIssuerError):
            raise _wrong_audience() from None
        except jwt.MissingRequiredClaimError as error:
            if error.claim in ("aud", "iss"):
                raise _wrong_audience() from None
            raise _malformed(f"expected a token with the claim `{error.claim}`") from None
        # RecursionError: claims nested a thousand times. UnicodeError and ValueError: numbers and text that are none.
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise _malformed("expected a JSON Web Token (docs/access.md)") from None
        grant = _grant_of(claims, key, token)
        self._check_start(claims)
        self.check_time(grant)
        return grant

    def _check_start(self, claims: Mapping[str, Any]) -> None:
        now_s = self._now_s() + self._leeway_s
        for name in ("nbf", "iat"):
            if name in claims and _time_of(claims, name) > now_s:
                raise Unauthenticated(
                    Reason.EARLY_TOKEN, f"expected a token that is valid already (`{name}`)"
                )


def _key_of(token: str, keys: KeySet) -> Key:
    """The key that the token's header names."""
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        raise _malformed("expected a JSON Web Token (docs/access.md)") from None
    if "crit" in header or "b64" in header:
        raise _malformed("expected a token without `crit` and `b64` in its header")
    name = header.get("kid")
    if name is None:
        # A single key needs no name.
        if len(keys.keys) != 1:
            raise _malformed("expected the name of its key (`kid`) in the token's header")
        key = next(iter(keys.keys.values()))
    else:
        # A look-up and nothing else: a name is no path and no query.
        known = keys.keys.get(name) if isinstance(name, str) else None
        if known is None:
            raise Unauthenticated(
                Reason.UNKNOWN_TOKEN, "expected a token signed by a key of this server (`kid`)"
            )
        key = known
    if header.get("alg") != key.algorithm:
        raise _malformed(f"expected the algorithm of the token's key, {key.algorithm} (`alg`)")
    return key


def _grant_of(claims: Mapping[str, Any], key: Key, token: str) -> Grant:
    scope = claims.get("scope")
    if not isinstance(scope, str):
        raise _malformed('expected the claim `scope`, such as "stream annotate"')
    # Scopes of other services are passed over, as RFC 6749 wants.
    known = {each.value for each in Scope}
    scopes = scopes_of(each for each in scope.split(" ") if each in known) & key.scopes
    try:
        rooms = names_of(claims["rooms"]) if "rooms" in claims else None
        labels = frozenset(names_of(claims["labels"])) if "labels" in claims else None
    except ValueError as error:
        raise _malformed(f"expected `rooms` and `labels` as lists of names: {error}") from None
    if rooms is None and Scope.STREAM in scopes:
        raise _malformed('expected the claim `rooms`, the rooms that the token grants; ["*"] grants all')
    subject = claims.get("sub")
    if isinstance(subject, str) and len(subject) > MAX_SUBJECT_LENGTH:
        raise _malformed(f"expected a subject of at most {MAX_SUBJECT_LENGTH} characters (`sub`)")
    # Callers without a subject are told apart by their token.
    who = subject if isinstance(subject, str) else hashlib.sha256(token.encode()).hexdigest()
    return Grant(
        f"key {key.name} {who}",
        key,
        scopes,
        _bounded(rooms or (), key.rooms),
        labels,
        _time_of(claims, "exp"),
    )


def _bounded(rooms: tuple[str, ...], bounds: tuple[str, ...]) -> tuple[str, ...]:
    """The patterns that match what matches both a pattern of `rooms` and one of `bounds`."""
    return tuple(
        dict.fromkeys(each for room in rooms for bound in bounds if (each := _both(room, bound)) is not None)
    )


def _both(one: str, other: str) -> str | None:
    """The pattern that matches what two patterns both match; None where nothing matches both."""
    for narrow, wide in ((one, other), (other, one)):
        if wide.endswith("*") and narrow.removesuffix("*").startswith(wide[:-1]):
            return narrow
    return one if one == other else None


def _time_of(claims: Mapping[str, Any], name: str) -> float:
    value = claims[name]
    # True is an int in Python, and JSON of Python also reads NaN.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _malformed(f"expected seconds since 1970 (`{name}`)")
    try:
        seconds = float(value)
    except OverflowError:
        seconds = math.inf
    if not math.isfinite(seconds):
        raise _malformed(f"expected seconds since 1970 (`{name}`)")
    return seconds


def _malformed(message: str) -> Unauthenticated:
    return Unauthenticated(Reason.MALFORMED_TOKEN, message)


def _wrong_audience() -> Unauthenticated:
    return Unauthenticated(
        Reason.WRONG_AUDIENCE, "expected a token for this server (`aud`) from its issuer (`iss`)"
    )
