"""The participants that have joined one stream."""

from __future__ import annotations

from collections.abc import Collection

from gifcue.client.participant import KeyframeCallback, Participant
from gifcue.client.queues import Outbox
from gifcue.protocol.codecs import Codec
from gifcue.protocol.events import KeyframeRequested
from gifcue.v1.reaction_service_pb2 import StreamReactionsRequest


class Participants:
    """By name. The numbers of frames go on across joins: a fault of a frame tells before or after which join it was
    sent.
    """

    def __init__(self, outbox: Outbox[StreamReactionsRequest]) -> None:
        self._outbox = outbox
        self._participants: dict[str, Participant] = {}
        self._first_sequence = 0  # above the numbers of all that have left or were replaced

    def __len__(self) -> int:
        return len(self._participants)

    def join(
        self,
        participant_id: str,
        codec: Codec,
        on_keyframe_request: KeyframeCallback | None,
        features: Collection[str],
    ) -> Participant:
        """A join was queued. It replaces another one of its name. `features` are those of the server."""
        before = self._participants.get(participant_id)
        if before is not None:
            self._forget(before)
        participant = Participant(
            participant_id,
            codec,
            self._outbox,
            on_keyframe_request,
            self._forget,
            features,
            self._first_sequence,
        )
        self._participants[participant_id] = participant
        return participant

    def keyframe_requested(self, request: KeyframeRequested) -> None:
        """The server asks one of them for a keyframe."""
        participant = self._participants.get(request.participant_id)
        if participant is not None:
            participant.keyframe_requested(request)

    def _forget(self, participant: Participant) -> None:
        self._first_sequence = max(self._first_sequence, participant.next_sequence)
        # A second join under the same name replaces the first: the first one's leave must not remove the second.
        if self._participants.get(participant.id) is participant:
            del self._participants[participant.id]
