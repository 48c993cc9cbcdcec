from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest

import gifcue.errors
from gifcue.errors import (
    ConfigError,
    GifcueError,
    MediaError,
    ModelError,
    Overloaded,
    TooManyRequests,
    Unavailable,
    WorkerLost,
)
from gifcue.protocol.reasons import DropReason
from gifcue.rules import load, references, source, watch  # noqa: F401  their errors are subclasses, too
from gifcue.server.status_codes import STATUSES, status_of

# Their errors are raised in commands and clients; no server answers with one.
NOT_SERVED = ("gifcue.cli", "gifcue.client", "gifcue.ingest", "gifcue.gestures", "gifcue.media.files")


def core_errors(root: type[GifcueError] = GifcueError) -> Iterator[type[GifcueError]]:
    for kind in root.__subclasses__():
        if kind.__module__.startswith("gifcue.") and not kind.__module__.startswith(NOT_SERVED):
            yield kind
            yield from core_errors(kind)


@pytest.mark.parametrize("kind", list(core_errors()))
def test_every_error_of_the_core_has_a_status_besides_the_roots(kind: type[GifcueError]) -> None:
    mapped = next(each for each in kind.__mro__ if each in STATUSES)
    assert mapped is not GifcueError


def test_the_tree_of_errors_is_complete_in_the_table() -> None:
    direct = {kind for kind in GifcueError.__subclasses__() if kind.__module__ == gifcue.errors.__name__}
    assert direct <= set(STATUSES)


@pytest.mark.parametrize(
    ("error", "code", "http"),
    [
        (ConfigError(""), grpc.StatusCode.INVALID_ARGUMENT, 400),
        (MediaError(DropReason.INVALID_DATA, ""), grpc.StatusCode.INVALID_ARGUMENT, 400),
        (ModelError(""), grpc.StatusCode.FAILED_PRECONDITION, 503),
        (Unavailable(""), grpc.StatusCode.UNAVAILABLE, 503),
        (Overloaded("", 1000), grpc.StatusCode.RESOURCE_EXHAUSTED, 503),
        (TooManyRequests("", 1000), grpc.StatusCode.RESOURCE_EXHAUSTED, 429),
        (WorkerLost(""), grpc.StatusCode.UNAVAILABLE, 503),
        (GifcueError(""), grpc.StatusCode.INTERNAL, 500),
    ],
)
def test_grpc_and_http_answer_from_one_table(error: GifcueError, code: grpc.StatusCode, http: int) -> None:
    status = status_of(error)
    assert (status.grpc, status.http) == (code, http)


def test_an_error_that_a_retry_may_mend_has_a_status_that_says_so() -> None:
    for kind, status in STATUSES.items():
        if kind.retryable:
            assert status.grpc in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)
