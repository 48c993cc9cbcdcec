"""Participants of a reconnecting stream whose join a server refused."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable

from gifcue.client.attachments import Attachments
from gifcue.client.continuity import Continuity
from gifcue.client.exceptions import ClientError
from gifcue.client.options import Backoff
from gifcue.client.reconnecting_participant import ReconnectingParticipant
from gifcue.client.stream import ReactionStream
from gifcue.protocol.events import Fault
from gifcue.protocol.reasons import FaultCode

# There is no room at the moment.
_FULL = frozenset({FaultCode.TOO_MANY_PARTICIPANTS, FaultCode.TOO_MANY_JOINS})
# The same join is refused again, by this server at least. Neither code is sent of anything else.
_WRONG = frozenset({FaultCode.UNSUPPORTED_CODEC, FaultCode.INVALID_EXTRADATA})
# Seconds before the first attempt, which double up to the maximum. A server reports the same fault of one participant
# once a second, so that a second refusal within that time would not be heard.
FIRST_S = 2.0
MAX_S = 30.0
_MAX_EXPONENT = 16


class Rejoining:
    """Of one stream. `closing` is set once the stream is to end. `clock` gives seconds."""

    def __init__(
        self,
        attachments: Attachments,
        continuity: Continuity,
        backoff: Backoff,
        closing: asyncio.Event,
        clock: Callable[[], float],
    ) -> None:
        self._attachments = attachments
        self._continuity = continuity
        self._backoff = backoff
        self._closing = closing
        self._clock = clock
        # Joins refused on this connection.
        self._refused: Counter[ReconnectingParticipant] = Counter()
        self._waiting: dict[ReconnectingParticipant, asyncio.Task[None]] = {}
        # When names were refused, in this order. Another refusal of a name within `FIRST_S` would not be heard.
        self._refused_s: dict[str, float] = {}

    def heard(self, fault: Fault, stream: ReactionStream) -> None:
        """The server of this connection reported a fault. Nothing happens unless it refuses a join."""
        if not self._attachments.is_current(stream):
            return
        is_refusal = fault.code in _FULL or fault.code in _WRONG
        if is_refusal:
            self._note_refused(fault.participant_id)
        participant = self._attachments.get(fault.participant_id)
        if participant is None:
            return
        says_unknown = fault.code is FaultCode.UNKNOWN_PARTICIPANT
        # The refusal itself was not heard, because one of its code was reported shortly before. Smaller numbers are of
        # frames before the join.
        is_unknown = says_unknown and fault.sequence >= participant.first_sequence
        if participant in self._waiting:
            # The join before was refused as well.
            if says_unknown or (is_refusal and not participant.refuse(is_unknown=False)):
                self._continuity.refused(participant.id)
            if is_unknown:
                participant.refuse(is_unknown=True)
            return
        if not is_refusal and not (is_unknown and participant.is_attached):
            return
        # The server has nobody to whom its frames belong.
        has_one_before = participant.refuse(is_unknown=is_unknown)
        if not has_one_before:
            # A server ends what a refused join carries only within limits. What it ends as well is kept back.
            self._continuity.refused(participant.id)
        self._refused[participant] += 1
        # The refusal of the join before may be heard only now. A join that is wrong itself is refused once more.
        may_be_late = has_one_before and self._refused[participant] == 1
        if fault.code not in _WRONG or may_be_late:
            self._wait_for(participant, stream, self._pause_s(self._refused[participant]))

    def holds(self, participant: ReconnectingParticipant, stream: ReactionStream) -> bool:
        """A participant joins. Returns whether it waits, because its name was refused a moment ago."""
        left_s = FIRST_S - (self._clock() - self._refused_s.get(participant.id, -math.inf))
        if left_s > 0:
            self._wait_for(participant, stream, left_s)
        return left_s > 0

    def restored(self, participant: ReconnectingParticipant, stream: ReactionStream) -> None:
        """The join that was to replace this one was cancelled. It joins again, unless its own is in force."""
        if self._attachments.get(participant.id) is not participant or participant.is_attached:
            return
        if participant not in self._waiting:
            self._wait_for(participant, stream, 0.0)

    def stop(self) -> None:
        """The connection is gone: on the next one, everybody joins anew."""
        for task in self._waiting.values():
            task.cancel()
        self._waiting.clear()
        self._refused.clear()
        self._refused_s.clear()

    def _pause_s(self, refused: int) -> float:
        mean_s = min(MAX_S, FIRST_S * 2.0 ** min(refused - 1, _MAX_EXPONENT))
        return mean_s * (1 + self._backoff.jitter * (2 * self._backoff.uniform() - 1))

    def _note_refused(self, participant_id: str) -> None:
        now_s = self._clock()
        self._refused_s.pop(participant_id, None)
        self._refused_s[participant_id] = now_s
        while now_s - self._refused_s[oldest := next(iter(self._refused_s))] >= FIRST_S:
            del self._refused_s[oldest]

    def _wait_for(self, participant: ReconnectingParticipant, stream: ReactionStream, pause_s: float) -> None:
        task = asyncio.create_task(self._join_again(participant, stream, pause_s), name="gifcue-rejoining")
        self._waiting[participant] = task

    async def _join_again(
        self, participant: ReconnectingParticipant, stream: ReactionStream, pause_s: float
    ) -> None:
        await self._backoff.wait(pause_s, self._closing)
        if self._closing.is_set() or not self._attachments.is_current(stream):
            return
        del self._waiting[participant]  # the fault of the next join may come before `attach` returns
        try:
            if await self._attachments.attach(participant):
                participant.resume()
        except ClientError:
            participant.detach()  # the connection was lost; the next one attaches it
