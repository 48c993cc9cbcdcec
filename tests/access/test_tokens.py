"""Tokens, also as somebody makes them who has no key."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from gifcue.access.grants import Grant, Scope
from gifcue.access.issue import issue_token, new_key, new_token, token_digest, token_entry
from gifcue.access.keys import KeySet, parse_keys
from gifcue.access.refusals import AccessRefused, Forbidden, Reason, Unauthenticated
from gifcue.access.tokens import MAX_TOKEN_BYTES, TokenReader

NOW_S = 1_800_000_000.0
ED, HS = new_key("ed", "EdDSA"), new_key("hs", "HS256")
STATIC = new_token()
KEYS = parse_keys(
    "\n".join(
        (ED.entry, HS.entry, token_entry("scraper", token_digest(STATIC), [Scope.OPERATE], None, None))
    ).encode()
)


def claims(**changes: Any) -> dict[str, Any]:
    """Those of a sound token; None takes one out."""
    made = {"scope": "stream", "rooms": ["weekly"], "exp": int(NOW_S) + 60, **changes}
    return {name: value for name, value in made.items() if value is not None}


def signed(payload: dict[str, Any], headers: dict[str, Any] | None = None) -> str:
    """A token that the key `hs` has signed."""
    return jwt.encode(
        payload, HS.signing.strip(), algorithm="HS256", headers={"kid": "hs", **(headers or {})}
    )


def by_hand(header: object, payload: object, sign: Callable[[bytes], bytes] = lambda data: b"") -> str:
    """A token as no library would make it."""

    def part(data: bytes) -> bytes:
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    head = part(json.dumps(header).encode()) + b"." + part(json.dumps(payload).encode())
    return (head + b"." + part(sign(head))).decode()


def hs256(secret: bytes) -> Callable[[bytes], bytes]:
    return lambda data: hmac.digest(secret, data, "sha256")


def read(token: str, now_s: float = NOW_S, keys: KeySet = KEYS, **settings: Any) -> Grant:
    return TokenReader(now_s=lambda: now_s, **settings).read(token, keys)


def reason_of(token: str, now_s: float = NOW_S, keys: KeySet = KEYS, **settings: Any) -> Reason:
    with pytest.raises(Unauthenticated) as refused:
        read(token, now_s, keys, **settings)
    # A message may be logged, and must not tell the token.
    assert all(part not in str(refused.value) for part in token.split(".") if len(part) > 8)
    return refused.value.reason


@pytest.mark.parametrize(("name", "pair"), [("ed", ED), ("hs", HS)])
def test_a_token_grants_what_it_says(name: str, pair: Any) -> None:
    token = issue_token(
        pair.signing,
        key_name=name,
        scopes=[Scope.STREAM, Scope.ANNOTATE],
        now_s=NOW_S,
        lifetime_s=60,
        rooms=["weekly", "team-*"],
        labels=["smile"],
        subject="mcu-1",
    )
    grant = read(token)
    assert grant.scopes == {Scope.STREAM, Scope.ANNOTATE}
    assert grant.rooms == ("weekly", "team-*")
    assert (grant.labels, grant.identity, grant.expires_s) == ({"smile"}, f"key {name} mcu-1", NOW_S + 60)


def test_rooms_are_exact_or_a_prefix() -> None:
    grant = read(signed(claims(rooms=["weekly", "team-*"])))
    for room in ("weekly", "team-7", "team-"):
        grant.require_room(room)
    for room in ("", "weekly2", "Weekly", "team", "team*", "weekly\u200b", "weekly\x00"):
        with pytest.raises(Forbidden, match="expected a room that the token grants") as refused:
            grant.require_room(room)
        assert refused.value.reason is Reason.WRONG_ROOM


def test_rooms_are_compared_as_they_are_written() -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    grant = read(signed(claims(rooms=[composed])))
    grant.require_room(composed)
    with pytest.raises(Forbidden):
        grant.require_room(decomposed)


def test_a_scope_that_is_not_granted_is_refused() -> None:
    with pytest.raises(Forbidden, match="expected a token with the scope operate, got stream") as refused:
        read(signed(claims())).require_scope(Scope.OPERATE)
    assert refused.value.reason is Reason.WRONG_SCOPE


def test_a_key_grants_no_more_than_the_file_says() -> None:
    everything = claims(scope="stream annotate operate", rooms=["team-*", "weekly"])
    # Without a line of its own, a key does not make operators.
    assert read(signed(everything)).scopes == {Scope.STREAM, Scope.ANNOTATE}
    bounded = parse_keys(
        (HS.entry + 'scopes = ["stream", "operate"]\nrooms = ["team-1*", "weekly"]\n').encode()
    )
    grant = read(signed(everything), keys=bounded)
    assert (grant.scopes, grant.rooms) == ({Scope.STREAM, Scope.OPERATE}, ("team-1*", "weekly"))
    assert read(signed(claims(rooms=["other"])), keys=bounded).rooms == ()


def test_times_are_checked_with_leeway() -> None:
    token = signed(claims(exp=int(NOW_S), nbf=int(NOW_S) - 10, iat=int(NOW_S) - 10))
    assert read(token, NOW_S - 1).expires_s == NOW_S
    assert reason_of(token, NOW_S) is Reason.EXPIRED_TOKEN
    assert read(token, NOW_S + 4, leeway_s=5.0).expires_s == NOW_S
    assert reason_of(token, NOW_S + 5, leeway_s=5.0) is Reason.EXPIRED_TOKEN
    assert reason_of(token, NOW_S - 11) is Reason.EARLY_TOKEN
    assert read(token, NOW_S - 15, leeway_s=5.0).expires_s == NOW_S
    assert reason_of(token, NOW_S - 16, leeway_s=5.0) is Reason.EARLY_TOKEN


@pytest.mark.parametrize("value", [None, "tomorrow", True, [], {}, float("nan"), float("inf"), 10**400])
def test_a_token_without_a_sound_end_is_malformed(value: Any) -> None:
    assert reason_of(signed(claims(exp=value))) is Reason.MALFORMED_TOKEN


def test_audience_and_issuer() -> None:
    both: dict[str, Any] = {"audience": "gifcue", "issuer": "mcu"}
    assert read(signed(claims(aud="gifcue", iss="mcu")), **both).rooms == ("weekly",)
    assert read(signed(claims(aud=["other", "gifcue"], iss="mcu")), **both).rooms == ("weekly",)
    for changes in (
        {"aud": "other", "iss": "mcu"},
        {"aud": "gifcue", "iss": "other"},
        {"iss": "mcu"},
        {"aud": "gifcue"},
        {"aud": 7, "iss": "mcu"},
    ):
        assert reason_of(signed(claims(**changes)), **both) is Reason.WRONG_AUDIENCE
    # A token for another service is none for a server that expects no audience.
    assert reason_of(signed(claims(aud="gifcue"))) is Reason.WRONG_AUDIENCE


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", None, "RS256", "HS512", "ES256", 7])
@pytest.mark.parametrize("name", ["ed", "hs"])
def test_the_algorithm_is_that_of_the_key(name: str, algorithm: Any) -> None:
    token = by_hand({"typ": "JWT", "alg": algorithm, "kid": name}, claims())
    assert reason_of(token) is Reason.MALFORMED_TOKEN
    assert reason_of(token.rpartition(".")[0] + ".") is Reason.MALFORMED_TOKEN


def test_a_public_key_is_no_secret() -> None:
    public = KEYS.keys["ed"].verifier
    assert isinstance(public, Ed25519PublicKey)
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for secret in (pem, pem.strip(), public.public_bytes_raw()):
        header = {"alg": "HS256", "kid": "ed"}
        assert reason_of(by_hand(header, claims(), hs256(secret))) is Reason.MALFORMED_TOKEN


def test_wrong_signatures() -> None:
    other = Ed25519PrivateKey.generate()
    header = {"alg": "EdDSA", "kid": "ed"}
    assert reason_of(by_hand(header, claims(), other.sign)) is Reason.WRONG_SIGNATURE
    assert (
        reason_of(by_hand({"alg": "HS256", "kid": "hs"}, claims(), hs256(b"x" * 32)))
        is Reason.WRONG_SIGNATURE
    )
    assert reason_of(by_hand({"alg": "HS256", "kid": "hs"}, claims(), hs256(b""))) is Reason.WRONG_SIGNATURE
    head, payload, signature = signed(claims()).split(".")
    changed = by_hand({}, claims(rooms=["*"])).split(".")[1]
    assert reason_of(f"{head}.{changed}.{signature}") is Reason.WRONG_SIGNATURE
    assert reason_of(f"{head}.{payload}.") is Reason.WRONG_SIGNATURE


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/dev/null",
        "hs\x00",
        "",
        "HS",
        "hs'--",
        "keys.hs",
        "hs/../ed",
        "\u202ehs",
        "__class__",
    ],
)
def test_a_key_name_is_looked_up_and_nothing_else(name: str) -> None:
    token = by_hand({"alg": "HS256", "kid": name}, claims(), hs256(b""))
    assert reason_of(token) is Reason.UNKNOWN_TOKEN


@pytest.mark.parametrize("name", [7, ["hs"], {"hs": 1}, True, None])
def test_a_key_name_that_is_no_text(name: Any) -> None:
    token = by_hand({"alg": "HS256", "kid": name}, claims(), hs256(HS.signing.strip().encode()))
    assert reason_of(token) in (Reason.UNKNOWN_TOKEN, Reason.MALFORMED_TOKEN)


def test_a_single_key_needs_no_name() -> None:
    token = by_hand({"alg": "HS256"}, claims(), hs256(HS.signing.strip().encode()))
    assert read(token, keys=parse_keys(HS.entry.encode())).rooms == ("weekly",)
    assert reason_of(token) is Reason.MALFORMED_TOKEN


@pytest.mark.parametrize(
    "header",
    [
        {"jwk": {"kty": "oct", "k": "AAAA"}},
        {"jku": "https://example.org/keys"},
        {"x5u": "https://example.org/certificate"},
    ],
)
def test_a_key_inside_of_the_token_is_not_used(header: dict[str, Any]) -> None:
    token = by_hand({"alg": "HS256", "kid": "hs", **header}, claims(), hs256(b"\x00\x00\x00"))
    assert reason_of(token) is Reason.WRONG_SIGNATURE


@pytest.mark.parametrize("header", [{"crit": ["exp"]}, {"b64": False}, {"b64": True}])
def test_extensions_are_refused(header: dict[str, Any]) -> None:
    sign = hs256(HS.signing.strip().encode())
    assert (
        reason_of(by_hand({"alg": "HS256", "kid": "hs", **header}, claims(), sign)) is Reason.MALFORMED_TOKEN
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"scope": None},
        {"scope": ["stream"]},
        {"scope": 7},
        {"rooms": None},
        {"rooms": "weekly"},
        {"rooms": [7]},
        {"rooms": ["x"] * 257},
        {"rooms": ["x" * 257]},
        {"labels": "smile"},
        {"labels": {"smile": True}},
        {"sub": "x" * 257},
        {"nbf": "now"},
        {"iat": []},
        {"sub": 7},
    ],
)
def test_wrong_claims_are_malformed(changes: dict[str, Any]) -> None:
    assert reason_of(signed(claims(**changes))) is Reason.MALFORMED_TOKEN


def test_scopes_of_other_services_grant_nothing() -> None:
    grant = read(signed(claims(scope="openid stream  Stream operate\toperate email")))
    assert grant.scopes == {Scope.STREAM}
    assert read(signed(claims(scope="", rooms=None))).scopes == frozenset()


def test_huge_and_strange_texts_are_refused_before_they_are_parsed() -> None:
    for token in (
        "x" * (MAX_TOKEN_BYTES + 1),
        "." * MAX_TOKEN_BYTES,
        "a.b.c",
        "",
        " ",
        "\u0661.\u0662.\u0663",
        signed(claims())[:-1] + "\u00e9",
        "[" * MAX_TOKEN_BYTES,
        base64.urlsafe_b64encode(b'{"a":' * 700).decode() + ".e30.e30",
        by_hand([], {}),
        by_hand({"alg": "HS256", "kid": "hs"}, [], hs256(HS.signing.strip().encode())),
    ):
        assert reason_of(token) is Reason.MALFORMED_TOKEN
    nested = base64.urlsafe_b64encode(b"[" * 2500).rstrip(b"=").decode()
    assert reason_of(f"{nested}.{nested[:10]}.AA") is Reason.MALFORMED_TOKEN


def test_a_static_token() -> None:
    grant = read(STATIC)
    assert (grant.identity, grant.scopes, grant.expires_s) == ("token scraper", {Scope.OPERATE}, None)
    digest = hashlib.sha256(STATIC.encode()).hexdigest()
    for other in (new_token(), STATIC[:-1], STATIC + "A", "gifcue_", f"gifcue_{digest}", digest):
        assert reason_of(other) in (Reason.UNKNOWN_TOKEN, Reason.MALFORMED_TOKEN)


def test_a_static_token_expires() -> None:
    entry = token_entry("probe", token_digest(STATIC), [Scope.OPERATE], None, None)
    keys = parse_keys((entry + "expires = 2027-01-15T08:00:00Z\n").encode())
    assert read(STATIC, NOW_S - 1, keys).expires_s == NOW_S
    assert reason_of(STATIC, NOW_S, keys) is Reason.EXPIRED_TOKEN


@given(st.text(max_size=200))
def test_no_text_raises_anything_but_a_refusal(token: str) -> None:
    with pytest.raises(AccessRefused):
        read(token)


@given(st.data())
def test_no_change_of_a_token_is_accepted(data: st.DataObject) -> None:
    token = signed(claims())
    place = data.draw(st.integers(0, len(token) - 1))
    character = data.draw(st.characters(min_codepoint=33, max_codepoint=126))
    changed = token[:place] + character + token[place + 1 :]
    try:
        grant = read(changed)
    except Unauthenticated:
        return
    # Base64 ignores the last bits of its last character, so that two texts stand for the same bytes.
    assert place == len(token) - 1 or changed == token
    assert grant.rooms == ("weekly",)


@pytest.mark.parametrize("granted", list(Scope))
@pytest.mark.parametrize("needed", list(Scope))
def test_only_operate_grants_what_another_scope_does(granted: Scope, needed: Scope) -> None:
    grant = Grant("someone", None, frozenset({granted}), (), None, None)
    if granted is needed or (granted, needed) == (Scope.OPERATE, Scope.OBSERVE):
        grant.require_scope(needed)
    else:
        with pytest.raises(Forbidden, match=f"expected a token with the scope {needed}, got {granted}"):
            grant.require_scope(needed)
