"""One detector worker as the front sees it: the process, and the batch that it holds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from gifcue.detect.messages import Batch, BatchResult, InlinePicture, SlotPicture, StillPicture, unpack
from gifcue.detect.regions import Region
from gifcue.errors import GifcueError, WorkerStartError
from gifcue.media.frame import FrameInFlight
from gifcue.workers.messages import InvalidMessage
from gifcue.workers.supervised import SupervisedWorker


@dataclass(eq=False, slots=True)
class Still:
    """A still that waits, or that a worker holds, and the answer to whoever asked."""

    picture: StillPicture | InlinePicture
    answer: asyncio.Future[list[Region]]

    def refuse(self, error: GifcueError) -> None:
        """Answers with an error; does nothing where nobody waits any more."""
        if not self.answer.done():
            self.answer.set_exception(error)

    def settle(self, answer: list[Region] | str) -> None:
        """Answers with regions, or with what the detector said of its failure."""
        if isinstance(answer, str):
            self.refuse(GifcueError(f"the detector failed on the picture: {answer}"))
        elif not self.answer.done():
            self.answer.set_result(answer)


@dataclass(eq=False, slots=True)
class WorkerHandle:
    """A worker and the batch that it holds."""

    number: int = 0
    frames: list[FrameInFlight] = field(default_factory=list)
    stills: list[Still] = field(default_factory=list)
    # Whether a report was asked for that has not come yet.
    is_asked: bool = False
    process: SupervisedWorker = field(init=False)

    @property
    def is_free(self) -> bool:
        return self.process.is_ready and not self.held

    @property
    def held(self) -> int:
        """Pictures of the batch that the worker has."""
        return len(self.frames) + len(self.stills)

    def give(self, number: int, frames: list[FrameInFlight], stills: list[Still]) -> None:
        """Sends a batch to the worker, which must be free."""
        self.number, self.frames, self.stills = number, frames, stills
        pictures: list[SlotPicture | StillPicture | InlinePicture] = []
        for frame in frames:
            slot = frame.slot
            assert slot is not None, "expected a frame that waits to have a slot"
            pictures.append(SlotPicture(slot, frame.width, frame.height, frame.wants_landmarks))
        pictures += [still.picture for still in stills]
        self.process.send(Batch(number, tuple(pictures)))

    def read(self, result: BatchResult) -> list[list[Region] | str]:
        """The answers to the batch: frames, then stills.

        Raises:
            InvalidMessage: the result does not answer the batch that the worker holds. Nothing is changed then.
        """
        if not self.held or (result.number, len(result.answers)) != (self.number, self.held):
            raise InvalidMessage(
                f"expected {self.held} answers to batch {self.number}, got {len(result.answers)} to {result.number}"
            )
        return [answer if isinstance(answer, str) else unpack(answer) for answer in result.answers]

    def clear(self) -> tuple[list[FrameInFlight], list[Still]]:
        """Takes the batch back."""
        frames, self.frames = self.frames, []
        stills, self.stills = self.stills, []
        return frames, stills


async def start_any(processes: Sequence[SupervisedWorker]) -> None:
    """Starts all of them; returns once the first is ready. Raises WorkerStartError where none ever was."""
    waits = [asyncio.ensure_future(_start(process)) for process in processes]
    pending: set[asyncio.Future[None]] = set(waits)
    errors: list[BaseException] = []
    try:
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for wait in done:
                error = wait.exception()
                if error is None:
                    return
                errors.append(error)
    finally:
        for wait in pending:
            wait.cancel()
    raise WorkerStartError(str(errors[-1]))


async def _start(process: SupervisedWorker) -> None:
    process.start()
    await process.wait_ready()
