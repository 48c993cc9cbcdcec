"""Twelve ways to be refused, each with its status, over gRPC, WebSocket and HTTP."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from gifcue.access.grants import Scope
from tests.support.guarded_server import Attempt, Guarded, over_grpc, over_http, over_websocket, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    async with serving(folder) as made:
        yield made


# Name, what the caller shows, the gRPC status, and the HTTP status; None where there is no HTTP answer to compare.
# UNAVAILABLE: the connection is refused before there is a call, and gRPC has no other status for it. With HTTP the
# connection ends without an answer, which stands here as 0.
REFUSALS = [
    ("no certificate", Attempt(certificate=lambda g: None), "UNAVAILABLE", 0),
    ("wrong authority", Attempt(certificate=lambda g: g.stranger.issue("mcu@example.org")), "UNAVAILABLE", 0),
    (
        "expired certificate",
        Attempt(certificate=lambda g: g.clients.issue("mcu@example.org", is_expired=True)),
        "UNAVAILABLE",
        0,
    ),
    ("no token", Attempt(token=lambda g: None, http_token=lambda g: None), "UNAUTHENTICATED", 401),
    (
        "malformed token",
        Attempt(token=lambda g: "not.a.token", http_token=lambda g: "not.a.token"),
        "UNAUTHENTICATED",
        401,
    ),
    (
        "wrong signature",
        Attempt(
            token=lambda g: g.token(signing=g.other_key.signing),
            http_token=lambda g: g.token(Scope.ANNOTATE, signing=g.other_key.signing),
        ),
        "UNAUTHENTICATED",
        401,
    ),
    (
        "expired token",
        Attempt(
            token=lambda g: g.token(now_s=time.time() - 7200.0),
            http_token=lambda g: g.token(Scope.ANNOTATE, now_s=time.time() - 7200.0),
        ),
        "UNAUTHENTICATED",
        401,
    ),
    (
        "wrong scope",
        Attempt(token=lambda g: g.token(Scope.ANNOTATE), http_token=lambda g: g.token()),
        "PERMISSION_DENIED",
        403,
    ),
    ("wrong room", Attempt(room="monthly"), "PERMISSION_DENIED", None),
    ("label not granted", Attempt(label="wave"), "fault INVALID_LABEL", None),
    ("plaintext to TLS", Attempt(plain=True), "UNAVAILABLE", 0),
    (
        "stream token on the operators' port",
        Attempt(operator=True, http_token=lambda g: g.token()),
        "PERMISSION_DENIED",
        403,
    ),
]


@pytest.mark.parametrize(
    ("attempt", "status"), [pytest.param(each[1], each[2], id=each[0]) for each in REFUSALS]
)
async def test_grpc_refuses(guarded: Guarded, attempt: Attempt, status: str) -> None:
    assert await over_grpc(guarded, attempt) == status
    # The same caller without the mistake.
    assert await over_grpc(guarded, Attempt()) == "OK"


@pytest.mark.parametrize(
    ("attempt", "status"),
    [pytest.param(each[1], each[2], id=each[0]) for each in REFUSALS if not each[1].operator],
)
async def test_websocket_refuses(guarded: Guarded, attempt: Attempt, status: str, tmp_path: Path) -> None:
    assert await over_websocket(guarded, attempt, tmp_path) == status
    assert await over_websocket(guarded, Attempt(), tmp_path) == "OK"


@pytest.mark.parametrize(
    ("attempt", "status"),
    [pytest.param(each[1], each[3], id=each[0]) for each in REFUSALS if each[3] is not None],
)
async def test_http_refuses(guarded: Guarded, attempt: Attempt, status: int, tmp_path: Path) -> None:
    assert await over_http(guarded, attempt, tmp_path) == status
    assert await over_http(guarded, Attempt(), tmp_path) == 200
