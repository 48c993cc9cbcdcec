"""The metrics of access control."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gifcue.server.access_guard import AccessGuard


class AccessCollector(Collector):
    """Turns the refusals and the certificate's end into metric families."""

    def __init__(self, guard: AccessGuard) -> None:
        self._guard = guard

    def collect(self) -> Iterator[Metric]:
        refused = CounterMetricFamily(
            "gifcue_refused", "Calls, streams, joins and labels refused to a caller.", labels=["reason"]
        )
        for reason, count in sorted(self._guard.control.refused.items()):
            refused.add_metric([reason], count)
        yield refused
        if self._guard.tls is not None:
            yield GaugeMetricFamily(
                "gifcue_certificate_expiry_timestamp_seconds",
                "When the server's certificate expires, in seconds since 1970.",
                value=self._guard.tls.expires_s,
            )
