"""The client of `triton`: raw frames over gRPC streams, one stream per participant."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
from tritonclient.grpc import InferInput
from tritonclient.grpc.aio import InferenceServerClient

from benchmarks.peers.triton_server import DETECTIONS, FRAME, MODEL


class Stream:
    """The stream of one participant. Answers are matched to requests by id."""

    def __init__(self, client: InferenceServerClient) -> None:
        self._queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._answers: dict[str, asyncio.Future[int]] = {}
        self._number = 0
        self._reading = asyncio.create_task(self._read(client))

    async def detect(self, pixels: Any) -> int:
        self._number += 1
        identity = str(self._number)
        frame = InferInput(FRAME, list(pixels.shape), "UINT8")
        frame.set_data_from_numpy(pixels)
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._answers[identity] = answer
        self._queue.put_nowait({"model_name": MODEL, "inputs": [frame], "request_id": identity})
        return await answer

    async def close(self) -> None:
        self._queue.put_nowait(None)
        self._reading.cancel()
        await asyncio.wait([self._reading])

    async def _requests(self) -> AsyncIterator[dict[str, Any]]:
        while (request := await self._queue.get()) is not None:
            yield request

    async def _read(self, client: InferenceServerClient) -> None:
        try:
            async for result, error in client.stream_infer(self._requests()):
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
    """One channel per process and one stream per participant, so that no answer waits for another participant's."""

    async def open(self, target: str, participants: int) -> None:
        self._client = InferenceServerClient(target)
        self._streams = [Stream(self._client) for _ in range(participants)]

    async def detect(self, participant: int, picture: Any) -> int:
        return await self._streams[participant].detect(picture.to_ndarray(format="rgb24"))

    async def close(self) -> None:
        for stream in self._streams:
            await stream.close()
        await self._client.close()


def open_client() -> Triton:
    return Triton()
