from __future__ import annotations

import pytest

from benchmarks import stages
from benchmarks.bare import Bare
from benchmarks.footage import own_footage
from gifcue.protocol.codecs import Codec


def test_the_stages_of_a_process_add_up_to_its_cpu_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "ROUNDS", 1)
    monkeypatch.setattr(stages, "TIMES_PER_ROUND", 3)
    footage = own_footage(Codec.VP8, (96, 64), 10.0, (1.0, 1.0), variants=1, clip_s=1.0)
    bare = Bare(frames=100, compared=40, analysed=20)
    bare.cpu_s = {"decode": 0.05, "filter": 0.008, "resize": 0.004, "infer": 0.2}
    run = {
        "received": 1000,
        "analysed": 250,
        "skipped": {"paced": 650, "similar": 100},
        "seconds": 4.0,
        "cpu_cores": {"front": 0.1, "decode": 0.2, "detect": 0.7, "other": 0.05, "load generator": 0.3},
    }

    rows = stages.table(run, bare, stages.bare_costs(footage[0]))

    sums: dict[str, float] = {}
    for row in rows:
        sums[row["process"]] = sums.get(row["process"], 0.0) + row["ms"]
    assert sums == pytest.approx({"front": 0.4, "decode": 0.8, "detect": 2.8, "other": 0.2}, abs=1e-4)
    ms = {(row["process"], row["stage"]): row["ms"] for row in rows}
    assert ms["decode", "decode"] == pytest.approx(0.5)
    # 350 of 1000 frames were compared, 250 analysed.
    assert ms["decode", "filter"] == pytest.approx(0.2 * 0.35)
    assert ms["decode", "resize"] == pytest.approx(0.2 * 0.25)
    assert ms["detect", "infer"] == pytest.approx(10.0 * 0.25)
    assert all(ms["front", stage] > 0 for stage in ("wire", "session", "policy", "queue", "batch"))
