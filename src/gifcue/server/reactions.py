"""StreamReactions over gRPC. `gifcue.server.streams` serves the streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc

from gifcue.server import call_identity
from gifcue.server.grpc_transport import Context, GrpcTransport
from gifcue.server.streams import Streams
from gifcue.server.tracing import HEADERS, trace_context
from gifcue.v1 import reaction_service_pb2

REACTION_SERVICE = reaction_service_pb2.DESCRIPTOR.services_by_name["ReactionService"].full_name


class StreamHandler:
    """The handler of StreamReactions."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams

    def add_to(self, server: grpc.aio.Server) -> None:
        """Registers the method. The generated function would parse messages before they are checked."""
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "StreamReactions": grpc.stream_stream_rpc_method_handler(self._serve)
        }
        server.add_registered_method_handlers(REACTION_SERVICE, handlers)

    async def _serve(self, requests: AsyncIterator[bytes], context: Context) -> None:
        """See protos/gifcue/v1/reaction_service.proto."""
        # Metadata is bytes only under names that end in "-bin".
        metadata = {key: str(value) for key, value in context.invocation_metadata() or () if key in HEADERS}
        call_identity.trace.set(trace_context(metadata))
        transport = GrpcTransport(context)
        await self._streams.serve(transport)
        if transport.is_aborted:
            # The call is over. grpc.aio must not send a status for it.
            raise asyncio.CancelledError
