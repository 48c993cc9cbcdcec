"""Servers that live and die, and a client's route to them."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Iterator
from typing import Any

import grpc
import grpc.aio

from gifcue.client.exceptions import ServerError
from gifcue.client.options import ConnectionOptions
from gifcue.client.stream import ReactionStream
from gifcue.client.tokens import TokenSource
from gifcue.detect.regions import Region
from gifcue.protocol.accounting import FrameCounts
from gifcue.protocol.geometry import Box
from gifcue.protocol.requests import StreamOptions
from gifcue.protocol.resume import RoomState
from gifcue.rules import Chooser, default_book_path, load_book
from gifcue.server.settings import ServerSettings
from gifcue.server.streams import Streams
from tests.engine.kit import INTER, KEYFRAME, FakeDecodePool, Kit
from tests.support.moving.network import Call

LABELS = ("smile", "thumbs_up")
# Seconds from a frame's arrival to its result.
WORK_S = 0.02
ROOM = "weekly"
BOOK = load_book(default_book_path())

FACE = Region("face", Box(0.2, 0.3, 0.7, 0.6), 0.98, {"smile": 0.95, "neutral": 0.03})
HAND = Region("hand", Box(0.4, 0.8, 0.6, 0.9), 0.97, {"thumbs_up": 0.97})


def payload(shown: frozenset[str], *, keyframe: bool) -> bytes:
    """A frame that shows these labels."""
    mask = sum(1 << LABELS.index(label) for label in shown)
    return (KEYFRAME if keyframe else INTER) + bytes([mask])


def regions(data: bytes) -> list[Region]:
    """What a detector finds in it."""
    return [region for index, region in enumerate((FACE, HAND)) if data[-1] & 1 << index]


class _AnsweringPool(FakeDecodePool):
    """Every frame has its result after a while."""

    kit: AnsweringKit

    def submit(self, frame: Any, payload: bytes) -> None:
        super().submit(frame, payload)
        asyncio.get_running_loop().call_later(WORK_S, self._answer, frame.key, payload)

    def _answer(self, key: int, data: bytes) -> None:
        self.kit.decoded(key)
        self.kit.detected(key, regions(data))


class AnsweringKit(Kit):
    """An engine without processes, by the time of the event loop and with the default rule book."""

    def __init__(self, name: str) -> None:
        ids = itertools.count(1)
        super().__init__(
            clock=asyncio.get_running_loop().time, chooser=Chooser(BOOK), ids=lambda: f"{name}-{next(ids)}"
        )

    def _make_decode(self, *arguments: Any, **named: Any) -> FakeDecodePool:
        self.decode = pool = _AnsweringPool(*arguments, **named)
        pool.kit = self
        return pool


class FakeProcess:
    """One server, from its start to its end."""

    def __init__(self, name: str) -> None:
        loop = asyncio.get_running_loop()
        self.kit = AnsweringKit(name)
        self.streams = Streams(self.kit.engine, ServerSettings(), loop.time, chance=random.Random(0))
        self.calls: list[Call] = []
        self.is_up = self.is_frozen = False
        self._tasks = [loop.create_task(self.kit.engine.end_quiet())]
        self.is_up = True

    def serve(self, call: Call) -> None:
        """A client calls."""
        self.calls.append(call)
        call.freeze(is_frozen=self.is_frozen)
        self._tasks.append(asyncio.get_running_loop().create_task(self.streams.serve(call)))

    def freeze(self, *, is_frozen: bool) -> None:
        """As SIGSTOP and SIGCONT."""
        self.is_frozen = is_frozen
        for call in self.calls:
            call.freeze(is_frozen=is_frozen)

    def lose(self, code: grpc.StatusCode, details: str) -> None:
        """Every connection breaks, and the server goes on."""
        for call in self.calls:
            if not call.is_over:
                call.lose(code, details)

    def kill(self) -> None:
        """As SIGKILL."""
        self.is_up = False
        for task in self._tasks:
            task.cancel()
        self.lose(grpc.StatusCode.UNAVAILABLE, "Socket closed")

    async def drain(self) -> None:
        """Every stream is asked to move, and the server goes on."""
        self.streams.ask_to_move(1.0, 5.0)
        self.streams.accept()
        await asyncio.sleep(0)

    async def stop(self) -> None:
        """Ends what still runs."""
        self.kill()
        await asyncio.wait(self._tasks)

    @property
    def frames(self) -> FrameCounts:
        """The frame accounting of this server."""
        return self.kit.engine.statistics().frames


class _Seat:
    def __init__(self, process: FakeProcess) -> None:
        self._process = process

    async def stub(self) -> Any:
        return self

    def StreamReactions(self, metadata: Any = None) -> Call:
        call = Call()
        if self._process.is_up:
            self._process.serve(call)
        else:
            call.lose(grpc.StatusCode.UNAVAILABLE, "failed to connect")
        return call

    def ended(self, problem: BaseException | None, was_ready: bool) -> None:
        pass


class Fleet:
    """Two servers, and the `Route` of one stream: each attempt goes to the other one."""

    def __init__(self) -> None:
        self._names: Iterator[int] = itertools.count(1)
        self.at = 0
        self.gone: list[FakeProcess] = []
        self.processes = [self._new(), self._new()]

    def _new(self) -> FakeProcess:
        return FakeProcess(f"s{next(self._names)}")

    @property
    def current(self) -> FakeProcess:
        """The server of the latest attempt."""
        return self.processes[self.at]

    def replace_current(self) -> None:
        """The server of the latest attempt dies, and another one starts in its place."""
        self.current.kill()
        self.gone.append(self.current)
        self.processes[self.at] = self._new()

    async def stop(self) -> None:
        for process in (*self.processes, *self.gone):
            await process.stop()

    # Route

    has_other = True

    async def next(self, resume: RoomState) -> ReactionStream:
        self.at = 1 - self.at
        options = StreamOptions(room_id=ROOM, resume=resume, send_holding=True)
        connection = ConnectionOptions(open_timeout_s=1.0, close_timeout_s=5.0)
        return ReactionStream(_Seat(self.current), options, connection, TokenSource(None, ()))

    def opened(self) -> None:
        pass

    def held(self) -> None:
        pass

    def draining(self) -> None:
        pass

    def failed(self, problem: ServerError) -> None:
        pass

    def pause_s(self, attempt: int) -> float:
        return 0.05

    def close(self) -> None:
        pass
