"""Trials of peers: the offered load is gifcue's own, the report adds up, the search answers what was confirmed."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from benchmarks import measure
from benchmarks.footage import own_footage
from benchmarks.peers import __main__ as command_line
from benchmarks.peers import environments
from benchmarks.peers.backends import PEERS, Backend, Peer
from benchmarks.peers.client import Plan, Seen
from benchmarks.peers.trial import Bounds, Offer, figures, find_capacity

# What the suite reads.
CONTRACT = {
    "peer",
    "participants",
    "p95_ms",
    "cpu_cores_per_participant",
    "memory_mb",
    "analysed_per_participant_s",
    "why_limited",
}
SERVER = {"cores": 0.5, "pss_bytes": 100e6}


@pytest.fixture(scope="module")
def offer() -> Offer:
    return Offer(own_footage(size=(64, 36), clip_s=1.0), clients=2)


def seen(latencies_ms: list[float], offered: int, by_seat: list[int], **more: Any) -> Seen:
    return Seen(
        offered, latencies_ms, [1.0], len(latencies_ms), by_seat=by_seat, cpu_s=2.0, pss_bytes=10**7, **more
    )


def report(offer: Offer, latency_ms: float = 50.0, missing: int = 0, each: int = 50) -> dict[str, Any]:
    """Of two clients with a participant each that ran for 10 s."""
    one = seen([latency_ms] * each, each + missing, [each])
    return figures("triton", offer, 2, 10.0, [one, one], SERVER)


def test_the_offered_load_is_that_of_gifcues_own_harness(offer: Offer) -> None:
    theirs = measure.plans(
        measure.Load(5, 30.0, 4.0, offer.footage, mcus=2, senders=2, warm_up_s=offer.warm_up_s), "there"
    )

    plans = offer.plans(5, 4.0, "there")

    assert [[(seat.name, seat.footage, seat.offset_s) for seat in plan.seats] for plan in plans] == [
        [(seat.name, seat.footage, seat.offset_s) for stream in plan.streams for seat in stream]
        for plan in theirs
    ]
    assert [plan.warm_up_s for plan in plans] == [plan.warm_up_s for plan in theirs]
    clip = offer.footage[0].clip
    assert plans[0].footage[0].packets == [packet.payload for packet in clip.packets]


def test_a_plan_survives_the_way_to_the_client(offer: Offer) -> None:
    (plan,) = offer.plans(1, 2.0, "there")

    again: Plan = pickle.loads(pickle.dumps(plan))

    assert again == plan
    assert len(again.seats) == 1


def test_the_report_adds_up_and_is_json(offer: Offer) -> None:
    told = report(offer)

    assert told["sampled"] == told["answered"] == 100
    assert told["p95_ms"] == 50.0
    assert told["analysed_per_participant_s"] == 5.0
    assert told["cpu_cores"] == {"client": 0.4, "server": 0.5}
    assert told["cpu_cores_per_participant"] == pytest.approx(0.45)
    assert told["memory_mb"] == pytest.approx(120.0)
    assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_frames_without_an_answer_count_as_later_than_any_bound(offer: Offer) -> None:
    told = report(offer, missing=10)

    assert told["p95_ms"] is None
    assert told["due_to_answer_ms"]["missing"] == 20


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, ""),
        ({"missing": 1}, "2 of 102 sampled frames without an answer"),
        ({"latency_ms": 151.0}, "p95 151.0 ms, over 150"),
        ({"each": 29}, ""),  # one frame more or less is where the measured time was cut
        ({"each": 28}, "a participant analysed 2.8 times a second, under 3"),
    ],
)
def test_what_carrying_means(offer: Offer, change: dict[str, Any], why: str) -> None:
    assert Bounds().why_not(report(offer, **change)) == why


def test_nobody_is_looked_at_more_often_than_was_asked_for() -> None:
    assert Bounds().why_not(report(Offer([], rate=2.0), each=20)) == ""
    assert Bounds().why_not(report(Offer([], rate=2.0), each=18)) != ""


def test_who_is_looked_at_only_in_motion_may_be_looked_at_less_often() -> None:
    offer = Offer([], moving_only=True)

    assert Bounds().why_not(report(offer, each=20)) == ""


async def searched(offer: Offer, carries: int, limit_s: float = 1e9, each_s: float = 10.0) -> dict[str, Any]:
    """Of a peer that carries so many, whose every run takes `each_s`."""
    spent = [0.0]

    def trial(backend: Backend, offer: Offer, count: int, seconds: float) -> dict[str, Any]:
        spent[0] += each_s
        return {
            **report(offer, 50.0 if count <= carries else 500.0),
            "participants": count,
            "seconds": seconds,
        }

    return await find_capacity(
        Backend(PEERS["triton"]),
        offer,
        Bounds(),
        4.0,
        start=4,
        most=64,
        limit_s=limit_s,
        clock=lambda: spent[0],
        trial=trial,
    )


@pytest.mark.parametrize("carries", [0, 1, 3, 4, 7, 22])
async def test_the_search_finds_what_is_carried(offer: Offer, carries: int) -> None:
    told = await searched(offer, carries)

    assert set(told) >= CONTRACT
    assert told["participants"] == carries
    assert told["peer"] == "triton"
    assert told["why_limited"] == "p95 500.0 ms, over 150"
    if carries:
        assert told["at_capacity"]["confirming"]
        assert told["at_capacity"]["seconds"] == 8.0
        assert told["p95_ms"] == 50.0
    else:
        assert told["p95_ms"] is told["memory_mb"] is told["at_capacity"] is None
    json.dumps(told, allow_nan=False)


async def test_out_of_time_the_answer_is_the_largest_that_was_carried_and_says_so(offer: Offer) -> None:
    told = await searched(offer, 22, limit_s=25.0)

    # 4, 8 and 16 were tried; 32 was not.
    assert told["participants"] == 16
    assert told["at_capacity"]["confirming"]
    assert told["why_limited"] == "no time left to try it"


@pytest.mark.parametrize(("given", "limit_s"), [([], 24.0), (["--limit-s", "500"], 500.0)])
def test_the_command_line_searches_with_what_it_was_told(
    given: list[str], limit_s: float, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: dict[str, Any] = {}

    class Fake:
        def __init__(self, peer: Peer, detector: str) -> None:
            asked.update(peer=peer.name, detector=detector)

        def __enter__(self) -> Fake:
            return self

        def __exit__(self, *exc_info: object) -> None: ...

    async def find(
        backend: Fake, offer: Offer, bounds: Bounds, seconds: float, **more: Any
    ) -> dict[str, Any]:
        asked.update(more, rate=offer.rate, bound_ms=bounds.bound_ms, seconds=seconds)
        return {"peer": "triton", "participants": 7}

    monkeypatch.setattr(environments, "python_of", lambda name: Path("python"))
    monkeypatch.setattr(command_line, "own_footage", lambda fps: [])
    monkeypatch.setattr(command_line, "Backend", Fake)
    monkeypatch.setattr(command_line, "find_capacity", find)
    load = ["--peer", "triton", "--seconds", "3", "--rate", "3"]
    arguments = ["capacity", *load, "--bound-ms", "200", "--start", "5", "--json"]
    monkeypatch.setattr("sys.argv", ["peers", *arguments, *given])

    command_line.main()

    assert json.loads(capsys.readouterr().out) == {"peer": "triton", "participants": 7}
    assert (asked["peer"], asked["detector"], asked["rate"], asked["start"]) == ("triton", "", 3.0, 5)
    assert (asked["bound_ms"], asked["seconds"], asked["limit_s"]) == (200.0, 3.0, limit_s)
