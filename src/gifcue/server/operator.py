"""The servicer of OperatorService: status and metrics for the operator of the server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import grpc

from gifcue import __version__
from gifcue.engine.engine import Engine
from gifcue.protocol.statistics import ServerStatus, ServingState
from gifcue.protocol.wire.operator import encode_status
from gifcue.v1 import operator_service_pb2, operator_service_pb2_grpc

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class OperatorServicer(operator_service_pb2_grpc.OperatorServiceServicer):
    """`state` gives the state of the server; `clock` is in seconds; `metrics` gives the metrics' text; `streams_ended`
    counts streams by the name of their gRPC status."""

    def __init__(
        self,
        engine: Engine,
        state: Callable[[], ServingState],
        clock: Callable[[], float],
        metrics: Callable[[], bytes],
        streams_ended: Callable[[], Mapping[str, int]],
    ) -> None:
        self._engine = engine
        self._state = state
        self._clock = clock
        self._metrics_text = metrics
        self._streams_ended = streams_ended
        self._started_s = clock()

    async def GetStatus(
        self, request: operator_service_pb2.GetStatusRequest, context: Context
    ) -> operator_service_pb2.GetStatusResponse:
        """See protos/gifcue/v1/operator_service.proto."""
        figures = self._engine.statistics()
        status = ServerStatus(
            server_version=__version__,
            model=self._engine.model if self._engine.is_ready else None,
            uptime_s=self._clock() - self._started_s,
            state=self._state(),
            streams=figures.sessions,
            participants=figures.participants,
            frames=figures.frames,
            reactions=figures.reactions,
            workers=figures.workers,
            latency_p50_ms=figures.latency.p50_ms,
            latency_p95_ms=figures.latency.p95_ms,
            streams_by_status=self._streams_ended(),
        )
        return encode_status(status)

    async def GetMetrics(
        self, request: operator_service_pb2.GetMetricsRequest, context: Context
    ) -> operator_service_pb2.GetMetricsResponse:
        """See protos/gifcue/v1/operator_service.proto."""
        return operator_service_pb2.GetMetricsResponse(text=self._metrics_text().decode())
