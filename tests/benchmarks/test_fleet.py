from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from benchmarks import fleet, fleet_load, fleet_tables
from benchmarks.fleet_events import Autoscaler, Day
from benchmarks.fleet_inputs import HOUR_S, SOURCES, Inputs, with_gpu
from benchmarks.fleet_servers import needed

VALUES = Path(__file__).parents[2] / "deploy/helm/gifcue"
# Rooms of one participant who neither wait nor come back, on servers that nothing happens to: M/G/c/c.
LOSS = Inputs(
    participants=44.0,
    room_sizes=(1,),
    room_shares=(1.0,),
    is_steady=True,
    is_autoscaled=False,
    gives_up=True,
    update_at_s=None,
    pod_mtbf_s=math.inf,
    node_mtbf_s=math.inf,
    sync_s=HOUR_S,
    day_s=200 * HOUR_S,
)
SMALL = Inputs(participants=300.0, spare=200.0)


def test_one_server_refuses_what_erlang_says():
    figures = Day(LOSS.changed(replicas=1, attempts=1), seed=1).run()

    assert figures.rooms > 12_000
    assert figures.refused_share == pytest.approx(fleet_load.erlang_b(44.0, 48), rel=0.08)
    assert figures.served_s / LOSS.day_s == pytest.approx(44.0 * (1 - figures.refused_share), rel=0.02)


def test_servers_that_are_tried_once_are_systems_of_their_own():
    inputs = LOSS.changed(replicas=4, capacity=12, attempts=1)

    figures = Day(inputs, seed=1).run()

    assert figures.refused_share == pytest.approx(fleet_load.erlang_b(11.0, 12), rel=0.08)


def test_servers_that_are_tried_until_one_has_room_are_one_system():
    inputs = LOSS.changed(replicas=4, capacity=12, attempts=100)

    figures = Day(inputs, seed=1).run()

    assert figures.refused_share == pytest.approx(fleet_load.erlang_b(44.0, 48), rel=0.08)


def test_erlangs_formula_in_a_case_that_is_computed_by_hand():
    assert fleet_load.erlang_b(2.0, 2) == pytest.approx((2**2 / 2) / (1 + 2 + 2**2 / 2))


def test_a_day_reaches_the_participants_it_was_asked_for():
    inputs = Inputs(participants=20_000.0)

    load = fleet_load.rooms(inputs, np.random.default_rng(1))

    begin, end = load.begins_s, load.begins_s + load.durations_s
    minutes = np.arange(0, inputs.day_s, 60.0)
    there = [load.sizes[(begin <= minute) & (minute < end)].sum() for minute in minutes[::10]]
    assert max(there) == pytest.approx(20_000, rel=0.1)
    assert np.all(np.diff(begin) >= 0)


def test_the_same_seed_gives_the_same_day():
    first, again, other = (Day(SMALL, seed).run() for seed in (3, 3, 4))

    assert first == again
    assert first != other


def test_an_update_moves_every_stream_and_moves_are_accounted_for():
    figures = Day(SMALL.changed(pod_mtbf_s=math.inf, node_mtbf_s=math.inf), seed=2).run()

    assert figures.moved["update"] >= 0.9 * figures.update_streams > 0
    assert figures.update_s > 0
    assert figures.failures == figures.moved["failure"] == 0
    assert figures.without_s["moving"] > 0


def test_failures_move_streams_and_pods_come_back():
    figures = Day(SMALL.changed(pod_mtbf_s=6 * HOUR_S, node_mtbf_s=24 * HOUR_S), seed=2).run()

    assert figures.failures > 10
    assert figures.moved["failure"] > 0
    calm = Day(SMALL, seed=2).run()
    assert figures.replica_s > 0.9 * calm.replica_s
    assert figures.without_s["moving"] > calm.without_s["moving"]


def test_the_autoscaler_ignores_a_spare_within_its_tolerance():
    full = Inputs(spare=48.0)

    assert Autoscaler(full, 20).decide(0.0, 20 * 48) == 20
    assert Autoscaler(full.changed(spare=200.0), 20).decide(0.0, 20 * 48) == needed(
        full.changed(spare=200.0), 960
    )


def test_the_autoscaler_goes_up_at_once_and_down_slowly():
    inputs = Inputs(spare=48.0)
    autoscaler = Autoscaler(inputs, 4)

    assert autoscaler.decide(0.0, 4800) == 8
    assert autoscaler.decide(15.0, 4800) == 8
    assert autoscaler.decide(30.0, 4800) == 16
    replicas = [autoscaler.decide(45.0 + 15 * step, 0) for step in range(60)]
    assert set(replicas[: int(600 / 15) - 2]) == {16}
    assert sorted(set(replicas)) == [10, 12, 14, 16]


def test_inputs_that_are_configured_are_those_of_the_chart():
    values = YAML(typ="safe").load((VALUES / "values.yaml").read_text())
    gpu = YAML(typ="safe").load((VALUES / "values-gpu.yaml").read_text())
    inputs = Inputs()

    assert (inputs.capacity, inputs.cores) == (
        values["capacity"]["participants"],
        values["capacity"]["cores"],
    )
    assert inputs.lame_duck_s == values["drain"]["lameDuckSeconds"]
    assert inputs.spare == values["autoscaling"]["spareParticipants"]
    assert inputs.stabilisation_s == values["autoscaling"]["scaleDownSeconds"]
    assert f"{inputs.scrape_s:.0f}s" == values["monitoring"]["interval"]
    assert f"{inputs.surge:.0%}" in (VALUES / "templates/deployment.yaml").read_text()
    graphics = with_gpu(inputs)
    assert (graphics.capacity, graphics.cores) == (gpu["capacity"]["participants"], gpu["capacity"]["cores"])


def test_every_source_names_inputs():
    for _, names, kind, _ in SOURCES:
        assert all(hasattr(Inputs(), name) for name in names.split())
        assert kind in ("measured", "configured", "assumed")
    assert sum(Inputs().room_shares) == pytest.approx(1.0)


def test_a_sample_of_cells_is_multiplied(capsys, monkeypatch):
    monkeypatch.setattr(fleet, "SAMPLE_CELLS", 1)
    fleet.main(["--participants", "5000", "--cell", "1000"])

    shown = capsys.readouterr().out
    assert "### 5,000 participants" in shown
    assert "| 640x360 | 800 (configured, docs/ingest.md) | 48 | 38 | 4 / 208 |" in shown


@pytest.mark.parametrize("given", ["x", "1", "1000,"])
def test_participants_that_are_none_are_refused(given, capsys):
    with pytest.raises(SystemExit):
        fleet.main(["--participants", given])

    assert "--participants: expected" in capsys.readouterr().err


def test_numbers_have_three_digits():
    assert [fleet_tables.number(value) for value in (0, 0.054, 6.83, 21.4, 1234.0, 98_765)] == [
        "0", "0.054", "6.8", "21", "1,230", "98,800",
    ]  # fmt: skip
