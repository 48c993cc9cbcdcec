"""The media server's half of a general inference server: raw frames over Triton's gRPC streaming, a stream each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
from tritonclient.grpc import InferInput
from tritonclient.grpc.aio import InferenceServerClient

from benchmarks.peers.triton_server import DETECTIONS, FRAME, MODEL


class Stream:
    """One participant's stream: answers find their questions by id."""

    def __init__(self, client: InferenceServerClient) -> None:
        self._asked: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._answers: dict[str, asyncio.Future[int]] = {}
        self._number = 0
        self._reading = asyncio.create_task(self._read(client))

    async def ask(self, pixels: Any) -> int:
        self._number += 1
        identity = str(self._number)
        frame = InferInput(FRAME, list(pixels.shape), "UINT8")
        frame.set_data_from_numpy(pixels)
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._answers[identity] = answer
        self._asked.put_nowait({"model_name": MODEL, "inputs": [frame], "request_id": identity})
        return await answer

    async def close(self) -> None:
        self._asked.put_nowait(None)
        self._reading.cancel()
        await asyncio.wait([self._reading])

    async def _questions(self) -> AsyncIterator[dict[str, Any]]:
        while (question := await self._asked.get()) is not None:
            yield question

    async def _read(self, client: InferenceServerClient) -> None:
        try:
            async for result, error in client.stream_infer(self._questions()):
                if error is not None:
                    raise error
                answer = self._answers.pop(result.get_response().id, None)
                if answer is not None and not answer.done():
                    answer.set_result(int(np.count_nonzero(result.as_numpy(DETECTIONS)[:, 1] > 0)))
        except Exception as error:
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(error)


class Triton:
    """One channel a process, a stream a participant: no participant's answer waits behind another's."""

    async def open(self, target: str, seats: int) -> None:
        self._client = InferenceServerClient(target)
        self._streams = [Stream(self._client) for _ in range(seats)]

    async def ask(self, seat: int, picture: Any) -> int:
        return await self._streams[seat].ask(picture.to_ndarray(format="rgb24"))

    async def close(self) -> None:
        for stream in self._streams:
            await stream.close()
        await self._client.close()


def open_side() -> Triton:
    return Triton()
