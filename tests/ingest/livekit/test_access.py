from __future__ import annotations

import jwt
import pytest

from gifcue.errors import ConfigError
from gifcue.ingest.livekit.access import LiveKitAccess, Tokens
from tests.ingest.livekit.kit import KEY, SECRET, access, join_token


def test_the_token_lets_this_side_in_unseen_and_lets_the_room_close_without_it() -> None:
    token = Tokens(access(), "meeting", "gifcue").join()
    claims = jwt.decode(token, SECRET, algorithms=["HS256"], issuer=KEY)
    assert claims["sub"] == "gifcue"
    assert claims["kind"] == "agent"
    grants = claims["video"]
    assert {name for name, value in grants.items() if value} == {"roomJoin", "room", "hidden", "canSubscribe"}
    assert grants["room"] == "meeting"
    # Absent, LiveKit takes these as given.
    assert {"canPublish", "canPublishData", "canUpdateOwnMetadata"} <= grants.keys()


def test_the_token_for_data_messages_lets_nobody_in() -> None:
    claims = jwt.decode(Tokens(access(), "meeting", "gifcue").admin(), SECRET, algorithms=["HS256"])
    assert claims["video"] == {"roomAdmin": True, "room": "meeting"}


@pytest.mark.parametrize(
    ("given", "got"),
    [
        (LiveKitAccess(), "none"),
        (LiveKitAccess(api_key=KEY), "no secret"),
        (LiveKitAccess(api_secret=SECRET), "no key"),
    ],
)
def test_a_key_needs_its_secret(given: LiveKitAccess, got: str) -> None:
    with pytest.raises(
        ConfigError, match=f"expected a token, or an API key and its secret of LiveKit, got {got}"
    ):
        Tokens(given, "meeting", "gifcue")


def test_a_given_token_is_taken_as_it_is_and_renewed_by_the_session() -> None:
    given = join_token("ada", room="meeting")
    tokens = Tokens(LiveKitAccess(token=given), "meeting", "gifcue")
    assert tokens.join() == tokens.admin() == given
    tokens.renew("renewed")
    assert tokens.join() == "renewed"


def test_a_signed_token_is_not_replaced_by_the_session() -> None:
    tokens = Tokens(access(), "meeting", "gifcue")
    tokens.renew("renewed")
    assert tokens.join() != "renewed"


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("no-token", r"expected a token of LiveKit \(JWT\), got: "),
        (join_token("ada", room="other"), "expected a token for the room 'meeting', got one for 'other'"),
        (jwt.encode({"video": 3}, SECRET, algorithm="HS256"), "got one for 'None'"),
        ("x" * 20000, "expected a token of at most 16384 bytes, got 20000"),
    ],
)
def test_a_given_token_for_something_else_is_refused_before_anybody_is_asked(
    token: str, expected: str
) -> None:
    with pytest.raises(ConfigError, match=expected):
        Tokens(LiveKitAccess(token=token), "meeting", "gifcue")


def test_neither_the_secret_nor_a_token_is_printed() -> None:
    assert SECRET not in repr(access())
    token = join_token("ada")
    assert token not in repr(LiveKitAccess(token=token))
    tokens = Tokens(access(), "meeting", "gifcue")
    text = tokens.without(f"invalid token: {token}, error: it has expired")
    assert text == "invalid token: ***, error: it has expired"
