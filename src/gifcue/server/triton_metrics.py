"""The metrics of the inference servers that run the networks (`detect.backend = "triton"`)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from gifcue.detect.messages import CALL_BOUNDS_S, FailureReason
from gifcue.detect.remote import RemoteStatistics


class TritonCollector(Collector):
    """Turns the figures into metric families; there are none where the workers run the networks themselves."""

    def __init__(self, figures: RemoteStatistics | None) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        if self._figures is not None:
            yield from _families(self._figures)


def _families(figures: RemoteStatistics) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "gifcue_triton_endpoints", "Inference servers in the settings.", value=figures.endpoints
    )
    yield GaugeMetricFamily(
        "gifcue_triton_endpoints_usable",
        "Inference servers that can be used, as the detector worker sees it that sees the fewest.",
        value=figures.usable,
    )
    yield GaugeMetricFamily(
        "gifcue_triton_fallback_active",
        "1 while a detector worker can use no inference server and runs the networks itself, else 0.",
        value=figures.is_fallback,
    )
    yield CounterMetricFamily("gifcue_triton_fallbacks", "How often that began.", value=figures.fallbacks)
    yield CounterMetricFamily(
        "gifcue_triton_calls",
        "Calls of inference servers, each with pictures for one network.",
        value=figures.calls,
    )
    failures = CounterMetricFamily(
        "gifcue_triton_failures",
        "Calls and checks of inference servers that gave nothing that can be used.",
        labels=["reason"],
    )
    # Each reason from the start on, so that a rate over the first failure is known.
    for reason in FailureReason:
        failures.add_metric([reason], figures.failures.get(reason, 0))
    yield failures
    seconds = HistogramMetricFamily("gifcue_triton_call_seconds", "How long calls took that were answered.")
    bounds = (*map(str, CALL_BOUNDS_S), "+Inf")
    counts = [float(count) for count in accumulate(figures.durations)]
    seconds.add_metric([], list(zip(bounds, counts, strict=True)), figures.duration_s)
    yield seconds
    pictures = CounterMetricFamily(
        "gifcue_triton_pictures",
        "Runs of a network on one picture or crop: by an inference server, or by the detector worker itself.",
        labels=["where"],
    )
    pictures.add_metric(["server"], figures.remote_pictures)
    pictures.add_metric(["worker"], figures.local_pictures)
    yield pictures
    yield CounterMetricFamily(
        "gifcue_triton_over_limit",
        "Pictures and crops that were not sent to an inference server because of detect.triton.max_mbit_s.",
        value=figures.over_limit,
    )
    transferred = CounterMetricFamily(
        "gifcue_triton_bytes", "Bytes of pictures sent and of outputs received.", labels=["direction"]
    )
    transferred.add_metric(["sent"], figures.sent_bytes)
    transferred.add_metric(["received"], figures.received_bytes)
    yield transferred
