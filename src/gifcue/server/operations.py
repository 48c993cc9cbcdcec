"""The calls of OperatorService, without a transport: gRPC and HTTP both end here.

Each takes and answers the message of the wire. Actions are logged with their caller.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from gifcue.errors import ConfigError, WrongState
from gifcue.gestures.library import ReloadedGestures
from gifcue.protocol.operations import Drained, GesturesReloaded, RulesReloaded
from gifcue.protocol.wire.operator import (
    encode_drained,
    encode_gestures,
    encode_reloaded,
    encode_status,
    encode_streams,
)
from gifcue.server.actions import log_action
from gifcue.server.logs import set_log_level
from gifcue.server.operator_status import StatusReader
from gifcue.server.settings import ServerSettings
from gifcue.server.streams import Streams
from gifcue.v1 import operator_service_pb2 as pb

# Streams of a page, where no number is asked for, and at most. One page is encoded in one turn of the event loop.
PAGE_SIZE = 100
MAX_PAGE_SIZE = 100
# Digits of a page's token: as many as a number of 64 bits has.
_TOKEN_DIGITS = 20
MAX_DEADLINE_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Call:
    """One call: the type of its request, and what answers it. Raises GifcueError where it is refused."""

    request: type[Message]
    answer: Callable[[Any], Awaitable[Message]]


class Operations:
    """Args:
    metrics: Gives the metrics' text.
    reload_rules: Reads the file of the rule book; raises what `BookFollower.reload` raises.
    reload_gestures: Reads the folder of custom gestures.
    changed: Called after a change of what health reports.
    settings: They say how long streams have to move, where a call gives no time.
    request_exit: Makes the process end as SIGTERM does; None where the server is part of another program.
    """

    def __init__(
        self,
        status: StatusReader,
        streams: Streams,
        metrics: Callable[[], bytes],
        reload_rules: Callable[[], Awaitable[RulesReloaded]],
        reload_gestures: Callable[[], Awaitable[ReloadedGestures]],
        changed: Callable[[], Awaitable[None]],
        settings: ServerSettings,
        request_exit: Callable[[], None] | None = None,
    ) -> None:
        self._status = status
        self._streams = streams
        self._metrics = metrics
        self._reload_rules = reload_rules
        self._reload_gestures = reload_gestures
        self._changed = changed
        self._settings = settings
        self._request_exit = request_exit
        # By the name of the method of OperatorService.
        self.calls: Mapping[str, Call] = {
            "GetStatus": Call(pb.GetStatusRequest, self._get_status),
            "GetMetrics": Call(pb.GetMetricsRequest, self._get_metrics),
            "ListStreams": Call(pb.ListStreamsRequest, self._list_streams),
            "Drain": Call(pb.DrainRequest, self._drain),
            "Resume": Call(pb.ResumeRequest, self._resume),
            "ReloadRules": Call(pb.ReloadRulesRequest, self._reload),
            "ReloadGestures": Call(pb.ReloadGesturesRequest, self._gestures),
            "SetLogLevel": Call(pb.SetLogLevelRequest, self._set_log_level),
        }

    async def _get_status(self, request: pb.GetStatusRequest) -> pb.GetStatusResponse:
        return encode_status(self._status.read())

    async def _get_metrics(self, request: pb.GetMetricsRequest) -> pb.GetMetricsResponse:
        return pb.GetMetricsResponse(text=self._metrics().decode())

    async def _list_streams(self, request: pb.ListStreamsRequest) -> pb.ListStreamsResponse:
        size, token = request.page_size or PAGE_SIZE, request.page_token
        if size > MAX_PAGE_SIZE:
            raise ConfigError(f"page_size: expected at most {MAX_PAGE_SIZE}, got {size}")
        if token and not (token.isascii() and token.isdigit() and len(token) <= _TOKEN_DIGITS):
            raise ConfigError("page_token: expected the next_page_token of an answer, got something else")
        return encode_streams(await self._streams.page(size, int(token or 0)))

    async def _drain(self, request: pb.DrainRequest) -> pb.DrainResponse:
        share, deadline_ms = request.share, request.deadline_ms
        if not 0 < share <= 1:  # also false for what is no number
            raise ConfigError(f"share: expected a number above 0 and at most 1, got {share:g}")
        if deadline_ms > MAX_DEADLINE_MS:
            raise ConfigError(f"deadline_ms: expected at most {MAX_DEADLINE_MS}, got {deadline_ms}")
        if request.exit:
            return encode_drained(self._exit(share, deadline_ms))
        log_action("drain", share=share, deadline_ms=deadline_ms)
        drained = self._streams.ask_to_move(share, deadline_ms / 1000 or self._settings.drain_timeout_s)
        await self._changed()
        # The streams are told in tasks of their own, which begin in the next turn of the event loop.
        await asyncio.sleep(0)
        return encode_drained(drained)

    def _exit(self, share: float, deadline_ms: int) -> Drained:
        if share != 1 or deadline_ms:
            raise ConfigError(
                "exit: expected the share 1 and no deadline_ms, since a process that ends takes "
                "server.lame_duck_s and server.drain_timeout_s"
            )
        if self._request_exit is None:
            raise WrongState(
                "exit: expected a server that `gifcue serve` runs, got one within another program"
            )
        log_action("drain", share=share, exit=True)
        self._status.exits = True
        streams = self._streams.count - self._streams.moving
        self._request_exit()
        return Drained(streams, 0, round(self._settings.stop_s * 1000))

    async def _resume(self, request: pb.ResumeRequest) -> pb.ResumeResponse:
        if self._status.exits or self._streams.is_ending:
            raise WrongState("expected a server that goes on, got one whose process ends")
        log_action("resume")
        changed = self._streams.accept()
        await self._changed()
        return pb.ResumeResponse(changed=changed)

    async def _reload(self, request: pb.ReloadRulesRequest) -> pb.ReloadRulesResponse:
        log_action("reload rules")
        return encode_reloaded(await self._reload_rules())

    async def _gestures(self, request: pb.ReloadGesturesRequest) -> pb.ReloadGesturesResponse:
        log_action("reload gestures")
        found = await self._reload_gestures()
        return encode_gestures(GesturesReloaded(found.labels, found.problems))

    async def _set_log_level(self, request: pb.SetLogLevelRequest) -> pb.SetLogLevelResponse:
        previous = set_log_level(request.level)
        log_action("set log level", level=request.level, previous=previous)
        return pb.SetLogLevelResponse(previous=previous)
