"""Participants and the decode workers that decode them, as the front knows them. The pool owns both."""

from __future__ import annotations

from dataclasses import dataclass, field

from gifcue.media.codecs import is_keyframe
from gifcue.media.frame import FrameInFlight
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


def preference(worker: WorkerHandle) -> tuple[bool, bool, bool, int]:
    """The order in which workers are chosen for a participant, the least first.

    A worker that is restarting is back within a moment; one that has failed is not.
    """
    return not worker.is_ready, worker.has_failed, worker.control.is_overloaded, len(worker.keys)
