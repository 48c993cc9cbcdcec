"""What the decode workers owe: every frame that was submitted gets one outcome, whatever happens to its worker.

    add ─► unanswered ─► finish ─► on_outcome ─► a slot that is out, where the outcome is a picture
               └──► drop, lose, settle: frames that no decoder answers

The pool owns this object. Everything runs on the event loop's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gifcue.media.answers import check_size, check_slot
from gifcue.media.assignment import DecodedParticipant, WorkerHandle
from gifcue.media.frame import FrameInFlight
from gifcue.media.messages import Dropped, Outcome, Picture
from gifcue.media.queues import Backlog, WaitingUnit
from gifcue.protocol.reasons import DropReason
from gifcue.workers.messages import InvalidMessage


class Submissions:
    """The frames of all participants that have no outcome yet, and the pictures that detectors hold.

    `on_outcome` is called once for each frame, after all state here is updated: it may ask for the backlog, close the
    participant or release the slot.
    """

    def __init__(self, slot_bytes: int, on_outcome: Callable[[FrameInFlight, Outcome], None]) -> None:
        self._slot_bytes = slot_bytes
        self._on_outcome = on_outcome
        self._participants: dict[int, DecodedParticipant] = {}
        # The frame whose picture the slot holds.
        self._slots_out: dict[int, FrameInFlight] = {}
        # Of all frames that have no outcome.
        self.bytes = 0

    @property
    def participants(self) -> Mapping[int, DecodedParticipant]:
        """By key: those that are open, and those that have left and are owed an outcome."""
        return self._participants

    @property
    def slots_out(self) -> Mapping[int, FrameInFlight]:
        """By slot: the frames whose pictures wait for a detector or are with one."""
        return self._slots_out

    def open(self, participant: DecodedParticipant) -> None:
        """A participant joins.

        Raises:
            ValueError: its key is taken.
        """
        if participant.key in self._participants:
            raise ValueError(f"expected a key that is not in use, got {participant.key}")
        self._participants[participant.key] = participant

    def add(self, frame: FrameInFlight) -> DecodedParticipant:
        """A frame was submitted.

        Raises:
            KeyError: its participant is not open.
        """
        participant = self._participants[frame.key]
        if participant.closed:
            raise KeyError(frame.key)
        participant.unanswered[frame.token] = frame
        participant.buffered_bytes += frame.size_bytes
        self.bytes += frame.size_bytes
        return participant

    def backlog(self, key: int) -> Backlog:
        """What of a participant has no outcome. One that is not open has nothing."""
        participant = self._participants.get(key)
        if participant is None:
            return Backlog(0, 0, self.bytes)
        return Backlog(len(participant.unanswered), participant.buffered_bytes, self.bytes)

    def check(self, worker: WorkerHandle, outcome: Outcome) -> DecodedParticipant:
        """Returns the participant whose oldest frame this answers. Changes nothing.

        Raises:
            InvalidMessage: there is none.
        """
        participant = self._participants.get(outcome.key)
        if participant is None or participant.worker is not worker:
            raise InvalidMessage(f"expected a participant of this worker, got {outcome.key}")
        # A worker answers in order. What it was sent comes before what waits for it.
        sent = bool(participant.queue.charged)
        if not sent or next(iter(participant.unanswered)) != outcome.token:
            raise InvalidMessage(f"expected the token of the oldest frame that was sent, got {outcome.token}")
        if isinstance(outcome, Picture):
            check_slot(outcome.slot, worker.slots, self._slots_out)
            check_size(outcome.width, outcome.height, self._slot_bytes)
        return participant

    def finish(self, participant: DecodedParticipant, outcome: Outcome) -> None:
        """A frame of the participant has its outcome."""
        frame = participant.unanswered.pop(outcome.token)
        participant.buffered_bytes -= frame.size_bytes
        self.bytes -= frame.size_bytes
        if isinstance(outcome, Picture):
            frame.slot, frame.pts_s = outcome.slot, outcome.pts_s
            frame.width, frame.height = outcome.width, outcome.height
            self._slots_out[outcome.slot] = frame
        elif not isinstance(outcome, Dropped):
            frame.pts_s = outcome.pts_s
        self._on_outcome(frame, outcome)
        self.retire(participant)

    def release(self, slot: int) -> FrameInFlight:
        """A detector is done with a slot. Returns the frame whose picture it held.

        Raises:
            KeyError: the slot is not out.
        """
        frame = self._slots_out.pop(slot)
        frame.slot = None
        return frame

    def drop(
        self, participant: DecodedParticipant, units: list[WaitingUnit], reason: DropReason, message: str
    ) -> None:
        """Ends units that were taken out of the participant's queue."""
        # Where a keyframe still waits, decoding continues there.
        needs_keyframe = not participant.queue.units and not participant.codec.is_intra_only
        for frame, _ in units:
            self.finish(participant, Dropped(participant.key, frame.token, reason, message, needs_keyframe))

    def lose(self, participant: DecodedParticipant, token: int, reason: str) -> None:
        """Ends a frame whose decoder is gone, if it has no outcome yet."""
        if token in participant.unanswered:
            # No keyframe is asked for yet. That follows once there is a decoder for it.
            message = f"the decode worker was lost: {reason}"
            outcome = Dropped(
                participant.key, token, DropReason.DECODE_WORKER_LOST, message, needs_keyframe=False
            )
            self.finish(participant, outcome)

    def settle(self, worker: WorkerHandle, reason: str) -> None:
        """Ends everything that a worker was sent or would have been, and will not answer any more."""
        for participant in list(self._participants.values()):
            if participant.worker is worker:
                worker.lane.leave(participant.queue)
                participant.queue.clear()
                for token in list(participant.unanswered):
                    self.lose(participant, token, reason)

    def retire(self, participant: DecodedParticipant) -> None:
        """Forgets a participant that has left, once nothing is owed to it."""
        if participant.closed and not participant.unanswered:
            self._participants.pop(participant.key, None)
