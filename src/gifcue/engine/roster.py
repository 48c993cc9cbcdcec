"""The participants of one stream: those joined, those that leave, and the figures of all."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterator

from gifcue.engine.accounting import FrameAccounting
from gifcue.engine.participant import Participant
from gifcue.engine.summary import SessionSummary, summary_of
from gifcue.protocol.accounting import FrameCounts
from gifcue.protocol.reasons import DropReason
from gifcue.protocol.statistics import ParticipantStatistics


class Roster:
    """`kept` figures of participants that left are reported one by one, those of the others are summed up, so that a
    stream that lasts for days does not grow. `forget` is called with the key of each whose last frame has ended.
    """

    def __init__(self, kept: int, forget: Callable[[int], None]) -> None:
        self._kept = kept
        self._forget = forget
        self._present: dict[str, Participant] = {}
        # Those that left or were replaced while frames of theirs were in flight, by key, until the last one ends.
        self._leaving: dict[int, Participant] = {}
        self._left: deque[ParticipantStatistics] = deque()
        self._forgotten = FrameCounts()
        self._forgotten_reactions = 0
        self._unknown_frames = FrameAccounting()  # frames that name nobody who is joined
        self._when_idle: list[Callable[[], None]] = []

    def __len__(self) -> int:
        return len(self._present)

    def __iter__(self) -> Iterator[Participant]:
        """Those joined. They may leave meanwhile."""
        return iter(tuple(self._present.values()))

    def get(self, participant_id: str) -> Participant | None:
        """The participant that joined under this name; None where none has."""
        return self._present.get(participant_id)

    def add(self, participant: Participant) -> None:
        """The participant has joined."""
        self._present[participant.participant_id] = participant

    def depart(self, participant: Participant, reason: str, handed_over: Collection[str] = ()) -> None:
        """The participant leaves. Its reactions end, but for those with an id in `handed_over`."""
        del self._present[participant.participant_id]
        participant.leave(reason, handed_over)
        self._leaving[participant.key] = participant
        if participant.is_idle:
            self._retire(participant)

    def refuse(self, participant: Participant | None, reason: DropReason) -> None:
        """Counts a frame that is dropped without a check. None: it names nobody who is joined."""
        if participant is None:
            self._unknown_frames.refuse(reason)
        else:
            participant.refuse(reason)

    # Frames in flight

    @property
    def is_idle(self) -> bool:
        """True while no frame of this stream is in flight."""
        return not self._leaving and all(each.is_idle for each in self._present.values())

    def call_when_idle(self, callback: Callable[[], None]) -> None:
        """Calls `callback` once no frame of this stream is in flight: at once, or after the last one has ended."""
        if self.is_idle:
            callback()
        else:
            self._when_idle.append(callback)

    async def settled(self) -> None:
        """Returns once no frame of this stream is in flight."""
        idle = asyncio.Event()
        self.call_when_idle(idle.set)
        await idle.wait()

    def on_idle(self, participant: Participant) -> None:
        """The last frame in flight of a participant has ended."""
        # Retired first: a participant that is still leaving keeps the stream from being idle.
        if participant.key in self._leaving:
            self._retire(participant)
        if self._when_idle and self.is_idle:
            callbacks, self._when_idle = self._when_idle, []
            for callback in callbacks:
                callback()

    def _retire(self, participant: Participant) -> None:
        """Forgets a participant that left and has no frame in flight; its figures stay."""
        del self._leaving[participant.key]
        self._forget(participant.key)
        self._left.append(participant.statistics())
        while len(self._left) > self._kept:
            oldest = self._left.popleft()
            self._forgotten = FrameCounts.total([self._forgotten, oldest.frames])
            self._forgotten_reactions += oldest.reactions

    # Figures

    def statistics(self) -> list[ParticipantStatistics]:
        """The figures of each participant, those that left included."""
        present = [*self._present.values(), *self._leaving.values()]
        return [*self._left, *(participant.statistics() for participant in present)]

    def frame_counts(self) -> FrameCounts:
        """The frames of the whole stream, also those that name nobody who is joined: after a drain, nobody is."""
        present = [each.frames for each in (*self._present.values(), *self._leaving.values())]
        gone = [self._forgotten, self._unknown_frames.statistics(), *(each.frames for each in self._left)]
        return FrameCounts.total([*gone, *present])

    def summary(self) -> SessionSummary:
        """The figures of the whole stream."""
        present = [each.statistics() for each in self._present.values()]
        reactions = self._forgotten_reactions + sum(each.reactions for each in (*self._left, *present))
        reactions += sum(each.reactions for each in self._leaving.values())
        return summary_of(present, self.frame_counts(), reactions)
