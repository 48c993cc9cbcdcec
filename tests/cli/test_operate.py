"""`gifcue operate`: what it asks a server for, and what it prints."""

from __future__ import annotations

import json

import pytest

from gifcue.testing import FakeServer
from gifcue.testing.fake_stream import FakeStream

from .conftest import Gifcue


@pytest.mark.parametrize(
    ("arguments", "share", "deadline_ms", "exits"),
    [
        ((), 1.0, 0, False),
        (("0.25",), 0.25, 0, False),
        (("0.5", "--deadline", "2.5"), 0.5, 2500, False),
        (("--exit",), 1.0, 0, True),
    ],
)
def test_drain(
    gifcue: Gifcue,
    server: FakeServer,
    arguments: tuple[str, ...],
    share: float,
    deadline_ms: int,
    exits: bool,
) -> None:
    server.service.streams += [FakeStream() for _ in range(4)]
    result = gifcue("operate", "drain", *arguments, "--yes", "-s", server.target)
    assert result.exit_code == 0, result.output
    (request,) = server.service.operator.drains
    assert (request.share, request.deadline_ms, request.exit) == (share, deadline_ms, exits)
    within = f"{(deadline_ms or 10_000) / 1000:g} s"
    assert f"{round(4 * share)} streams were asked to move within {within}" in result.stdout
    assert ("stay" in result.stdout) == (share < 1)


def test_a_drain_is_not_made_unless_the_question_is_answered(gifcue: Gifcue, server: FakeServer) -> None:
    result = gifcue("operate", "drain", "-s", server.target)
    assert result.exit_code == 130
    assert server.service.operator.drains == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("0",), "expected a number above 0"),
        (("1.5",), "less than or equal to 1"),
        (("0.5", "--exit"), "--exit: expected the share 1"),
        (("--exit", "--deadline", "3"), "--exit: expected the share 1"),
    ],
)
def test_a_wrong_drain_is_usage(
    gifcue: Gifcue, server: FakeServer, arguments: tuple[str, ...], says: str
) -> None:
    result = gifcue("operate", "drain", *arguments, "--yes", "-s", server.target)
    assert result.exit_code == 2
    assert says in result.stderr
    assert server.service.operator.drains == []


def test_resume(gifcue: Gifcue, server: FakeServer) -> None:
    server.service.operator.refuses_streams = True
    assert "refused" in gifcue("status", "-s", server.target).stdout
    assert gifcue("operate", "resume", "-s", server.target).stdout == "new streams are taken again\n"
    assert gifcue("operate", "resume", "-s", server.target).stdout == "new streams were not refused\n"


def test_reload_rules(gifcue: Gifcue, server: FakeServer) -> None:
    result = gifcue("operate", "reload-rules", "-s", server.target)
    assert result.exit_code == 0, result.output
    assert "taken: 5 rules, 10 GIFs are in force" in result.stdout
    assert "does not have: 7" in " ".join(result.stdout.split())
    server.service.operator.rules_problem = "line 3: [a] expected a label"
    refused = gifcue("operate", "reload-rules", "-s", server.target)
    assert refused.exit_code == 1
    assert "line 3: [a] expected a label" in refused.stderr


def test_reload_gestures(gifcue: Gifcue, server: FakeServer) -> None:
    result = gifcue("operate", "reload-gestures", "-s", server.target)
    assert (result.exit_code, result.stdout) == (0, "in service: fist\n")
    server.service.operator.gestures = {"point.json": "expected JSON"}
    result = gifcue("operate", "reload-gestures", "-s", server.target)
    assert result.exit_code == 1
    assert "point.json: expected JSON" in result.stderr


def test_log_level(gifcue: Gifcue, server: FakeServer) -> None:
    result = gifcue("operate", "log-level", "debug", "-s", server.target)
    assert result.stdout == "the log level is debug, it was info\n"
    refused = gifcue("operate", "log-level", "loud", "-s", server.target)
    assert refused.exit_code == 1
    assert "expected a level" in refused.stderr


def test_streams(gifcue: Gifcue, server: FakeServer) -> None:
    assert gifcue("operate", "streams", "-s", server.target).stdout == "no stream is open\n"
    server.service.streams += [FakeStream() for _ in range(5)]
    # All pages are read.
    lines = gifcue("operate", "streams", "--json", "-s", server.target).stdout.splitlines()
    assert [json.loads(line)["session_id"] for line in lines] == [f"s-{number}" for number in range(1, 6)]
    table = gifcue("operate", "streams", "-s", server.target).stdout
    assert "s-5" in table
