from __future__ import annotations

from gifcue.detect.remote import RemoteStatistics
from gifcue.server.triton_metrics import TritonCollector

FIGURES = RemoteStatistics(
    endpoints=3,
    usable=2,
    is_fallback=True,
    fallbacks=4,
    calls=15,
    failures={"deadline": 5},
    durations=(1, 2, 0, 3, 0, 0, 0, 0, 4),
    duration_s=6.5,
    remote_pictures=70,
    local_pictures=80,
    over_limit=9,
    sent_bytes=1000,
    received_bytes=200,
)


def test_the_figures_are_exported() -> None:
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in TritonCollector(FIGURES).collect()
        for sample in family.samples
    }
    expected = {
        ("gifcue_triton_endpoints",): 3,
        ("gifcue_triton_endpoints_usable",): 2,
        ("gifcue_triton_fallback_active",): 1,
        ("gifcue_triton_fallbacks_total",): 4,
        ("gifcue_triton_calls_total",): 15,
        ("gifcue_triton_failures_total", "deadline"): 5,
        ("gifcue_triton_failures_total", "unreachable"): 0,
        ("gifcue_triton_call_seconds_bucket", "0.005"): 1,
        ("gifcue_triton_call_seconds_bucket", "0.05"): 6,
        ("gifcue_triton_call_seconds_bucket", "+Inf"): 10,
        ("gifcue_triton_call_seconds_sum",): 6.5,
        ("gifcue_triton_pictures_total", "server"): 70,
        ("gifcue_triton_pictures_total", "worker"): 80,
        ("gifcue_triton_over_limit_total",): 9,
        ("gifcue_triton_bytes_total", "sent"): 1000,
        ("gifcue_triton_bytes_total", "received"): 200,
    }
    assert {name: samples[name] for name in expected} == expected


def test_there_are_none_where_workers_run_the_networks() -> None:
    assert list(TritonCollector(None).collect()) == []
