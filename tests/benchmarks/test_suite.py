from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from benchmarks.footage import own_footage
from benchmarks.measure import Load
from benchmarks.pictures import draw
from benchmarks.suite import PARTS, QUICK, Budget, Suite, parts_of
from benchmarks.table import summary
from gifcue.protocol.codecs import Codec


def parts() -> dict[str, Any]:
    """Results of a run: the part that the table and the charts need."""
    at = {
        "participants": 20,
        "due_to_decision_ms": {"p50": 40.0, "p95": 120.0, "p99": 140.0, "max": 160.0},
        "analysed_moving_s": {"least": 3.5, "mean": 4.0},
        "offered": 12000,
        "received": 12000,
        "dropped": {},
        "cpu_cores": {"front": 0.2, "decode": 0.6, "detect": 1.0, "load generator": 0.1},
        "server_memory_mb": 238.0,
        "memory_mb": {"pss": {"front": 60.0, "decode": 100.0, "detect": 78.0}},
    }
    format_row = {
        "codec": "h264",
        "size": "640x360",
        "front_ms": 5.0,
        "decode_ms": 15.0,
        "detect_ms": 30.0,
        "participants_by_cpu": 40.0,
    }
    return {
        "ceiling": {
            "participants": 30.0,
            "analysed_per_participant_s": 5.0,
            "share": {
                "ceiling_participants": 25.0,
                "analysed_per_participant_s": 3.0,
                "by_participants": 0.8,
                "by_cpu": 0.9,
                "by_cpu_with_sender": 0.85,
                "front_share_of_cpu": 0.11,
            },
        },
        "memory": {"server_memory_mb": 200.0},
        "capacity": {"carried": 20, "why_limited": "p95 170 ms, over 150", "at_capacity": at, "runs": []},
        "curve": {
            "rows": [
                {"participants": 10, "p50_ms": 30.0, "p95_ms": 50.0, "p99_ms": 60.0, "front_cores": 0.1},
                {"participants": 30, "p50_ms": 300.0, "p95_ms": None, "p99_ms": None, "front_cores": 0.2},
            ]
        },
        "codecs": {"rows": [format_row]},
        "sizes": {"rows": [format_row]},
        "stages": {"rows": [{"process": "front", "stage": "wire", "ms": 0.01}]},
        "batches": {"rows": [{"backend": "litert", "device": "cpu", "batch": 1, "pictures_s": 70.0}]},
        "annotations": {
            "served": {"per_second": 80.0, "times_the_original": 10.0},
            "streamed": {"per_second": 96.0, "times_the_original": 12.0},
            "bare": {"with_jpeg_per_second": 100.0, "times_the_original": 12.5, "detector_per_second": 110.0},
        },
        "cores": {"carried": {"1": 9}},
        "peers": {
            "rows": {
                "jpeg-http": {"participants": 4, "analysed_per_participant_s": 3.0, "why_limited": "p95"},
                "triton": {"why": "not measured: run python -m benchmarks.peers setup"},
            }
        },
    }


def test_the_table_has_every_part() -> None:
    lines = {what: (value, remark) for what, value, remark in summary(parts(), {"sizes": "failed: x"})}

    assert lines["participants carried"][0] == "20"
    assert lines["  memory per participant, MB"] == ("2.0", "after the first; with one: 200.0 MB")
    assert lines["  gifcue's share, by participants"][0] == "0.8"
    assert lines["peer jpeg-http: carried"][1].startswith("gifcue carries 5.00 times as many")
    assert lines["peer triton"] == ("not measured", "not measured: run python -m benchmarks.peers setup")
    assert lines["carried on 1 core"][0] == "9"
    assert lines["complete annotations per second"][0] == "96.0"
    assert lines["sizes"] == ("none", "failed: x")


def test_the_table_of_no_results_is_empty() -> None:
    assert summary({}, {}) == []


def test_each_measured_part_has_a_chart(tmp_path: Path) -> None:
    results = json.loads(json.dumps({"parts": parts()}))

    drawn = draw(results, tmp_path)

    assert {path.stem for path in drawn} == {"latency", "load", "carried", "formats", "stages", "batches"}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)
    assert draw({"parts": {}}, tmp_path / "empty") == []


@pytest.fixture
def short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replaces what the parts `ceiling`, `cores` and `batches` measure: the first fails, the others have no rows."""

    def fail(*arguments: object) -> None:
        raise ValueError("expected this")

    async def no_capacity(*arguments: object, **named: object) -> dict[int, object]:
        return {}

    monkeypatch.setattr("benchmarks.suite.own_footage", lambda *arguments, **named: [])
    monkeypatch.setattr("benchmarks.suite.saturate", fail)
    monkeypatch.setattr("benchmarks.scaling.cores_against_capacity", no_capacity)
    monkeypatch.setattr("benchmarks.scaling.batches", lambda *arguments: [])


@pytest.mark.usefixtures("short_parts")
async def test_other_parts_run_after_a_part_has_failed() -> None:
    suite = Suite(QUICK, lambda line: None)

    await suite.run(frozenset({"ceiling", "batches"}))

    assert suite.failed == {"ceiling": "failed: ValueError: expected this"}
    assert suite.parts == {"batches": {"rows": []}}


@pytest.mark.usefixtures("short_parts")
async def test_a_part_that_would_exceed_the_time_limit_is_not_started() -> None:
    suite = Suite(Budget(limit_s=100.0), lambda line: None)

    await suite.run(frozenset({"cores", "batches"}))

    assert set(suite.parts) == {"batches"}
    assert suite.failed["cores"].startswith("not measured: ")


class FakeServer:
    """A server that only records its start and stop."""

    events: ClassVar[list[str]] = []

    def __init__(self, arguments: list[str]) -> None:
        pass

    async def __aenter__(self) -> FakeServer:
        self.events.append("start")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.events.append("stop")


async def test_parts_run_in_order_and_consecutive_ones_share_a_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    events: list[str] = []
    monkeypatch.setattr(FakeServer, "events", events)

    async def part(self: Suite, name: str, work: object) -> None:
        events.append(name)

    monkeypatch.setattr("benchmarks.suite.ServerProcess", FakeServer)
    monkeypatch.setattr("benchmarks.suite.own_footage", lambda *arguments, **named: [])
    monkeypatch.setattr(Suite, "_part", part)

    await Suite(QUICK, lambda line: None).run(frozenset({"sizes", "curve", "ceiling", "cores", "memory"}))

    assert events == ["ceiling", "start", "memory", "curve", "stop", "cores", "start", "sizes", "stop"]


def test_all_parts_together_fit_into_the_time_limit() -> None:
    assert sum(PARTS.values()) <= Budget().limit_s


async def test_the_curve_has_points_above_the_capacity(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(count: int, p95_ms: float) -> dict[str, Any]:
        return {
            "participants": count,
            "due_to_decision_ms": {"p50": 1.0, "p95": p95_ms, "p99": 2.0},
            "cpu_cores": {"front": 0.1},
            "analysed_moving_s": {"least": 3.0},
            "dropped": {"superseded": 2, "no_slot": 1},
            "server_memory_mb": 200.0,
        }

    async def measure(server: object, load: Load) -> dict[str, Any]:
        return run(load.participants, 999.0)

    footage = own_footage(Codec.VP8, (96, 64), 10.0, (1.0, 1.0), variants=1, clip_s=1.0)
    monkeypatch.setattr("benchmarks.suite.measure", measure)
    monkeypatch.setattr("benchmarks.suite.own_footage", lambda *arguments, **named: footage)
    monkeypatch.setattr("benchmarks.suite.ServerProcess", FakeServer)
    suite = Suite(replace(QUICK, above_capacity=(1.25, 1.6)), lambda line: None)
    suite.parts["capacity"] = {
        "carried": 20,
        "runs": [run(8, 5.0), run(25, 400.0), run(20, 90.0), run(20, 95.0)],
    }

    await suite.run(frozenset({"curve"}))

    rows = suite.parts["curve"]["rows"]

    assert [(row["participants"], row["p95_ms"]) for row in rows] == [
        (8, 5.0),
        (20, 95.0),
        (25, 400.0),
        (32, 999.0),
    ]
    assert rows[0]["dropped"] == 3


def test_unknown_parts_are_refused() -> None:
    assert parts_of("peers,ceiling") == {"peers", "ceiling"}
    with pytest.raises(argparse.ArgumentTypeError, match="got memmory"):
        parts_of("memmory,ceiling")
