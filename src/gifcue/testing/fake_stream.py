"""One stream of the fake server: what it received, and answers to script. See `gifcue.testing`.

Its own answers are written as protobuf messages, not converted by `gifcue.protocol.wire`. Tests of the client would
otherwise not notice a conversion that is wrong in the same way in both directions.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import grpc

from gifcue.protocol.events import ServerEvent
from gifcue.protocol.wire.responses import encode_response
from gifcue.v1 import media_pb2, reaction_service_pb2
from gifcue.v1.reaction_service_pb2 import StreamReactionsRequest, StreamReactionsResponse

MODEL = media_pb2.ModelInfo(
    name="fake", version="fake-1", labels=["face", "hand", "smile", "wave", "thumbs_up"], backend="litert"
)


@dataclass(frozen=True)
class End:
    """The end of a call, among its answers."""

    code: grpc.StatusCode
    details: str


class FakeStream:
    """One stream, as the server sees it: every request so far, and answers to script.

    `requests` has every message in order; `joins` the latest join by participant; `frames` every frame.
    """

    def __init__(self) -> None:
        self.requests: list[StreamReactionsRequest] = []
        self.joins: dict[str, reaction_service_pb2.Join] = {}
        self.frames: list[media_pb2.Frame] = []
        self.half_closed = asyncio.Event()
        self._changed = asyncio.Condition()
        self._answers: asyncio.Queue[StreamReactionsResponse | End] = asyncio.Queue()
        self._open_reactions: dict[str, reaction_service_pb2.ReactionEvent] = {}

    def say(self, event: ServerEvent) -> None:
        """Sends an event of `gifcue.client`."""
        self._answers.put_nowait(encode_response(event))

    def answer(self, **message: Any) -> None:
        """Sends a response made of protobuf messages: `answer(reaction=…)`, `answer(fault=…)`, …"""
        self._answers.put_nowait(StreamReactionsResponse(**message))

    def end(self, code: grpc.StatusCode = grpc.StatusCode.OK, details: str = "") -> None:
        """Ends the call once the answers before are sent."""
        self._answers.put_nowait(End(code, details))

    async def until(self, condition: Callable[[FakeStream], bool]) -> None:
        """Waits until the stream satisfies `condition`, which is checked after every request."""
        async with self._changed:
            await self._changed.wait_for(lambda: condition(self))

    def counts(self, participant_id: str) -> reaction_service_pb2.FrameBooks:
        """The participant's frame accounting: every frame counts as analysed."""
        count = sum(frame.participant_id == participant_id for frame in self.frames)
        return reaction_service_pb2.FrameBooks(received=count, analysed=count)

    async def take(self, request: StreamReactionsRequest) -> None:
        """Records one request and answers it. Called by the server."""
        async with self._changed:
            self.requests.append(request)
            match request.WhichOneof("message"):
                case "frame":
                    self.frames.append(request.frame)
                    self._react(request.frame)
                case "frames":
                    for frame in request.frames.frames:
                        self.frames.append(frame)
                        self._react(frame)
                case "participant":
                    self._update(request.participant)
                case "statistics":
                    self._send_statistics()
            self._changed.notify_all()

    def finish(self) -> None:
        """The client half-closed: ends its reactions, then the call. Called by the server."""
        for participant_id in tuple(self._open_reactions):
            self._release(participant_id, "left")
        self.half_closed.set()
        self.end()

    async def answers(self) -> AsyncIterator[StreamReactionsResponse | End]:
        """The answers to send, in order. Called by the server."""
        while True:
            yield await self._answers.get()

    def _update(self, update: reaction_service_pb2.ParticipantUpdate) -> None:
        match update.WhichOneof("update"):
            case "join":
                self.joins[update.participant_id] = update.join
                self._take_over(update.participant_id, update.join)
            case "leave":
                self._release(update.participant_id, "left")
            case "dismiss":
                self._dismiss(update.participant_id, update.dismiss.reaction_id)

    def _take_over(self, participant_id: str, join: reaction_service_pb2.Join) -> None:
        """Goes on with the first reaction that the join carries, if its label is allowed. Others end."""
        for running in join.resume.running:
            present = self._open_reactions.get(participant_id)
            is_present = present is not None and present.reaction_id == running.reaction_id
            if is_present and running.label in join.allowed_labels:
                continue  # carried over from the join before, on this stream
            reaction = reaction_service_pb2.ReactionEvent(
                participant_id=participant_id,
                reaction_id=running.reaction_id,
                label=running.label,
                box=media_pb2.BoundingBox(),
                model_version=MODEL.version,
            )
            if running.label not in join.allowed_labels:
                if is_present:
                    del self._open_reactions[participant_id]
                self._answer(
                    reaction, reaction_service_pb2.PHASE_ENDED, progress=1.0, end_reason="not_allowed"
                )
            elif present is not None:
                self._answer(reaction, reaction_service_pb2.PHASE_ENDED, progress=1.0, end_reason="released")
            else:
                self._open_reactions[participant_id] = reaction

    def _dismiss(self, participant_id: str, reaction_id: str) -> None:
        reaction = self._open_reactions.get(participant_id)
        if reaction is not None and reaction.reaction_id == reaction_id:
            self._release(participant_id, "dismissed")
            return
        fault = reaction_service_pb2.ParticipantFault(
            participant_id=participant_id,
            code=reaction_service_pb2.FAULT_CODE_INVALID_ARGUMENT,
            message="dismiss: expected the id of a reaction that started, got another",
            count=1,
        )
        self.answer(fault=fault)

    def _react(self, frame: media_pb2.Frame) -> None:
        join = self.joins.get(frame.participant_id)
        if join is None:
            self.answer(
                fault=reaction_service_pb2.ParticipantFault(
                    participant_id=frame.participant_id,
                    code=reaction_service_pb2.FAULT_CODE_UNKNOWN_PARTICIPANT,
                    message="expected a participant that joined",
                    sequence=frame.sequence,
                    count=1,
                )
            )
            return
        self._decide(frame, join)
        if frame.participant_id in self._open_reactions or not join.allowed_labels:
            return
        reaction = reaction_service_pb2.ReactionEvent(
            participant_id=frame.participant_id,
            reaction_id=f"r-{frame.participant_id}",
            label=join.allowed_labels[0],
            score=0.97,
            box=media_pb2.BoundingBox(ymin=0.1, xmin=0.2, ymax=0.5, xmax=0.6),
            pts=frame.pts,
            clock_hz=frame.clock_hz,
            sequence=frame.sequence,
            latency_ms=12.5,
            model_version=MODEL.version,
        )
        self._open_reactions[frame.participant_id] = reaction
        if self.requests[0].config.send_holding:
            self._answer(reaction, reaction_service_pb2.PHASE_HOLDING, progress=0.5)
        gif = reaction_service_pb2.Gif(
            gif_id="smile-1", url="/gifs/smile-1.gif", title="A smile", media_type="image/gif", priority=1
        )
        self._answer(
            reaction, reaction_service_pb2.PHASE_STARTED, progress=1.0, gif=gif, gif_reason="the only one"
        )

    def _decide(self, frame: media_pb2.Frame, join: reaction_service_pb2.Join) -> None:
        config = self.requests[0].config
        if not config.send_decisions:
            return
        unmet = [
            reaction_service_pb2.UnmetCondition(label=label, condition="score", value=0.61, needed=0.8)
            for label in join.allowed_labels[1:]
        ]
        decision = reaction_service_pb2.FrameDecision(
            participant_id=frame.participant_id,
            sequence=frame.sequence,
            pts=frame.pts,
            clock_hz=frame.clock_hz,
            latency_ms=12.5,
            unmet=unmet if config.explain else [],
        )
        self.answer(decision=decision)

    def _release(self, participant_id: str, reason: str) -> None:
        reaction = self._open_reactions.pop(participant_id, None)
        if reaction is not None:
            self._answer(reaction, reaction_service_pb2.PHASE_ENDED, progress=1.0, end_reason=reason)

    def _answer(self, reaction: reaction_service_pb2.ReactionEvent, phase: Any, **fields: Any) -> None:
        event = reaction_service_pb2.ReactionEvent(phase=phase, **fields)
        event.MergeFrom(reaction)
        self.answer(reaction=event)

    def _send_statistics(self) -> None:
        self.answer(
            statistics=reaction_service_pb2.StreamStatistics(
                participants=[
                    reaction_service_pb2.ParticipantStatistics(
                        participant_id=name,
                        books=self.counts(name),
                        reactions=1,
                        latency_p50_ms=9,
                        latency_p95_ms=12,
                    )
                    for name in self.joins
                ]
            )
        )
