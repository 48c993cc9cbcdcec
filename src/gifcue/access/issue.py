"""Makes keys and tokens."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from gifcue.access.grants import Scope
from gifcue.access.tokens import STATIC_PREFIX
from gifcue.errors import ConfigError

# Bytes of a static token and of a secret: 256 bits.
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A new key: what signs with it, and its table in the keys file. For HS256 both hold the same secret."""

    signing: str = field(repr=False)
    entry: str = field(repr=False)


def new_token() -> str:
    """A random static token."""
    return STATIC_PREFIX + secrets.token_urlsafe(_SECRET_BYTES)


def token_digest(token: str) -> str:
    """What the keys file holds of a static token: its SHA-256 digest. That is enough, since the token is random."""
    return hashlib.sha256(token.encode()).hexdigest()


def token_entry(
    name: str, digest: str, scopes: Sequence[Scope], rooms: Sequence[str] | None, labels: Sequence[str] | None
) -> str:
    """The table of a static token in the keys file. `rooms` and `labels` None are left out."""
    lines = [f"[tokens.{_quoted(name)}]", f'sha256 = "{digest}"', f"scopes = {_quoted(list(scopes))}"]
    lines += [
        f"{field} = {_quoted(list(values))}"
        for field, values in (("rooms", rooms), ("labels", labels))
        if values is not None
    ]
    return "\n".join(lines) + "\n"


def _quoted(value: object) -> str:
    # A string of JSON is a string of TOML, and so is a list of strings.
    return json.dumps(value, ensure_ascii=False)


def new_key(name: str, algorithm: str) -> KeyPair:
    """A random key for "HS256" or "EdDSA"."""
    head = f'[keys.{_quoted(name)}]\nalgorithm = "{algorithm}"\n'
    if algorithm == "HS256":
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        return KeyPair(secret + "\n", f'{head}secret = "{secret}"\n')
    if algorithm == "EdDSA":
        key = Ed25519PrivateKey.generate()
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        return KeyPair(private, f'{head}public_key = """\n{public}"""\n')
    raise ConfigError('expected the algorithm "HS256" or "EdDSA"')


def issue_token(
    signing: str,
    *,
    key_name: str,
    scopes: Sequence[Scope],
    now_s: float,
    lifetime_s: float,
    rooms: Sequence[str] = (),
    labels: Sequence[str] | None = None,
    subject: str | None = None,
    audience: str | None = None,
    issuer: str | None = None,
) -> str:
    """A JSON Web Token, as a media server issues it. `signing` is a secret of HS256, or a private key in PEM.

    Raises:
        ConfigError: the key is neither.
    """
    claims: dict[str, Any] = {
        "scope": " ".join(scopes),
        "iat": int(now_s),
        "exp": int(now_s + lifetime_s),
    }
    if rooms or Scope.STREAM in scopes:
        claims["rooms"] = list(rooms)
    if labels is not None:
        claims["labels"] = list(labels)
    for name, value in (("sub", subject), ("aud", audience), ("iss", issuer)):
        if value is not None:
            claims[name] = value
    signing = signing.strip()
    key: Any
    if signing.startswith("-----BEGIN"):
        algorithm = "EdDSA"
        try:
            key = load_pem_private_key(signing.encode(), password=None)
        except (ValueError, TypeError):
            raise ConfigError("expected a private key of Ed25519 in PEM, got another file") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise ConfigError("expected a private key of Ed25519, got one of another kind")
    else:
        algorithm, key = "HS256", signing.encode()
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": key_name})
