from __future__ import annotations

import ipaddress

import pytest

from gifcue.access.control import AccessControl, Caller, StreamAccess
from gifcue.access.grants import Scope
from gifcue.access.issue import issue_token, new_key, new_token, token_digest, token_entry
from gifcue.access.keys import parse_keys
from gifcue.access.peers import Peer
from gifcue.access.refusals import AccessRefused, Forbidden, OverQuota, Reason, Unauthenticated
from gifcue.access.settings import AccessSettings
from gifcue.protocol.reasons import FaultCode
from tests.support.manual_time import ManualTime

KEY, NEXT = new_key("one", "EdDSA"), new_key("two", "HS256")
STATIC = new_token()
PEER = Peer(ipaddress.ip_address("192.0.2.1"))
SCRAPER = token_entry("scraper", token_digest(STATIC), [Scope.OPERATE, Scope.STREAM], ["*"], None)


class Guarded:
    """An access control, its time, and what it refused."""

    def __init__(self, entries: str | None = KEY.entry + SCRAPER, **settings: float) -> None:
        self.time = ManualTime()
        self.heard: list[tuple[Reason, str]] = []
        self.control = AccessControl(
            AccessSettings.model_validate(settings),
            None if entries is None else parse_keys(entries.encode()),
            now_s=self.time.clock,
            clock=self.time.clock,
            on_refused=lambda error, peer: self.heard.append((error.reason, str(peer))),
        )

    def token(self, scope: Scope = Scope.STREAM, **changes: object) -> str:
        made = {"rooms": ["weekly"], "lifetime_s": 100.0, "subject": "mcu", **changes}
        return issue_token(
            KEY.signing,
            key_name="one",
            scopes=[scope],
            now_s=self.time.clock(),
            **made,  # type: ignore[arg-type]
        )

    def caller(self, **changes: object) -> Caller:
        return self.control.authenticate(Scope.STREAM, self.token(**changes), PEER)  # type: ignore[arg-type]

    def stream(self, **changes: object) -> tuple[StreamAccess, list[Reason]]:
        """A stream, and why it was ended."""
        access = self.control.open_stream(self.caller(**changes))
        ended: list[Reason] = []
        access.when_over(lambda error: ended.append(error.reason))
        return access, ended


def test_without_keys_everything_is_granted_and_peers_have_quotas() -> None:
    guarded = Guarded(None, max_streams=1)
    assert not guarded.control.needs_tokens
    caller = guarded.control.authenticate(Scope.OPERATE, None, PEER)
    access = guarded.control.open_stream(caller)
    access.require_room("any")
    assert access.labels is None
    with pytest.raises(OverQuota):
        guarded.control.open_stream(caller)
    other = Peer(ipaddress.ip_address("192.0.2.2"))
    guarded.control.open_stream(guarded.control.authenticate(Scope.STREAM, "anything", other))


def test_a_token_is_needed() -> None:
    guarded = Guarded()
    with pytest.raises(Unauthenticated, match="expected a token with the scope stream") as refused:
        guarded.control.authenticate(Scope.STREAM, None, PEER)
    assert refused.value.reason is Reason.NO_TOKEN
    with pytest.raises(Forbidden):
        guarded.control.authenticate(Scope.OPERATE, guarded.token(), PEER)
    assert guarded.control.authenticate(Scope.OPERATE, STATIC, PEER).key == "token scraper"


def test_tokens_of_one_subject_share_a_quota_whatever_their_peer() -> None:
    guarded = Guarded(max_streams=1)
    guarded.stream()
    with pytest.raises(OverQuota):
        guarded.stream()
    guarded.stream(subject="other")
    # Without a subject each token is a caller of its own.
    guarded.stream(subject=None)
    guarded.time.advance(1)
    guarded.stream(subject=None)


def test_a_stream_that_has_closed_gives_its_share_back_once() -> None:
    guarded = Guarded(max_streams=1)
    access, _ = guarded.stream()
    access.close()
    access.close()
    guarded.stream()


def test_a_caller_is_valid_until_its_token_is_over() -> None:
    guarded = Guarded(leeway_s=5.0, expired_grace_s=60.0)
    caller, scraper = guarded.caller(), guarded.control.authenticate(Scope.OPERATE, STATIC, PEER)
    guarded.time.advance(100.0 + 5.0 + 59.0)
    assert guarded.control.is_valid(caller)
    guarded.time.advance(1.0)
    assert not guarded.control.is_valid(caller)
    assert guarded.control.is_valid(scraper)
    guarded.control.use(parse_keys(KEY.entry.encode()))
    assert not guarded.control.is_valid(scraper), "its token was withdrawn"
    assert guarded.control.is_valid(Caller(PEER, None))


def test_a_stream_ends_after_its_token_and_the_grace() -> None:
    guarded = Guarded(leeway_s=5.0, expired_grace_s=60.0)
    _, ended = guarded.stream()
    _, forever = guarded.stream(lifetime_s=10_000.0)
    guarded.time.advance(100.0 + 5.0 + 59.0)
    guarded.control.sweep()
    assert ended == []
    guarded.time.advance(1.0)
    guarded.control.sweep()
    guarded.control.sweep()
    assert (ended, forever) == ([Reason.EXPIRED_TOKEN], [])


def test_a_rotation_ends_no_stream_before_its_key_is_withdrawn() -> None:
    guarded = Guarded()
    _, ended = guarded.stream()
    guarded.control.use(parse_keys((KEY.entry + NEXT.entry).encode()))
    guarded.control.sweep()
    assert ended == []
    # Tokens of both keys are taken meanwhile.
    guarded.caller()
    guarded.control.use(parse_keys(NEXT.entry.encode()))
    with pytest.raises(Unauthenticated):
        guarded.caller()
    guarded.control.sweep()
    assert ended == [Reason.WITHDRAWN_TOKEN]


def test_a_static_token_that_is_withdrawn_ends_its_streams() -> None:
    guarded = Guarded()
    access = guarded.control.open_stream(guarded.control.authenticate(Scope.STREAM, STATIC, PEER))
    ended: list[AccessRefused] = []
    access.when_over(ended.append)
    guarded.control.use(parse_keys(KEY.entry.encode()))
    guarded.control.sweep()
    assert [error.reason for error in ended] == [Reason.WITHDRAWN_TOKEN]


def test_joins_are_refused_with_a_fault_that_says_which_limit() -> None:
    guarded = Guarded(max_participants=1, joins_per_s=0.1)
    access, _ = guarded.stream()
    assert access.admit_join(is_new=True) is None
    code, message = access.admit_join(is_new=True) or (None, "")
    assert (code, "access.max_participants" in message) == (FaultCode.TOO_MANY_PARTICIPANTS, True)
    code, message = access.admit_join(is_new=False) or (None, "")
    assert (code, "access.joins_per_s" in message) == (FaultCode.TOO_MANY_JOINS, True)
    access.left()
    guarded.time.advance(10.0)
    assert access.admit_join(is_new=True) is None


def test_refusals_are_counted_by_reason() -> None:
    guarded = Guarded()
    access, _ = guarded.stream()
    with pytest.raises(Forbidden):
        access.require_room("other")
    access.require_room("weekly")
    access.label_refused(["wave"])
    assert guarded.heard == [(Reason.WRONG_ROOM, "192.0.2.1"), (Reason.WRONG_LABEL, "192.0.2.1")]
    refused = guarded.control.refused
    assert (refused["wrong_room"], refused["wrong_label"], refused["no_token"]) == (1, 1, 0)
    assert set(refused) == {reason.value for reason in Reason}


def test_stills_are_bounded_by_caller() -> None:
    guarded = Guarded(None, stills_per_s=0.1)
    guarded.control.authenticate(Scope.ANNOTATE, None, PEER)
    with pytest.raises(OverQuota) as refused:
        guarded.control.authenticate(Scope.ANNOTATE, None, PEER)
    assert refused.value.retry_after_s == pytest.approx(10.0)
    guarded.control.authenticate(Scope.STREAM, None, PEER)
