"""OperatorService over gRPC."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import Message

from gifcue.errors import GifcueError
from gifcue.server.operations import Call, Operations
from gifcue.server.status_codes import status_of
from gifcue.v1 import operator_service_pb2

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
OPERATOR_SERVICE = operator_service_pb2.DESCRIPTOR.services_by_name["OperatorService"].full_name


def add_operator_service(operations: Operations, server: grpc.aio.Server) -> None:
    """Registers the service. protos/gifcue/v1/operator_service.proto explains each method."""
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        name: grpc.unary_unary_rpc_method_handler(
            _behaviour(call),
            request_deserializer=call.request.FromString,
            response_serializer=lambda response: response.SerializeToString(),
        )
        for name, call in operations.calls.items()
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(OPERATOR_SERVICE, handlers),))
    server.add_registered_method_handlers(OPERATOR_SERVICE, handlers)


def _behaviour(call: Call) -> Callable[[Message, Context], Awaitable[Message]]:
    async def behaviour(request: Message, context: Context) -> Message:
        try:
            return await call.answer(request)
        except GifcueError as error:
            await context.abort(status_of(error).grpc, str(error))

    return behaviour
