"""The keys file: the keys that sign tokens, and the digests of static tokens.

    [keys.mcu-2026]
    algorithm = "HS256"
    secret = "at least 32 bytes, as gifcue token key writes them"

    [keys.mcu-2027]
    algorithm = "EdDSA"
    public_key = '''-----BEGIN PUBLIC KEY-----…'''
    scopes = ["stream"]

    [tokens.prometheus]
    sha256 = "…"
    scopes = ["operate"]

Messages about the file never quote a value of it: any of them may be a secret.
"""

from __future__ import annotations

import datetime
import hashlib
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from gifcue.access.grants import ALL_ROOMS, Scope, names_of, scopes_of
from gifcue.errors import ConfigError

MAX_FILE_BYTES = 1024 * 1024
# Keys and static tokens in one file. Every static token is compared with what a caller sends.
MAX_ENTRIES = 1024
# RFC 7518, 3.2: a key of HS256 has at least as many bits as its hash.
MIN_SECRET_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
# A key that was made to sign streams must not sign operators' tokens unless the file says so.
_DEFAULT_KEY_SCOPES = frozenset({Scope.STREAM, Scope.ANNOTATE})


@dataclass(frozen=True, slots=True)
class Key:
    """A key that signs tokens. `scopes` and `rooms` bound what its tokens can grant. `verifier` is secret for HS256."""

    name: str
    algorithm: str
    verifier: bytes | Ed25519PublicKey
    scopes: frozenset[Scope]
    rooms: tuple[str, ...]
    fingerprint: bytes

    def __repr__(self) -> str:
        return f"Key({self.name!r}, {self.algorithm})"


@dataclass(frozen=True, slots=True)
class StaticToken:
    """A static token: its SHA-256 digest, which does not tell the token, and what it grants."""

    name: str
    digest: bytes
    scopes: frozenset[Scope]
    rooms: tuple[str, ...]
    labels: frozenset[str] | None
    expires_s: float | None


@dataclass(frozen=True, slots=True)
class KeySet:
    """Everything that vouches for callers."""

    keys: Mapping[str, Key]
    tokens: tuple[StaticToken, ...]

    def vouches_for(self, source: object) -> bool:
        """Whether a key or a static token of an earlier set is still in this one, unchanged."""
        if isinstance(source, Key):
            now = self.keys.get(source.name)
            return now is not None and _same_key(now, source)
        return any(each == source for each in self.tokens)


def parse_keys(data: bytes) -> KeySet:
    """Reads a keys file.

    Raises:
        ConfigError: it is not what the module describes. The message names the place, and no value.
    """
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError(f"expected a keys file of at most {MAX_FILE_BYTES} bytes, got {len(data)}")
    try:
        tables = tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise ConfigError("expected a keys file in UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        # The error of tomllib says the place, and may quote a character of the value there.
        place = re.search(r"line \d+", str(error))
        raise ConfigError(f"expected a keys file in TOML{f', see {place[0]}' if place else ''}") from None
    for name in tables:
        if name not in ("keys", "tokens"):
            raise ConfigError("expected the tables `keys` and `tokens` alone in a keys file")
    keys = _table(tables, "keys")
    tokens = _table(tables, "tokens")
    if not keys and not tokens:
        raise ConfigError("expected at least one key or token in the keys file, got none")
    if len(keys) + len(tokens) > MAX_ENTRIES:
        raise ConfigError(f"expected at most {MAX_ENTRIES} keys and tokens, got {len(keys) + len(tokens)}")
    return KeySet(
        {name: _key(name, _Entry(f"keys.{name}", value)) for name, value in keys.items()},
        tuple(_token(name, _Entry(f"tokens.{name}", value)) for name, value in tokens.items()),
    )


def _same_key(one: Key, other: Key) -> bool:
    # The scopes and rooms count as well: a key that was bounded further does not vouch for what it granted before.
    return (one.algorithm, one.fingerprint, one.scopes, one.rooms) == (
        other.algorithm,
        other.fingerprint,
        other.scopes,
        other.rooms,
    )


def _table(tables: Mapping[str, Any], name: str) -> dict[str, Any]:
    table = tables.get(name, {})
    if not isinstance(table, dict):
        raise ConfigError(f"{name}: expected a table")
    for entry in table:
        if not _NAME.fullmatch(entry):
            raise ConfigError(
                f"{name}: expected names of 1 to 128 letters, digits, dots, underscores and hyphens"
            )
    return table


class _Entry:
    """One table of the file. Its fields are taken out one by one; what is left in the end is unknown."""

    def __init__(self, place: str, fields: object) -> None:
        self.place = place
        if not isinstance(fields, dict):
            raise ConfigError(f"{place}: expected a table")
        self._fields = dict(fields)

    def text(self, name: str) -> str:
        value = self._fields.pop(name, None)
        if not isinstance(value, str):
            self.refuse(name, "expected a string")
        return value

    def taken(self, name: str, convert: Callable[[Any], Any], default: Any) -> Any:
        if name not in self._fields:
            return default
        try:
            return convert(self._fields.pop(name))
        except ValueError as error:
            self.refuse(name, str(error))

    def finish(self) -> None:
        for name in self._fields:
            # A name that is none of a field may be a misplaced secret, too.
            shown = name if name.isidentifier() and len(name) <= 32 else "one field"
            self.refuse(shown, "expected no such field")

    def refuse(self, name: str, message: str) -> NoReturn:
        raise ConfigError(f"{self.place}.{name}: {message}")


def _key(name: str, entry: _Entry) -> Key:
    algorithm = entry.text("algorithm")
    verifier: bytes | Ed25519PublicKey
    if algorithm == "HS256":
        verifier = entry.text("secret").encode()
        if len(verifier) < MIN_SECRET_BYTES:
            entry.refuse("secret", f"expected at least {MIN_SECRET_BYTES} bytes, got {len(verifier)}")
        if verifier.lstrip().startswith((b"-----BEGIN", b"ssh-")):
            # A public key as the secret of HS256 lets everybody who has it sign tokens.
            entry.refuse("secret", "expected a random secret, got a key file; EdDSA takes a public_key")
        fingerprint = hashlib.sha256(verifier).digest()
    elif algorithm == "EdDSA":
        pem = entry.text("public_key").encode()
        try:
            loaded = load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm):
            entry.refuse("public_key", "expected a public key in PEM (-----BEGIN PUBLIC KEY-----)")
        if not isinstance(loaded, Ed25519PublicKey):
            entry.refuse("public_key", "expected a key of Ed25519, got one of another kind")
        verifier = loaded
        fingerprint = loaded.public_bytes_raw()
    else:
        entry.refuse("algorithm", 'expected "HS256" or "EdDSA"')
    scopes = entry.taken("scopes", _scopes, _DEFAULT_KEY_SCOPES)
    rooms = entry.taken("rooms", names_of, ALL_ROOMS)
    entry.finish()
    return Key(name, algorithm, verifier, scopes, rooms, fingerprint)


def _token(name: str, entry: _Entry) -> StaticToken:
    digest = entry.text("sha256")
    if not _SHA256.fullmatch(digest):
        entry.refuse("sha256", "expected 64 hexadecimal digits in lower case, as gifcue token hash writes")
    scopes = entry.taken("scopes", _scopes, frozenset())
    if not scopes:
        entry.refuse("scopes", f"expected one or more of {', '.join(Scope)}")
    rooms = entry.taken("rooms", names_of, None)
    if rooms is None and Scope.STREAM in scopes:
        entry.refuse("rooms", 'expected the rooms that the token grants; ["*"] grants all')
    labels = entry.taken("labels", names_of, None)
    expires_s = entry.taken("expires", _time, None)
    entry.finish()
    return StaticToken(
        name,
        bytes.fromhex(digest),
        scopes,
        rooms or (),
        None if labels is None else frozenset(labels),
        expires_s,
    )


def _scopes(value: object) -> frozenset[Scope]:
    return scopes_of(names_of(value))


def _time(value: object) -> float:
    if not isinstance(value, datetime.datetime) or value.tzinfo is None:
        raise ValueError("expected a time with its zone, such as 2030-01-31T00:00:00Z")
    return value.timestamp()
