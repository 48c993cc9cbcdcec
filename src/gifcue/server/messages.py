"""What the server does for each message of a stream, whatever the transport."""

from __future__ import annotations

import asyncio
import time

import grpc
from google.protobuf.message import DecodeError

from gifcue import __version__
from gifcue.engine.engine import Engine
from gifcue.engine.session import Session
from gifcue.protocol.events import Limits, Ready
from gifcue.protocol.features import FEATURES
from gifcue.protocol.requests import (
    AllowedLabels,
    Dismiss,
    EncodedFrame,
    Join,
    Leave,
    Speaking,
    StatisticsRequest,
)
from gifcue.protocol.statistics import Statistics
from gifcue.protocol.wire.media import decode_frame
from gifcue.protocol.wire.requests import decode_request
from gifcue.protocol.wire.shape import MAX_FRAMES_PER_MESSAGE, shape_fault, too_many_frames
from gifcue.server.outbox import Outbox
from gifcue.server.settings import ServerSettings
from gifcue.server.tracing import Tracing
from gifcue.server.transport import StreamStatus
from gifcue.v1 import reaction_service_pb2 as pb

Request = pb.StreamReactionsRequest

# Seconds for which the frames of one message may hold up the event loop. Others get their turn after that.
MAX_TURN_S = 0.004


def parse(data: bytes) -> Request | StreamStatus:
    """The message; or how the stream ends where it is none, or one that is too costly to parse."""
    fault = shape_fault(data)
    if fault is not None:
        return _invalid(fault)
    try:
        return Request.FromString(data)
    except DecodeError:
        return _invalid(f"expected a StreamReactionsRequest, got {len(data)} bytes that are none")


async def act_on(message: Request, session: Session, outbox: Outbox, tracing: Tracing) -> StreamStatus | None:
    """Acts on a message after the configuration; returns how the stream ends where it breaks the protocol."""
    kind = message.WhichOneof("message")
    if kind == "frames":
        return await _take_frames(message.frames, session)
    if kind == "config":
        details = "expected `config` exactly once, got a second one"
        return StreamStatus(grpc.StatusCode.FAILED_PRECONDITION, details)
    match decode_request(message):
        case EncodedFrame() as frame:
            session.frame(frame)
        case Join() as join:
            with tracing.join("unknown" if join.codec is None else str(join.codec)):
                session.join(
                    join.participant_id, join.codec, join.extradata, join.allowed_labels, join.resume
                )
        case Speaking() as hint:
            session.speaking(hint.participant_id, hint.speaking)
        case AllowedLabels() as allowed:
            session.allow(allowed.participant_id, allowed.labels)
        case Leave() as leave:
            session.leave(leave.participant_id)
        case Dismiss() as dismissal:
            session.dismiss(dismissal.participant_id, dismissal.reaction_id)
        case StatisticsRequest():
            # A client that does not read its answers gets no further ones, and neither are its frames read.
            await outbox.room_for_statistics()
            outbox.put(Statistics(tuple(session.statistics())))
        case _ if kind == "participant":
            known = "`join`, `speaking`, `allowed`, `leave`, `dismiss`"
            return _invalid(f"participant: expected one of {known}, got none")
        case _:
            known = "`participant`, `frame`, `frames`, `statistics`"
            return _invalid(f"expected one of {known}, got an empty message")
    return None


async def _take_frames(frames: pb.Frames, session: Session) -> StreamStatus | None:
    count = len(frames.frames)
    # Before anything is done per frame.
    if count > MAX_FRAMES_PER_MESSAGE:
        return _invalid(too_many_frames(str(count)))
    until_s = time.perf_counter() + MAX_TURN_S
    for frame in frames.frames:
        session.frame(decode_frame(frame))
        if time.perf_counter() >= until_s:
            await asyncio.sleep(0)
            until_s = time.perf_counter() + MAX_TURN_S
    return None


def _invalid(details: str) -> StreamStatus:
    return StreamStatus(grpc.StatusCode.INVALID_ARGUMENT, details)


def ready_of(session: Session, engine: Engine, settings: ServerSettings, gif_base_url: str) -> Ready:
    """The first message to a client."""
    limits = engine.limits
    return Ready(
        limits=Limits(
            max_participants=limits.max_participants_per_stream,
            max_frame_bytes=limits.max_frame_bytes,
            max_pixels=engine.max_pixels,
            max_fps=limits.max_fps,
            max_buffered_bytes=limits.max_buffered_bytes,
            idle_timeout_ms=int(settings.idle_timeout_s * 1000),
            max_message_bytes=limits.max_message_bytes,
            max_frames_per_message=MAX_FRAMES_PER_MESSAGE,
            min_ping_interval_ms=round(settings.min_ping_interval_s * 1000),
            heartbeat_interval_ms=round(settings.heartbeat_interval_s * 1000),
        ),
        model=engine.model,
        reaction_labels=session.reaction_labels,
        server_version=__version__,
        session_id=session.session_id,
        preset=session.preset,
        gif_base_url=gif_base_url,
        features=FEATURES,
    )
