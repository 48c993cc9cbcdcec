"""Metrics of the server itself: its streams, its log and its event loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from gifcue.server.loop_lag import BUCKETS_S, LagStatistics
from gifcue.server.status_codes import OF_STREAMS
from gifcue.server.stream_admission import REASONS


class ServerCollector(Collector):
    """Turns the server's figures into metric families."""

    def __init__(
        self,
        streams_ended: Mapping[str, int],
        streams_refused: Mapping[str, int],
        log_lines_lost: Mapping[str, int],
        lag: LagStatistics,
        measured_capacity: int | None,
        spans: Mapping[str, int],
    ) -> None:
        """`streams_ended` counts by the name of a gRPC status, `streams_refused` and `log_lines_lost` by reason.
        `measured_capacity` is in participants, None where the limit is a setting. `spans` counts by outcome.
        """
        self._spans = spans
        self._streams_ended = streams_ended
        self._streams_refused = streams_refused
        self._measured_capacity = measured_capacity
        self._log_lines_lost = log_lines_lost
        self._lag = lag

    def collect(self) -> Iterator[Metric]:
        ended = CounterMetricFamily(
            "gifcue_streams_ended",
            "Streams that ended, refused ones included, by the gRPC status that the client got.",
            labels=["status"],
        )
        # Zeros, too: an increase from nothing to 1 is none for Prometheus, and alerts would miss the first event.
        ended_of = {status.name: 0 for status in OF_STREAMS} | dict(self._streams_ended)
        for status, count in sorted(ended_of.items()):
            ended.add_metric([status], count)
        yield ended
        refused = CounterMetricFamily(
            "gifcue_streams_refused",
            "Streams that were refused when they opened: draining, not_ready, max_streams, max_participants.",
            labels=["reason"],
        )
        for reason, count in sorted((dict.fromkeys(REASONS, 0) | dict(self._streams_refused)).items()):
            refused.add_metric([reason], count)
        yield refused
        if self._measured_capacity is not None:
            yield GaugeMetricFamily(
                "gifcue_capacity_measured_participants",
                'Participants that this machine carries, as measured for limits.max_participants = "auto".',
                value=self._measured_capacity,
            )
        spans = CounterMetricFamily(
            "gifcue_spans",
            "Spans of traces: started, and of those that are sampled exported or failed.",
            labels=["outcome"],
        )
        for outcome, count in sorted(self._spans.items()):
            spans.add_metric([outcome], count)
        yield spans
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
