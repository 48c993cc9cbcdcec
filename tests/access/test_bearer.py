from __future__ import annotations

import pytest

from gifcue.access.bearer import bearer_token, websocket_token
from gifcue.access.refusals import Reason, Unauthenticated


def test_the_token_of_a_header() -> None:
    assert bearer_token([]) is None
    for header in ("Bearer a.b.c", "bearer a.b.c", " BEARER  a.b.c "):
        assert bearer_token([header]) == "a.b.c"


@pytest.mark.parametrize(
    "headers",
    [[""], ["Bearer"], ["Bearer "], ["Basic abc"], ["a.b.c"], ["Bearer a", "Bearer a"], ["Bearer a", ""]],
)
def test_other_headers_are_refused(headers: list[str]) -> None:
    with pytest.raises(Unauthenticated) as refused:
        bearer_token(headers)
    assert refused.value.reason is Reason.MALFORMED_TOKEN


def test_the_token_of_a_websocket() -> None:
    assert websocket_token(["gifcue.v1"]) is None
    assert websocket_token(["gifcue.v1", " gifcue.token.a.b.c "]) == "a.b.c"
    for protocols in (["gifcue.token."], ["gifcue.token.a", "gifcue.token.a"]):
        with pytest.raises(Unauthenticated):
            websocket_token(protocols)
