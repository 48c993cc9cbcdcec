"""One participant's video on a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from gifcue.media.codecs import Codec
from gifcue.protocol.events import KeyframeRequested
from gifcue.v1 import media_pb2, reaction_service_pb2

if TYPE_CHECKING:
    from gifcue.client.stream import ReactionStream

# The RTP clock of video, in ticks a second.
RTP_CLOCK_HZ = 90_000

KeyframeCallback = Callable[[KeyframeRequested], None]


class Participant:
    """Made by `ReactionStream.join`. Counts the sequence numbers of its frames."""

    def __init__(
        self,
        stream: ReactionStream,
        participant_id: str,
        codec: Codec,
        on_keyframe_request: KeyframeCallback | None,
    ) -> None:
        self._stream = stream
        self._id = participant_id
        self._codec = codec
        self._on_keyframe_request = on_keyframe_request
        self._sequence = 0
        self._keyframe_wanted = False

    @property
    def id(self) -> str:
        """The name it joined under."""
        return self._id

    @property
    def codec(self) -> Codec:
        """The codec it joined with."""
        return self._codec

    @property
    def next_sequence(self) -> int:
        """The sequence number that the next frame gets."""
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
    ) -> int:
        """Queues one access unit and returns its sequence number; waits only while the outbox is full.

        `pts` counts ticks of `clock_hz` a second. Cancelling it is safe: the frame is then not sent. Raises
        `StreamClosed`, or the `ServerError` that ended the stream.
        """
        await self._stream.room(len(payload))
        sequence = self._sequence
        frame = media_pb2.Frame(
            participant_id=self._id,
            sequence=sequence,
            pts=pts,
            clock_hz=clock_hz,
            keyframe=keyframe,
            payload=bytes(payload),
        )
        self._stream.post(reaction_service_pb2.StreamReactionsRequest(frame=frame), len(payload))
        self._sequence = sequence + 1
        if keyframe:
            self._keyframe_wanted = False
        return sequence

    def mark_lost(self, frames: int = 1) -> None:
        """Says that `frames` frames were lost before they came here: the server will want a keyframe."""
        if frames < 1:
            raise ValueError(f"expected 1 or more frames lost, got {frames}")
        self._sequence += frames

    async def set_speaking(self, speaking: bool) -> None:
        """The participant started or stopped speaking."""
        await self._update(speaking=reaction_service_pb2.SpeakingHint(speaking=speaking))

    async def set_allowed(self, labels: Iterable[str]) -> None:
        """The labels that the participant agrees to, in place of those of the join.

        Where one is no label of the server's, none is added and a `Fault` tells so; what is not named is taken
        back all the same.
        """
        await self._update(allowed=reaction_service_pb2.AllowedLabels(labels=list(labels)))

    async def leave(self) -> None:
        """The participant's video ends."""
        await self._update(leave=reaction_service_pb2.Leave())
        self._stream.forget(self)

    def keyframe_requested(self, request: KeyframeRequested) -> None:
        """Called by the stream when the server asks for a keyframe."""
        self._keyframe_wanted = True
        if self._on_keyframe_request is not None:
            self._on_keyframe_request(request)

    async def _update(
        self,
        *,
        speaking: reaction_service_pb2.SpeakingHint | None = None,
        allowed: reaction_service_pb2.AllowedLabels | None = None,
        leave: reaction_service_pb2.Leave | None = None,
    ) -> None:
        update = reaction_service_pb2.ParticipantUpdate(
            participant_id=self._id, speaking=speaking, allowed=allowed, leave=leave
        )
        await self._stream.room(0)
        self._stream.post(reaction_service_pb2.StreamReactionsRequest(participant=update), 0)
