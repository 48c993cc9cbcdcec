"""The servicer of OperatorService: the engine's figures for whoever runs the server."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, TypeAlias

import grpc

from gifcue import __version__
from gifcue.engine.engine import Engine
from gifcue.server import convert
from gifcue.v1 import operator_service_pb2, operator_service_pb2_grpc

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class ServingState(enum.StrEnum):
    """How the server does as a whole. The wire's ServingState has the same names."""

    STARTING = "starting"
    SERVING = "serving"
    NOT_SERVING = "not_serving"
    DRAINING = "draining"


class OperatorServicer(operator_service_pb2_grpc.OperatorServiceServicer):
    """`state` says how the server does now; `clock` is in seconds; `metrics` gives the metrics' text."""

    def __init__(
        self,
        engine: Engine,
        state: Callable[[], ServingState],
        clock: Callable[[], float],
        metrics: Callable[[], bytes],
    ) -> None:
        self._engine = engine
        self._state = state
        self._clock = clock
        self._metrics_text = metrics
        self._started_s = clock()

    async def GetStatus(
        self, request: operator_service_pb2.GetStatusRequest, context: Context
    ) -> operator_service_pb2.GetStatusResponse:
        """See protos/gifcue/v1/operator_service.proto."""
        figures = self._engine.statistics()
        response = operator_service_pb2.GetStatusResponse(
            server_version=__version__,
            uptime_s=self._clock() - self._started_s,
            state=operator_service_pb2.ServingState.Value(f"SERVING_STATE_{self._state().name}"),
            streams=figures.sessions,
            participants=figures.participants,
            books=convert.books_message(figures.books),
            reactions=figures.reactions,
            workers=[
                operator_service_pb2.WorkerStatus(
                    name=each.name,
                    state=str(each.state),
                    pid=each.pid or 0,
                    restarts=each.restarts,
                    last_failure=each.last_failure or "",
                )
                for each in figures.workers
            ],
            latency_p50_ms=figures.latency.p50_ms,
            latency_p95_ms=figures.latency.p95_ms,
        )
        if self._engine.is_ready:
            response.model.CopyFrom(convert.model_message(self._engine.model))
        return response

    async def GetMetrics(
        self, request: operator_service_pb2.GetMetricsRequest, context: Context
    ) -> operator_service_pb2.GetMetricsResponse:
        """See protos/gifcue/v1/operator_service.proto."""
        return operator_service_pb2.GetMetricsResponse(text=self._metrics_text().decode())
