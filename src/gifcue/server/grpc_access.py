"""Access control of gRPC: every call of a server passes through one interceptor.

A call is checked before its first message is read. The scope that it needs follows from its method; a method that this
module does not know needs the scope of operators.
"""

from __future__ import annotations

import contextlib
import inspect
import math
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, NoReturn, TypeAlias

import grpc

from gifcue.access.bearer import bearer_token
from gifcue.access.control import Caller
from gifcue.access.grants import Scope
from gifcue.access.peers import Peer, grpc_address
from gifcue.access.refusals import AccessRefused, OverQuota, Reason
from gifcue.server import call_identity
from gifcue.server.access_guard import AccessGuard
from gifcue.server.status_codes import RETRY_AFTER, status_of

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Continuation: TypeAlias = "Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]]"

STREAM = "/gifcue.v1.ReactionService/StreamReactions"
_SCOPES = {
    STREAM: Scope.STREAM,
    "/gifcue.v1.ReactionService/AnnotateImage": Scope.ANNOTATE,
    "/gifcue.v1.OperatorService/GetStatus": Scope.OBSERVE,
    "/gifcue.v1.OperatorService/GetMetrics": Scope.OBSERVE,
    "/gifcue.v1.OperatorService/ListStreams": Scope.OBSERVE,
}
# Probes have no token. They learn whether the server takes streams and nothing else.
_OPEN = "/grpc.health.v1.Health/"
_WATCH = f"{_OPEN}Watch"
# Watches of health never end by themselves, and need no token.
MAX_WATCHES_PER_PEER = 64
# The behaviours of a handler, by whether requests and responses are streams.
_BEHAVIOURS = {
    (False, False): ("unary_unary", grpc.unary_unary_rpc_method_handler),
    (False, True): ("unary_stream", grpc.unary_stream_rpc_method_handler),
    (True, False): ("stream_unary", grpc.stream_unary_rpc_method_handler),
    (True, True): ("stream_stream", grpc.stream_stream_rpc_method_handler),
}


class AccessInterceptor(grpc.aio.ServerInterceptor):
    """Refuses calls that the guard does not allow, and says to the others who calls (`call_identity`)."""

    def __init__(self, guard: AccessGuard) -> None:
        self._guard = guard
        self._watches: Counter[str] = Counter()

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        """See grpc.aio.ServerInterceptor."""
        handler = await continuation(handler_call_details)
        if handler is None:  # grpc answers UNIMPLEMENTED
            return handler
        return self._guarded(handler, handler_call_details.method)

    def _guarded(self, handler: Handler, method: str) -> Handler:
        name, make = _BEHAVIOURS[handler.request_streaming, handler.response_streaming]
        inner = getattr(handler, name)

        async def call(request: Any, context: Context) -> Any:
            with await self._enter(method, context):
                return await inner(request, context)

        async def stream(request: Any, context: Context) -> AsyncIterator[Any]:
            with await self._enter(method, context):
                async for response in inner(request, context):
                    yield response

        # grpc.aio looks at the kind of function to know whether it yields responses or writes them.
        behaviour = stream if inspect.isasyncgenfunction(inner) else call
        return make(
            behaviour,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    async def _enter(self, method: str, context: Context) -> contextlib.AbstractContextManager[None]:
        """Checks a call; what it returns holds the call's share of the quotas. Aborts a call that is refused."""
        peer = Peer(grpc_address(context.peer()))
        try:
            peer = self._peer(context)
            if method.startswith(_OPEN):
                return self._watching(peer) if method == _WATCH else contextlib.nullcontext()
            token = bearer_token(_values(context, "authorization"))
            caller = self._guard.control.authenticate(_SCOPES.get(method, Scope.OPERATE), token, peer)
            if method == STREAM:
                return self._streaming(caller)
            return _calling(caller)
        except AccessRefused as error:
            self._guard.control.record(error, peer)
            await refuse(context, error)

    def _peer(self, context: Context) -> Peer:
        return self._guard.proxies.peer_of(
            grpc_address(context.peer()), _values(context, "x-forwarded-for"), _values(context, "forwarded")
        )

    def _watching(self, peer: Peer) -> contextlib.AbstractContextManager[None]:
        if self._watches[peer.key] >= MAX_WATCHES_PER_PEER:
            message = f"expected at most {MAX_WATCHES_PER_PEER} watches of health of one peer at once"
            raise OverQuota(Reason.WATCHES, message, 5.0)
        # Counted here and not in the context manager, which is entered later.
        self._watches[peer.key] += 1
        return self._watch(peer)

    @contextlib.contextmanager
    def _watch(self, peer: Peer) -> Iterator[None]:
        try:
            yield
        finally:
            self._watches[peer.key] -= 1
            if not self._watches[peer.key]:
                del self._watches[peer.key]

    def _streaming(self, caller: Caller) -> contextlib.AbstractContextManager[None]:
        access = self._guard.control.open_stream(caller)

        @contextlib.contextmanager
        def streaming() -> Iterator[None]:
            call_identity.caller.set(caller)
            call_identity.stream_access.set(access)
            try:
                yield
            finally:
                access.close()

        return streaming()


@contextlib.contextmanager
def _calling(caller: Caller) -> Iterator[None]:
    call_identity.caller.set(caller)
    yield


async def refuse(context: Context, error: AccessRefused) -> NoReturn:
    """Ends a call with the status of a refusal. Never returns."""
    trailing: tuple[tuple[str, str], ...] = ()
    if error.retry_after_s is not None:
        trailing = ((RETRY_AFTER, str(math.ceil(error.retry_after_s * 1000))),)
    await context.abort(status_of(error).grpc, str(error), trailing)


def _values(context: Context, name: str) -> list[str]:
    # Values are bytes only under names that end in "-bin".
    return [str(value) for key, value in context.invocation_metadata() or () if key == name]
