"""Metrics of the server itself: its streams, its log and its event loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from gifcue.server.loop_lag import BUCKETS_S, LagStatistics


class ServerCollector(Collector):
    """Turns the server's figures into metric families."""

    def __init__(
        self, streams_ended: Mapping[str, int], log_lines_lost: Mapping[str, int], lag: LagStatistics
    ) -> None:
        """`streams_ended` counts by the name of a gRPC status, `log_lines_lost` by reason."""
        self._streams_ended = streams_ended
        self._log_lines_lost = log_lines_lost
        self._lag = lag

    def collect(self) -> Iterator[Metric]:
        ended = CounterMetricFamily(
            "gifcue_streams_ended",
            "Streams that ended, refused ones included, by the gRPC status that the client got.",
            labels=["status"],
        )
        for status, count in sorted(self._streams_ended.items()):
            ended.add_metric([status], count)
        yield ended
        lost = CounterMetricFamily(
            "gifcue_log_lines_lost",
            "Log lines that were not written: too many of one event, too many at once, or no room on the disk.",
            labels=["reason"],
        )
        for reason, count in sorted(self._log_lines_lost.items()):
            lost.add_metric([reason], count)
        yield lost
        lag = HistogramMetricFamily(
            "gifcue_event_loop_lag_seconds", "How long the event loop kept a timer waiting."
        )
        counts, total = [], 0
        for bound, count in zip((*map(str, BUCKETS_S), "+Inf"), self._lag.counts, strict=True):
            total += count
            counts.append((bound, float(total)))
        lag.add_metric([], counts, self._lag.sum_s)
        yield lag
        yield GaugeMetricFamily(
            "gifcue_event_loop_lag_max_seconds",
            "The longest such wait of the last 30 to 60 s.",
            value=self._lag.max_s,
        )
