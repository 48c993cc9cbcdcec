"""One participant's video on a stream that outlives its connections."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from gifcue.client.exceptions import ClientError
from gifcue.client.participant import RTP_CLOCK_HZ, KeyframeCallback, Participant
from gifcue.client.stream import ReactionStream
from gifcue.media.codecs import Codec
from gifcue.protocol.events import KeyframeRequested

# The reason of a keyframe request that this side makes, not the server.
RECONNECTED = "reconnected"


class ReconnectingParticipant:
    """Made by `ReconnectingStream.join`; the surface of `Participant`, but `send` may leave a frame out."""

    def __init__(
        self,
        participant_id: str,
        codec: Codec,
        extradata: bytes,
        allowed_labels: Iterable[str],
        on_keyframe_request: KeyframeCallback | None,
        on_leave: Callable[[ReconnectingParticipant], None],
        ended: Callable[[], BaseException | None],
    ) -> None:
        self._id = participant_id
        self._codec = codec
        self._extradata = extradata
        self._allowed = tuple(allowed_labels)
        self._speaking = False
        self._on_keyframe_request = on_keyframe_request
        self._on_leave = on_leave
        self._ended = ended
        self._inner: Participant | None = None
        self._awaits_keyframe = False
        self._sent = 0
        self._not_sent = 0

    @property
    def id(self) -> str:
        """The name it joined under."""
        return self._id

    @property
    def codec(self) -> Codec:
        """The codec it joined with."""
        return self._codec

    @property
    def sent(self) -> int:
        """Frames sent, over all connections."""
        return self._sent

    @property
    def not_sent(self) -> int:
        """Frames left out: without a connection, or before the keyframe after one."""
        return self._not_sent

    @property
    def keyframe_wanted(self) -> bool:
        """True while nothing but a keyframe helps."""
        return self._awaits_keyframe or (self._inner is not None and self._inner.keyframe_wanted)

    async def send(
        self,
        payload: bytes | bytearray | memoryview,
        pts: int,
        clock_hz: int = RTP_CLOCK_HZ,
        keyframe: bool = False,
    ) -> int | None:
        """As `Participant.send`; None where the frame was left out. Raises once the stream is over."""
        inner = self._inner
        if inner is not None and (keyframe or not self._awaits_keyframe):
            try:
                sequence = await inner.send(payload, pts, clock_hz, keyframe)
            except ClientError:
                pass  # the connection has just gone
            else:
                self._sent += 1
                if keyframe:
                    self._awaits_keyframe = False
                return sequence
        error = self._ended()
        if error is not None:
            raise error
        self._not_sent += 1
        # An inter frame is missing now, so what follows it is worth nothing, on whatever connection.
        self._awaits_keyframe = True
        return None

    def mark_lost(self, frames: int = 1) -> None:
        """As `Participant.mark_lost`."""
        if self._inner is not None:
            self._inner.mark_lost(frames)

    async def set_speaking(self, speaking: bool) -> None:
        """As `Participant.set_speaking`; remembered for the next connection."""
        self._speaking = speaking
        await self._tell(lambda inner: inner.set_speaking(speaking))

    async def set_allowed(self, labels: Iterable[str]) -> None:
        """As `Participant.set_allowed`; remembered for the next connection."""
        self._allowed = allowed = tuple(labels)
        await self._tell(lambda inner: inner.set_allowed(allowed))

    async def leave(self) -> None:
        """As `Participant.leave`."""
        self._on_leave(self)
        await self._tell(lambda inner: inner.leave())
        self._inner = None

    async def _tell(self, what: Callable[[Participant], Awaitable[None]]) -> None:
        if self._inner is None:
            return
        try:
            await what(self._inner)
        except ClientError:
            return  # the connection has just gone; the next one is told by the join

    async def attach(self, stream: ReactionStream) -> None:
        """Joins on a new connection. Called by the stream."""
        inner = await stream.join(
            self._id, self._codec, self._extradata, self._allowed, self._on_keyframe_request
        )
        if self._speaking:
            await inner.set_speaking(True)
        self._inner = inner

    def detach(self) -> None:
        """The connection is gone. Called by the stream."""
        self._inner = None

    def resume(self) -> KeyframeRequested:
        """A new connection has it: nothing before a keyframe. Called by the stream."""
        self._awaits_keyframe = True
        request = KeyframeRequested(self._id, RECONNECTED)
        if self._on_keyframe_request is not None:
            self._on_keyframe_request(request)
        return request
