"""Which decode worker decodes which participant."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from gifcue.errors import WorkerLost
from gifcue.media.codecs import is_keyframe
from gifcue.media.frame import FrameInFlight
from gifcue.media.messages import Hold, Open, ToWorker
from gifcue.media.overload import OverloadControl
from gifcue.media.queues import Lane, ParticipantQueue
from gifcue.protocol.codecs import Codec
from gifcue.protocol.statistics import WorkerState
from gifcue.workers.supervised import SupervisedWorker


@dataclass(eq=False, slots=True)
class DecodedParticipant:
    """A participant, its worker, and what the pool owes it."""

    key: int
    codec: Codec
    extradata: bytes
    worker: WorkerHandle | None = None
    # A suspect stays with its worker when that is lost, so that it does not take another one down.
    is_pinned: bool = False
    holding: bool = False
    closed: bool = False
    # By token, in the order in which they were submitted.
    unanswered: dict[int, FrameInFlight] = field(default_factory=dict)
    buffered_bytes: int = 0
    queue: ParticipantQueue = field(default_factory=ParticipantQueue)
    # Whether its worker has a unit of it that no StartOver follows.
    has_pictures: bool = False

    def is_keyframe(self, payload: bytes) -> bool:
        """True where decoding can start with this payload."""
        return self.codec.is_intra_only or is_keyframe(self.codec, payload)


@dataclass(eq=False, slots=True)
class WorkerHandle:
    """A worker and its range of slots. It stays through restarts of the process."""

    number: int
    slots: range
    lane: Lane = field(default_factory=Lane)
    control: OverloadControl = field(default_factory=OverloadControl)
    # The lane's answers at the end of the last window.
    answers: int = 0
    decoder_bytes: int = 0
    keys: set[int] = field(default_factory=set)
    process: SupervisedWorker = field(init=False)

    @property
    def is_ready(self) -> bool:
        """True while messages can be sent to it."""
        return self.process.is_ready

    @property
    def has_failed(self) -> bool:
        """True while it is not expected back soon."""
        return self.process.state is WorkerState.FAILED

    def send(self, message: ToWorker) -> None:
        """Sends a message. Where the worker is not ready it is discarded."""
        with contextlib.suppress(WorkerLost):
            self.process.send(message)


def preference(worker: WorkerHandle) -> tuple[bool, bool, bool, int]:
    """The order in which workers are chosen for a participant, the least first.

    A worker that is restarting is back within a moment; one that has failed is not.
    """
    return not worker.is_ready, worker.has_failed, worker.control.is_overloaded, len(worker.keys)


class Assignment:
    """Keeps each participant with one worker for as long as that lives. The pool owns participants and workers.

    `on_decoder_lost` is called with the keys of participants that have a new decoder, which awaits a keyframe.
    """

    def __init__(
        self,
        participants: Mapping[int, DecodedParticipant],
        workers: Sequence[WorkerHandle],
        on_decoder_lost: Callable[[list[int]], None],
    ) -> None:
        self._participants = participants
        self._workers = workers
        self._on_decoder_lost = on_decoder_lost

    def assign(self, participant: DecodedParticipant) -> None:
        """Gives a participant to the worker with the fewest, or back to the one that it must stay with."""
        worker = participant.worker
        if worker is None or not participant.is_pinned:
            worker = participant.worker = min(self._workers, key=preference)
        worker.keys.add(participant.key)
        if worker.is_ready:
            _open_on(worker, participant)

    def ready(self, worker: WorkerHandle, *, is_new: bool) -> None:
        """A worker is ready: opens its participants, and those of workers that are not expected back soon. `is_new`
        where no participant of it had a decoder before.
        """
        for other in self._workers:
            if other.has_failed:
                moved = {key for key in other.keys if not self._participants[key].is_pinned}
                worker.keys |= moved
                other.keys -= moved
        opened = sorted(worker.keys)
        for key in opened:
            self._participants[key].worker = worker
            _open_on(worker, self._participants[key])
        if opened and not is_new:
            # Last: the callback may submit frames at once, and every participant has a decoder by now.
            self._on_decoder_lost(opened)

    def move(self, worker: WorkerHandle) -> None:
        """Gives a lost worker's participants to workers that are ready, or lets them wait for its restart."""
        keys = sorted(worker.keys)
        worker.keys.clear()
        worker.control = OverloadControl()
        worker.decoder_bytes = 0
        moved = []
        for key in keys:
            participant = self._participants[key]
            self.assign(participant)
            if participant.worker is not None and participant.worker.is_ready:
                moved.append(key)
        if moved:
            self._on_decoder_lost(moved)


def _open_on(worker: WorkerHandle, participant: DecodedParticipant) -> None:
    worker.send(Open(participant.key, participant.codec, participant.extradata))
    if participant.holding:
        worker.send(Hold(participant.key, True))
