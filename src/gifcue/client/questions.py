"""Requests for statistics that wait for their answer."""

from __future__ import annotations

import asyncio
from collections import deque

from gifcue.client.exceptions import ClientError
from gifcue.protocol.statistics import Statistics


class Questions:
    """Of one stream. The server answers in the order in which it was asked."""

    def __init__(self) -> None:
        self._asked: deque[asyncio.Future[Statistics]] = deque()

    def ask(self) -> asyncio.Future[Statistics]:
        """A request was sent. Nothing may be awaited between the two, so that the order is that of the requests."""
        answer: asyncio.Future[Statistics] = asyncio.get_running_loop().create_future()
        self._asked.append(answer)
        return answer

    def answer(self, statistics: Statistics) -> None:
        """The oldest request is answered. An answer without a question is ignored."""
        if self._asked:
            answer = self._asked.popleft()
            if not answer.done():
                answer.set_result(statistics)

    def end(self, error: BaseException | None) -> None:
        """The stream is over: nothing is answered any more."""
        for answer in self._asked:
            if not answer.done():
                answer.set_exception(
                    error or ClientError("expected the statistics, got the end of the stream before them")
                )
                # Marks the exception as retrieved: the caller may be gone, and asyncio would then log it.
                answer.exception()
        self._asked.clear()
