"""Trials of peers: the load equals gifcue's own, the report is consistent, the search returns a confirmed number."""

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
from benchmarks.peers.client import ClientResult, Plan
from benchmarks.peers.trial import Bounds, Offer, figures, find_capacity

# The keys that the suite reads.
REQUIRED_KEYS = {
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


def client_result(
    latencies_ms: list[float], offered: int, by_participant: list[int], **more: Any
) -> ClientResult:
    return ClientResult(
        offered,
        latencies_ms,
        [1.0],
        len(latencies_ms),
        by_participant=by_participant,
        cpu_s=2.0,
        pss_bytes=10**7,
        **more,
    )


def report(offer: Offer, latency_ms: float = 50.0, missing: int = 0, each: int = 50) -> dict[str, Any]:
    """The report of two clients with one participant each that ran for 10 s."""
    one = client_result([latency_ms] * each, each + missing, [each])
    return figures("triton", offer, 2, 10.0, [one, one], SERVER)


def test_the_load_equals_that_of_gifcues_own_benchmark(offer: Offer) -> None:
    theirs = measure.plans(
        measure.Load(5, 30.0, 4.0, offer.footage, mcus=2, senders=2, warm_up_s=offer.warm_up_s), "there"
    )

    plans = offer.plans(5, 4.0, "there")

    assert [plan.participants for plan in plans] == [
        [participant for stream in plan.streams for participant in stream] for plan in theirs
    ]
    assert [plan.warm_up_s for plan in plans] == [plan.warm_up_s for plan in theirs]
    clip = offer.footage[0].clip
    assert plans[0].footage[0].packets == [packet.payload for packet in clip.packets]


def test_a_plan_can_be_pickled(offer: Offer) -> None:
    (plan,) = offer.plans(1, 2.0, "there")

    again: Plan = pickle.loads(pickle.dumps(plan))

    assert again == plan
    assert len(again.participants) == 1


def test_the_report_is_consistent_and_json(offer: Offer) -> None:
    result = report(offer)

    assert result["sampled"] == result["answered"] == 100
    assert result["p95_ms"] == 50.0
    assert result["analysed_per_participant_s"] == 5.0
    assert result["cpu_cores"] == {"client": 0.4, "server": 0.5}
    assert result["cpu_cores_per_participant"] == pytest.approx(0.45)
    assert result["memory_mb"] == pytest.approx(120.0)
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_frames_without_an_answer_count_as_later_than_any_bound(offer: Offer) -> None:
    result = report(offer, missing=10)

    assert result["p95_ms"] is None
    assert result["due_to_answer_ms"]["missing"] == 20


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, ""),
        ({"missing": 1}, "2 of 102 sampled frames without an answer"),
        ({"latency_ms": 151.0}, "p95 151.0 ms, over 150"),
        ({"each": 29}, ""),  # the limits of the measured time can cost one frame
        ({"each": 28}, "a participant with 2.8 analyses per second, under 3"),
    ],
)
def test_the_reason_names_the_condition_that_is_not_met(
    offer: Offer, change: dict[str, Any], why: str
) -> None:
    assert Bounds().limit_reason(report(offer, **change)) == why


def test_a_lower_rate_of_sampling_lowers_the_required_analyses() -> None:
    assert Bounds().limit_reason(report(Offer([], rate=2.0), each=20)) == ""
    assert Bounds().limit_reason(report(Offer([], rate=2.0), each=18)) != ""


def test_moving_only_needs_fewer_analyses() -> None:
    offer = Offer([], moving_only=True)

    assert Bounds().limit_reason(report(offer, each=20)) == ""


async def searched(offer: Offer, carries: int, limit_s: float = 1e9, each_s: float = 10.0) -> dict[str, Any]:
    """The report of a search with a peer that carries `carries` participants, each run taking `each_s` seconds."""
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
    result = await searched(offer, carries)

    assert set(result) >= REQUIRED_KEYS
    assert result["participants"] == carries
    assert result["peer"] == "triton"
    assert result["why_limited"] == "p95 500.0 ms, over 150"
    if carries:
        assert result["at_capacity"]["confirming"]
        assert result["at_capacity"]["seconds"] == 8.0
        assert result["p95_ms"] == 50.0
    else:
        assert result["p95_ms"] is result["memory_mb"] is result["at_capacity"] is None
    json.dumps(result, allow_nan=False)


async def test_after_the_time_limit_the_result_is_the_largest_confirmed_number(offer: Offer) -> None:
    result = await searched(offer, 22, limit_s=25.0)

    # 4, 8 and 16 were tried; 32 was not.
    assert result["participants"] == 16
    assert result["at_capacity"]["confirming"]
    assert result["why_limited"] == "no time left to try it"


@pytest.mark.parametrize(("given", "limit_s"), [([], 24.0), (["--limit-s", "500"], 500.0)])
def test_the_command_line_passes_its_arguments_to_the_search(
    given: list[str], limit_s: float, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    received: dict[str, Any] = {}

    class Fake:
        def __init__(self, peer: Peer, detector: str) -> None:
            received.update(peer=peer.name, detector=detector)

        def __enter__(self) -> Fake:
            return self

        def __exit__(self, *exc_info: object) -> None: ...

    async def find(
        backend: Fake, offer: Offer, bounds: Bounds, seconds: float, **more: Any
    ) -> dict[str, Any]:
        received.update(more, rate=offer.rate, bound_ms=bounds.bound_ms, seconds=seconds)
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
    assert (received["peer"], received["detector"], received["rate"], received["start"]) == (
        "triton",
        "",
        3.0,
        5,
    )
    assert (received["bound_ms"], received["seconds"], received["limit_s"]) == (200.0, 3.0, limit_s)
