"""The metrics of connections and descriptors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gifcue.server.descriptors import limit_in_force
from gifcue.server.listeners import GrpcPort, HttpPort

_DESCRIPTORS = Path("/proc/self/fd")


class ConnectionCollector(Collector):
    """Turns the counts of the ports into metric families. gRPC does not say how many connections it has."""

    def __init__(self, grpc_ports: Sequence[GrpcPort], http_ports: Sequence[HttpPort]) -> None:
        self._grpc_ports = grpc_ports
        self._http_ports = http_ports

    def collect(self) -> Iterator[Metric]:
        most = GaugeMetricFamily(
            "gifcue_connections_max", "Connections that the port takes at most.", labels=["port"]
        )
        connections = GaugeMetricFamily("gifcue_connections", "Connections for HTTP.", labels=["port"])
        refused = CounterMetricFamily(
            "gifcue_connections_refused",
            "Connections for HTTP that were closed when they were accepted, or later for their unread bytes.",
            labels=["port", "reason"],
        )
        for port in self._grpc_ports:
            most.add_metric([port.setting], port.max_connections)
        for each in self._http_ports:
            most.add_metric([each.setting], each.counts.most)
            connections.add_metric([each.setting], each.counts.open)
            for reason, count in sorted(each.counts.refused.items()):
                refused.add_metric([each.setting, reason], count)
        yield from (most, connections, refused)
        yield GaugeMetricFamily(
            "gifcue_descriptors_max", "File descriptors that the process may have.", value=limit_in_force()
        )
        if _DESCRIPTORS.is_dir():  # not on macOS
            held = sum(1 for _ in _DESCRIPTORS.iterdir())
            yield GaugeMetricFamily(
                "gifcue_descriptors", "File descriptors that the process has.", value=held
            )
