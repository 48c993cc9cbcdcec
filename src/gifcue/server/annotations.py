"""AnnotateImage: one still over gRPC.

gRPC receives the message of a unary call before it calls the handler, so a hundred large stills would be in memory
before any could be refused. Here the call is served as one that streams its requests, which is the same on the wire: a
place is taken first, and only then is the message read.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeAlias

import grpc

from gifcue.detect.regions import flatten
from gifcue.engine.engine import Engine
from gifcue.engine.stills import AnnotatedStill
from gifcue.errors import GifcueError, Overloaded
from gifcue.media.still_admission import StillPlace
from gifcue.protocol.annotation import AnnotatedImage, Annotation
from gifcue.protocol.wire.annotation import encode_image
from gifcue.server.call_identity import caller_key
from gifcue.server.reactions import REACTION_SERVICE
from gifcue.server.status_codes import RETRY_AFTER, status_of
from gifcue.v1 import reaction_service_pb2

Request: TypeAlias = reaction_service_pb2.AnnotateImageRequest
Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class AnnotationHandler:
    """Serves AnnotateImage. `clock` is the engine's, in seconds."""

    def __init__(self, engine: Engine, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._clock = clock

    def add_to(self, server: grpc.aio.Server) -> None:
        """Registers the method."""
        method = grpc.stream_unary_rpc_method_handler(
            self._annotate,
            request_deserializer=Request.FromString,
            response_serializer=reaction_service_pb2.AnnotateImageResponse.SerializeToString,
        )
        handlers = {"AnnotateImage": method}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(REACTION_SERVICE, handlers),))
        server.add_registered_method_handlers(REACTION_SERVICE, handlers)

    async def _annotate(
        self, _: AsyncIterator[Request], context: Context
    ) -> reaction_service_pb2.AnnotateImageResponse:
        """See protos/gifcue/v1/reaction_service.proto."""
        try:
            with self._engine.enter_still(caller_key()) as place:
                request = await self._read(context, place)
                still = await self._engine.annotate(request.image, place)
        except Overloaded as error:
            trailing = ((RETRY_AFTER, str(error.retry_after_ms)),)
            await context.abort(status_of(error).grpc, str(error), trailing)
        except GifcueError as error:
            await context.abort(status_of(error).grpc, str(error))
        return encode_image(_image(still, request.min_score))

    async def _read(self, context: Context, place: StillPlace) -> Request:
        """The call's only message, within the time of the place."""
        reading = asyncio.ensure_future(context.read())
        try:
            # Not `wait_for`, which would cancel the read and go on: a call whose read was cancelled never ends.
            await asyncio.wait({reading}, timeout=max(0.0, place.deadline_s - self._clock()))
            if not reading.done():
                await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "expected a still in time, got none")
            request = reading.result()
        finally:
            if not reading.done():
                reading.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await reading
        if not isinstance(request, Request):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "expected one message, got none")
        return request


def _image(still: AnnotatedStill, min_score: float) -> AnnotatedImage:
    thresholds = still.model.thresholds
    if min_score > 0:
        thresholds = dict.fromkeys(still.model.labels, min_score)
    found = flatten(still.regions, thresholds)
    return AnnotatedImage(
        annotations=tuple(
            Annotation(each.label, each.score, each.box)
            for each in sorted(found, key=lambda each: -each.score)
        ),
        model=still.model,
        width=still.width,
        height=still.height,
    )
