"""The servicer of ReactionService: streams, which `gifcue.server.streams` serves, and stills."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc

from gifcue.detect.regions import flatten
from gifcue.engine.engine import Engine
from gifcue.errors import GifcueError
from gifcue.protocol.annotation import AnnotatedImage, Annotation
from gifcue.protocol.wire.annotation import encode_image
from gifcue.server.grpc_transport import Context, GrpcTransport
from gifcue.server.status_codes import status_of
from gifcue.server.streams import Streams
from gifcue.v1 import reaction_service_pb2

REACTION_SERVICE = reaction_service_pb2.DESCRIPTOR.services_by_name["ReactionService"].full_name


class ReactionServicer:
    """The handlers of both methods."""

    def __init__(self, engine: Engine, streams: Streams) -> None:
        self._engine = engine
        self._streams = streams

    def add_to(self, server: grpc.aio.Server) -> None:
        """Registers the methods. The generated function would parse the messages of streams before they are checked."""
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "StreamReactions": grpc.stream_stream_rpc_method_handler(self.StreamReactions),
            "AnnotateImage": grpc.unary_unary_rpc_method_handler(
                self.AnnotateImage,
                request_deserializer=reaction_service_pb2.AnnotateImageRequest.FromString,
                response_serializer=reaction_service_pb2.AnnotateImageResponse.SerializeToString,
            ),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(REACTION_SERVICE, handlers),))
        server.add_registered_method_handlers(REACTION_SERVICE, handlers)

    async def StreamReactions(self, requests: AsyncIterator[bytes], context: Context) -> None:
        """See protos/gifcue/v1/reaction_service.proto."""
        transport = GrpcTransport(context)
        await self._streams.serve(transport)
        if transport.is_aborted:
            # The call is over. grpc.aio must not send a status for it.
            raise asyncio.CancelledError

    async def AnnotateImage(
        self, request: reaction_service_pb2.AnnotateImageRequest, context: Context
    ) -> reaction_service_pb2.AnnotateImageResponse:
        """See protos/gifcue/v1/reaction_service.proto."""
        try:
            still = await self._engine.annotate(request.image)
        except GifcueError as error:
            await context.abort(status_of(error).grpc, str(error))
        thresholds = still.model.thresholds
        if request.min_score > 0:
            thresholds = dict.fromkeys(still.model.labels, request.min_score)
        found = flatten(still.regions, thresholds)
        image = AnnotatedImage(
            annotations=tuple(
                Annotation(each.label, each.score, each.box)
                for each in sorted(found, key=lambda each: -each.score)
            ),
            model=still.model,
            width=still.width,
            height=still.height,
        )
        return encode_image(image)
