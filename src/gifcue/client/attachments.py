"""The participants of a reconnecting stream, and which of them have joined on the present connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gifcue.client.continuity import Continuity
from gifcue.client.queues import Inbox
from gifcue.client.reconnecting_participant import ReconnectingParticipant
from gifcue.client.stream import ReactionStream
from gifcue.protocol.events import KeyframeRequested
from gifcue.protocol.features import RESUME


class Attachments:
    """The `Owner` of the participants. `end_error` gives what `send` raises once the stream is over, `clock` gives
    seconds.
    """

    def __init__(
        self,
        continuity: Continuity,
        inbox: Inbox,
        end_error: Callable[[], BaseException | None],
        clock: Callable[[], float],
    ) -> None:
        self._continuity = continuity
        self._inbox = inbox
        self._end_error = end_error
        self._clock = clock
        self._participants: dict[str, ReconnectingParticipant] = {}
        self._stream: ReactionStream | None = None
        self._attaching = asyncio.Lock()

    @property
    def all(self) -> tuple[ReconnectingParticipant, ...]:
        """Those that the caller has had join, and not leave."""
        return tuple(self._participants.values())

    def get(self, participant_id: str) -> ReconnectingParticipant | None:
        """The one of this name; None where the caller has none join, or has it leave."""
        return self._participants.get(participant_id)

    def is_current(self, stream: ReactionStream) -> bool:
        """Whether participants attach to this connection at the moment."""
        return self._stream is stream

    def add(self, participant: ReconnectingParticipant) -> None:
        """The caller has a participant join. It replaces another one of its name."""
        before = self._participants.get(participant.id)
        if before is not None:
            participant.follow(before)
        self._participants[participant.id] = participant
        self._continuity.joined(participant.id)

    def use(self, stream: ReactionStream) -> None:
        """Participants attach to this connection from now on."""
        self._stream = stream
        if RESUME not in stream.ready.features:
            self._continuity.give_up()

    def detach(self) -> None:
        """The connection is gone, or drains: nobody attaches to it any more."""
        self._stream = None
        for participant in self._participants.values():
            participant.detach()

    async def attach(self, participant: ReconnectingParticipant) -> bool:
        """Joins a participant on the present connection. Returns whether it has: False where there is none, where it
        has left or joined already, and where its join was refused meanwhile.
        """
        # Attaching waits for room in the outbox. One participant at a time, so that of two joins under one name the
        # later one also reaches the server later.
        async with self._attaching:
            stream = self._stream
            is_present = self._participants.get(participant.id) is participant
            if stream is None or not is_present or participant.is_attached:
                return False
            carries = RESUME in stream.ready.features
            state = self._continuity.participant(participant.id) if carries else None
            await participant.attach(stream, state)
            if self._stream is not stream:
                participant.detach()  # the connection was lost, or began to drain, while it waited
            return participant.is_attached

    # Called by the participants

    def forget(self, participant: ReconnectingParticipant) -> None:
        if self._participants.get(participant.id) is participant:
            del self._participants[participant.id]
            self._continuity.left(participant.id, is_known=participant.is_known)

    def give_back(self, participant: ReconnectingParticipant, before: ReconnectingParticipant) -> None:
        if self._participants.get(participant.id) is participant:
            self._participants[participant.id] = before

    def allowed(self, participant: ReconnectingParticipant, labels: tuple[str, ...]) -> None:
        if self._participants.get(participant.id) is participant and not participant.is_known:
            self._continuity.withdrawn(participant.id, labels)

    def dismissed(self, participant: ReconnectingParticipant, reaction_id: str) -> None:
        if self._participants.get(participant.id) is participant:
            self._continuity.dismissed(participant.id, reaction_id)

    def asked(self, request: KeyframeRequested) -> None:
        self._inbox.put(request)

    def failed(self, error: Exception) -> None:
        if self._stream is not None:  # a participant asks while it is attached
            self._stream.fail(error)

    def now_s(self) -> float:
        return self._clock()

    def end_error(self) -> BaseException | None:
        return self._end_error()
