"""All metrics of a server as one text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from prometheus_client.registry import Collector

from gifcue.delivery.dispatcher import Dispatcher
from gifcue.engine.engine import Engine
from gifcue.rules.watch import BookWatcher
from gifcue.server.access_guard import AccessGuard
from gifcue.server.access_metrics import AccessCollector
from gifcue.server.connection_metrics import ConnectionCollector
from gifcue.server.loop_lag import LoopLag
from gifcue.server.metrics import metrics_text
from gifcue.server.operator_status import StatusReader
from gifcue.server.ports import Ports
from gifcue.server.process_metrics import ProcessMetrics
from gifcue.server.server_metrics import ServerCollector
from gifcue.server.streams import Streams
from gifcue.server.tracing import Tracing
from gifcue.server.triton_metrics import TritonCollector


class Exposition:
    """Reads the figures of all parts. `log_lines_lost` counts by reason; `measured` gives the capacity in participants,
    None where it was not measured. `others` collect metrics of optional parts.
    """

    def __init__(
        self,
        engine: Engine,
        dispatcher: Dispatcher,
        book: BookWatcher,
        streams: Streams,
        guard: AccessGuard,
        ports: Ports,
        lag: LoopLag,
        status: StatusReader,
        log_lines_lost: Callable[[], Mapping[str, int]],
        measured: Callable[[], int | None],
        tracing: Tracing,
        others: Sequence[Collector],
    ) -> None:
        self._engine = engine
        self._dispatcher = dispatcher
        self._book = book
        self._streams = streams
        self._guard = guard
        self._ports = ports
        self._lag = lag
        self._status = status
        self._log_lines_lost = log_lines_lost
        self._measured = measured
        self._tracing = tracing
        self._others = others

    def text(self) -> bytes:
        """The metrics as they stand, in Prometheus' text format."""
        streams = self._streams
        return metrics_text(
            self._engine,
            self._dispatcher,
            self._book,
            streams.holding_dropped,
            streams.details_dropped,
            AccessCollector(self._guard),
            ConnectionCollector(self._ports.grpc, self._ports.http),
            ServerCollector(
                streams.ended,
                streams.refused,
                self._log_lines_lost(),
                self._lag.statistics(),
                self._measured(),
                self._tracing.spans,
            ),
            ProcessMetrics(self._status.read()),
            TritonCollector(self._engine.statistics().detect.remote),
            *self._others,
        )
