"""OperatorService of the fake server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc

from gifcue.v1 import operator_service_pb2 as pb
from gifcue.v1 import operator_service_pb2_grpc


@dataclass
class FakeOperator:
    """What the fake server answers to operators. Change it before a call.

    `drains` has the requests of every drain so far. `rules_problem` refuses `ReloadRules`, `gestures` has the files
    that `ReloadGestures` refuses, each with its problem.
    """

    drains: list[pb.DrainRequest] = field(default_factory=list)
    refuses_streams: bool = False
    rules_problem: str = ""
    gestures: dict[str, str] = field(default_factory=dict)
    log_level: str = "info"


class OperatorServicer(operator_service_pb2_grpc.OperatorServiceServicer):
    """`status` gives the status without what an operator has changed, `sessions` the names of the open streams."""

    def __init__(
        self,
        operator: FakeOperator,
        status: Callable[[], pb.GetStatusResponse],
        sessions: Callable[[], list[str]],
    ) -> None:
        self._operator = operator
        self._status = status
        self._sessions = sessions

    async def GetStatus(self, request: Any, context: Any) -> Any:
        status = self._status()
        status.drain.refuses_streams = self._operator.refuses_streams
        status.log_level = self._operator.log_level
        return status

    async def GetMetrics(self, request: Any, context: Any) -> Any:
        return pb.GetMetricsResponse(text="gifcue_frames_received_total 0\n")

    async def ListStreams(self, request: Any, context: Any) -> Any:
        sessions = self._sessions()
        first = int(request.page_token or 0)
        last = first + (request.page_size or 2)
        return pb.ListStreamsResponse(
            streams=[
                pb.StreamFigures(session_id=session, age_s=3.0, participants=1)
                for session in sessions[first:last]
            ],
            next_page_token=str(last) if last < len(sessions) else "",
            total=len(sessions),
        )

    async def Drain(self, request: Any, context: Any) -> Any:
        self._operator.drains.append(request)
        self._operator.refuses_streams = request.share >= 1
        count = len(self._sessions())
        asked = min(count, -int(-request.share * count // 1))
        return pb.DrainResponse(
            streams=asked, remaining=count - asked, deadline_ms=request.deadline_ms or 10_000
        )

    async def Resume(self, request: Any, context: Any) -> Any:
        changed, self._operator.refuses_streams = self._operator.refuses_streams, False
        return pb.ResumeResponse(changed=changed)

    async def ReloadRules(self, request: Any, context: Any) -> Any:
        if self._operator.rules_problem:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, self._operator.rules_problem)
        return pb.ReloadRulesResponse(changed=True, rules=5, gifs=10, doubtful_lines=[7])

    async def ReloadGestures(self, request: Any, context: Any) -> Any:
        problems = [
            pb.GestureProblem(file=file, problem=why) for file, why in self._operator.gestures.items()
        ]
        return pb.ReloadGesturesResponse(labels=["fist"], problems=problems)

    async def SetLogLevel(self, request: Any, context: Any) -> Any:
        if request.level not in ("debug", "info", "warning", "error"):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "expected a level, got another word")
        previous, self._operator.log_level = self._operator.log_level, request.level
        return pb.SetLogLevelResponse(previous=previous)
