"""Stills that one decode worker was asked for, and the calls that wait for them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

from gifcue.errors import MediaError, WorkerLost
from gifcue.media.messages import StillDone, StillFailed, StillRequest
from gifcue.workers.messages import InvalidMessage


class StillRequests:
    """Matches a worker's answers with the calls that wait for them. Owned by the event loop's thread."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[StillDone]] = {}
        # What the worker still has to answer, also for calls that were cancelled.
        self._unanswered: set[int] = set()

    def __len__(self) -> int:
        """Calls that wait."""
        return len(self._answers)

    async def ask(
        self, data: bytes, send: Callable[[StillRequest], None], release: Callable[[int], None]
    ) -> StillDone:
        """Sends a request to the worker and waits for its answer. The caller releases the slot that it may have.

        `release` is called with the slot of an answer that comes too late for a cancelled caller.

        Raises:
            MediaError: the bytes are no still, or one that may not be decoded.
            WorkerLost: the worker is not ready, or was lost before it answered.
        """
        number = next(self._numbers)
        answer: asyncio.Future[StillDone] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            send(StillRequest(number, data))
            self._unanswered.add(number)
            return await asyncio.shield(answer)
        except asyncio.CancelledError:
            # The answer may come in the same turn of the loop as the cancellation. `take` then gives it to this call,
            # which never sees it. So its slot is released here.
            if answer.done() and answer.exception() is None:
                slot = answer.result().slot
                if slot is not None:
                    release(slot)
            raise
        finally:
            self._answers.pop(number, None)

    def take(self, message: StillDone | StillFailed) -> bool:
        """Gives an answer to the call that waits for it; False where the call was cancelled.

        Raises:
            InvalidMessage: the worker was not asked for this still, or has answered already.
        """
        if message.number not in self._unanswered:
            raise InvalidMessage(f"expected the number of an unanswered still, got {message.number}")
        self._unanswered.discard(message.number)
        answer = self._answers.get(message.number)
        if answer is None or answer.done():
            return False
        if isinstance(message, StillDone):
            answer.set_result(message)
        else:
            answer.set_exception(MediaError(message.reason, message.message))
        return True

    def lose(self, reason: str) -> None:
        """The worker is gone: no call gets an answer any more."""
        self._unanswered.clear()
        for answer in list(self._answers.values()):
            if not answer.done():
                answer.set_exception(WorkerLost(reason))
