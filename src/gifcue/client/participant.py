"""One participant's video on a stream."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from gifcue.client.queues import Outbox
from gifcue.protocol.codecs import RTP_CLOCK_HZ, Codec
from gifcue.protocol.events import KeyframeRequested
from gifcue.protocol.features import DISMISS
from gifcue.protocol.requests import (
    AllowedLabels,
    Dismiss,
    EncodedFrame,
    Leave,
    ParticipantUpdate,
    Speaking,
)
from gifcue.protocol.wire.requests import encode_request
from gifcue.v1.reaction_service_pb2 import StreamReactionsRequest

KeyframeCallback = Callable[[KeyframeRequested], None]


class Participant:
    """Made by `ReactionStream.join`. Counts the sequence numbers of its frames, from `first_sequence` on. `features`
    are those of its server.
    """

    def __init__(
        self,
        participant_id: str,
        codec: Codec,
        outbox: Outbox[StreamReactionsRequest],
        on_keyframe_request: KeyframeCallback | None,
        on_leave: Callable[[Participant], None],
        features: Collection[str],
        first_sequence: int = 0,
    ) -> None:
        self._id = participant_id
        self._codec = codec
        self._outbox = outbox
        self._on_keyframe_request = on_keyframe_request
        self._on_leave = on_leave
        self._features = features
        self._sequence = first_sequence
        self._keyframe_wanted = False

    @property
    def id(self) -> str:
        """The name under which it joined."""
        return self._id

    @property
    def codec(self) -> Codec:
        """The codec with which it joined."""
        return self._codec

    @property
    def next_sequence(self) -> int:
        """The sequence number of the next frame."""
        return self._sequence

    @property
    def keyframe_wanted(self) -> bool:
        """True from the server's request for a keyframe until one is sent."""
        return self._keyframe_wanted

    async def send(
        self,
        payload: bytes | bytearray | memoryview,
        pts: int,
        clock_hz: int = RTP_CLOCK_HZ,
        keyframe: bool = False,
        *,
        rotation: int = 0,
        temporal_layer: int | None = None,
    ) -> int:
        """Queues one access unit and returns its sequence number. Waits only while the outbox is full.

        `pts` counts ticks of `clock_hz` a second. `rotation` is degrees clockwise that bring the picture upright: 0,
        90, 180 or 270. `temporal_layer` is 0 to 7, None where it is not known. A cancelled call has not sent the frame,
        and the stream continues.

        Raises:
            StreamClosed: this side has closed the stream.
            ServerError: the error that ended the stream.
        """
        await self._outbox.room(len(payload))
        sequence = self._sequence
        frame = EncodedFrame(
            self._id, sequence, pts, clock_hz, keyframe, bytes(payload), rotation, temporal_layer
        )
        self._outbox.append(encode_request(frame), len(payload))
        self._sequence = sequence + 1
        if keyframe:
            self._keyframe_wanted = False
        return sequence

    def mark_lost(self, frames: int = 1) -> None:
        """Tells the server that `frames` frames were lost before they reached this client. It then asks for a keyframe.

        Raises:
            ValueError: `frames` is less than 1.
        """
        if frames < 1:
            raise ValueError(f"expected 1 or more frames lost, got {frames}")
        self._sequence += frames

    async def set_speaking(self, speaking: bool) -> None:
        """The participant started or stopped speaking."""
        await self._update(Speaking(self._id, speaking))

    async def set_allowed(self, labels: Iterable[str]) -> None:
        """Replaces the labels that the participant agreed to when it joined.

        Those that are not reactions of the server are left out, and a `Fault` names them.
        """
        await self._update(AllowedLabels(self._id, tuple(labels)))

    async def dismiss(self, reaction_id: str) -> bool:
        """A reaction that STARTED was not meant. Returns False where its server does not know this message.

        If it is under way, it ends with the reason "dismissed". The label's cooldown begins. An id that is none of the
        participant's last reactions, or is dismissed already, is answered by a `Fault`.
        """
        if DISMISS not in self._features:
            return False  # to that server the message would be empty, and end the stream
        await self._update(Dismiss(self._id, reaction_id))
        return True

    async def leave(self) -> None:
        """The participant's video ends."""
        await self._update(Leave(self._id))
        self._on_leave(self)

    def keyframe_requested(self, request: KeyframeRequested) -> None:
        """Called by the stream when the server asks for a keyframe."""
        self._keyframe_wanted = True
        if self._on_keyframe_request is not None:
            self._on_keyframe_request(request)

    async def _update(self, update: ParticipantUpdate) -> None:
        await self._outbox.room(0)
        self._outbox.append(encode_request(update), 0)
