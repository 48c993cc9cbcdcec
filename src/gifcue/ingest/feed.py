"""Hands the access units of one source on to a gifcue server, as one participant."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gifcue.client import KeyframeRequested, ReconnectingParticipant, ReconnectingStream
from gifcue.ingest.access_unit import AccessUnit
from gifcue.protocol.codecs import Codec


class ParticipantFeed:
    """A participant that joins with its first access unit, and again when the source changes its codec.

    `ask_for_keyframe` is called when the server, or a new connection to one, needs a keyframe. It must not block.
    `parameter_sets` are what the session's description carries for H.264 and H.265 (Annex B).
    """

    def __init__(
        self,
        stream: ReconnectingStream,
        participant_id: str,
        labels: Sequence[str],
        ask_for_keyframe: Callable[[], None],
        parameter_sets: bytes = b"",
    ) -> None:
        self._stream = stream
        self._id = participant_id
        self._labels = tuple(labels)
        self._ask_for_keyframe = ask_for_keyframe
        self._parameter_sets = parameter_sets
        self._participant: ReconnectingParticipant | None = None
        self._sent = 0
        self._not_sent = 0

    @property
    def sent(self) -> int:
        """Frames sent to the server."""
        return self._sent + (self._participant.sent if self._participant is not None else 0)

    @property
    def not_sent(self) -> int:
        """Frames left out because no connection could use them."""
        return self._not_sent + (self._participant.not_sent if self._participant is not None else 0)

    async def send(self, unit: AccessUnit) -> None:
        """Sends one access unit. Waits while the client's buffer is full; the caller bounds what waits meanwhile."""
        participant = self._participant
        if participant is None or participant.codec is not unit.codec:
            participant = await self._join(unit.codec)
        if unit.follows_loss:
            participant.mark_lost()
        await participant.send(
            unit.payload,
            unit.pts,
            unit.clock_hz,
            unit.keyframe,
            rotation=unit.rotation,
            temporal_layer=unit.temporal_layer,
        )
        if participant.keyframe_wanted and not unit.keyframe:
            # Asked again with each frame, because a request can be lost; the adapter limits how often.
            self._ask_for_keyframe()

    async def set_allowed(self, labels: Sequence[str]) -> None:
        """Replaces the labels that the participant agrees to."""
        self._labels = tuple(labels)
        if self._participant is not None:
            await self._participant.set_allowed(self._labels)

    async def close(self) -> None:
        """The participant leaves."""
        self._count()
        participant, self._participant = self._participant, None
        if participant is not None:
            await participant.leave()

    async def _join(self, codec: Codec) -> ReconnectingParticipant:
        extradata = self._parameter_sets if codec in (Codec.H264, Codec.H265) else b""
        # A second join replaces the first one. A leave in between would end its reactions and forget its cooldowns.
        labels = self._labels
        joined = await self._stream.join(self._id, codec, extradata, labels, self._on_keyframe_request)
        self._count()
        self._participant = joined
        if self._labels != labels:  # replaced while the join waited
            await joined.set_allowed(self._labels)
        return joined

    def _count(self) -> None:
        """Keeps the figures of the participant, which is to be replaced or leaves."""
        if self._participant is not None:
            self._sent += self._participant.sent
            self._not_sent += self._participant.not_sent

    def _on_keyframe_request(self, _: KeyframeRequested) -> None:
        self._ask_for_keyframe()
