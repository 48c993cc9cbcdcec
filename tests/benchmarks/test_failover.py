from __future__ import annotations

from typing import Any

import pytest

from benchmarks.failover import RELOAD, Outcome, _judge_accounting, _judge_pauses, _judge_reactions
from benchmarks.meetings import Seen
from gifcue.client import FrameCounts, Phase


class Server:
    """What the benchmark knows of a server. It answers where `received` is given."""

    def __init__(self, sessions: set[str], received: int | None, **counts: Any) -> None:
        self.sessions = sessions
        self.status: Any = None
        if received is not None:
            self.status = type("Status", (), {"frames": FrameCounts(received, received, {}, {}, **counts)})()

    async def ask(self) -> bool:
        return self.status is not None


class Meeting:
    room, error = "room", None

    def __init__(self, *seen: Seen) -> None:
        self.seen = {each.name: each for each in seen}


def problems_of(outcome: Outcome) -> str:
    return "; ".join(outcome.problems)


@pytest.mark.parametrize(
    ("event", "first", "second", "problem"),
    [
        ("sigkill", None, 40, ""),
        ("sigterm", 28, 40, ""),
        ("sigterm", None, 40, ""),
        ("sigstop", 28, 40, ""),
        (RELOAD, 30, 40, ""),
        (RELOAD, 29, 40, "server a: 30 frames were sent to it, it received 29"),
        ("sigterm", 31, 40, "server a: 30 frames were sent to it, it received 31"),
        ("sigkill", None, 39, "server b: 40 frames were sent to it, it received 39"),
        ("sigkill", None, None, "server b: expected an answer about its status, got none"),
        ("sigstop", None, 40, "server a: expected an answer about its status, got none"),
    ],
)
async def test_what_was_sent_must_have_been_received(
    event: str, first: int | None, second: int | None, problem: str
) -> None:
    meeting = Meeting(Seen("ada", sent_on={"s1": 10, "s2": 40}), Seen("bob", sent_on={"s1": 20}))
    outcome = Outcome("client", event)
    servers: Any = [Server({"s1"}, first), Server({"s2"}, second)]
    await _judge_accounting(outcome, servers, [meeting], event)  # type: ignore[list-item]
    assert problems_of(outcome) == problem


async def test_frames_that_a_server_lost_count_of_are_a_problem() -> None:
    outcome = Outcome("client", RELOAD)
    servers: Any = [Server(set(), 0), Server(set(), 0, in_flight=1)]
    await _judge_accounting(outcome, servers, [], RELOAD)
    assert problems_of(outcome) == "server b: the frame accounting is inconsistent"


def test_the_pauses_of_those_on_the_server_are_judged() -> None:
    outcome = Outcome("client", "sigkill")
    _judge_pauses(outcome, [Seen("ada", decided_s=[9.9, 11.0, 11.5])], 10.0, 12.0)
    assert (outcome.affected, outcome.pause_s, outcome.problems) == (
        1,
        {"p50": 1.1, "p95": 1.1, "max": 1.1},
        [],
    )
    _judge_pauses(outcome, [Seen("ada", decided_s=[9.9])], 10.0, 14.0)
    assert problems_of(outcome) == "p95 of the pause 4.1 s, over 2"


def test_a_reaction_that_starts_again_after_the_event_is_a_problem() -> None:
    steps = [
        (1.0, Phase.STARTED, "a", ""),
        (10.5, Phase.ENDED, "a", "stream_lost"),
        (11.0, Phase.STARTED, "b", ""),
        (12.0, Phase.ENDED, "b", "left"),
    ]
    meeting: Any = Meeting(Seen("ada", steps=steps))
    outcome = Outcome("client", "sigkill")
    _judge_reactions(outcome, [meeting], [meeting], 10.0)
    assert problems_of(outcome) == "1 STARTED again, after ENDED with {'stream_lost': 1, 'left': 1}"
    for hit, event_s in (([meeting], 11.5), ([], 10.0)):
        outcome = Outcome("client", "sigkill")
        _judge_reactions(outcome, [meeting], hit, event_s)
        assert (outcome.started, outcome.ended, outcome.problems) == (2, 2, [])
