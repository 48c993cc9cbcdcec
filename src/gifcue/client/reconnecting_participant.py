"""One participant's video on a stream that reconnects."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from gifcue.client.exceptions import ClientError
from gifcue.client.participant import KeyframeCallback, Participant
from gifcue.client.stream import ReactionStream
from gifcue.protocol.codecs import RTP_CLOCK_HZ, Codec
from gifcue.protocol.events import KeyframeRequested
from gifcue.protocol.reasons import KeyframeReason
from gifcue.protocol.resume import ParticipantState

# Seconds between requests for a keyframe while frames are held back for lack of one, as servers repeat theirs.
REPEAT_S = 1.0


class Owner(Protocol):
    """The stream of a participant, as the participant sees it."""

    def forget(self, participant: ReconnectingParticipant) -> None:
        """The participant has left. While it is still attached, its server is told that it leaves."""

    def give_back(self, participant: ReconnectingParticipant, before: ReconnectingParticipant) -> None:
        """Its join was cancelled: the one that it was to replace takes its place again."""

    def allowed(self, participant: ReconnectingParticipant, labels: tuple[str, ...]) -> None:
        """Its allowed labels are replaced."""

    def dismissed(self, participant: ReconnectingParticipant, reaction_id: str) -> None:
        """The server was told that one of its reactions was not meant."""

    def asked(self, request: KeyframeRequested) -> None:
        """The caller was asked for a keyframe, without a server's request."""

    def failed(self, error: Exception) -> None:
        """A callback of the caller raised this. It ends the stream."""

    def now_s(self) -> float:
        """The time of the stream's clock, in seconds."""

    def end_error(self) -> BaseException | None:
        """What `send` raises once the stream is over; None while it is not."""


class ReconnectingParticipant:
    """Made by `ReconnectingStream.join`. It has the methods of `Participant`, but `send` may leave a frame out."""

    def __init__(
        self,
        participant_id: str,
        codec: Codec,
        extradata: bytes,
        allowed_labels: Iterable[str],
        on_keyframe_request: KeyframeCallback | None,
        owner: Owner,
    ) -> None:
        self._id = participant_id
        self._codec = codec
        self._extradata = extradata
        self._allowed = tuple(allowed_labels)
        self._speaking = False
        self._has_left = False
        self._on_keyframe_request = on_keyframe_request
        self._owner = owner
        # Of this join, or of the one before that it is to replace. None where no server knows the name.
        self._inner: Participant | None = None
        self._before: ReconnectingParticipant | None = None  # that it replaces, while `join` may be cancelled
        self._is_sent = False  # its join was sent on this connection
        self._joins = 0  # sent under its name on this connection, and not known to be refused
        self._is_joined = False
        self._is_refused = False
        self._first_sequence = 0
        self._awaits_keyframe = False
        self._asked_at_s = -math.inf
        self._sent = 0
        self._not_sent = 0

    @property
    def id(self) -> str:
        """The name under which it joined."""
        return self._id

    @property
    def codec(self) -> Codec:
        """The codec with which it joined."""
        return self._codec

    @property
    def sent(self) -> int:
        """Frames sent, over all connections."""
        return self._sent

    @property
    def not_sent(self) -> int:
        """Frames left out because there was no connection, or no keyframe yet after a new one."""
        return self._not_sent

    @property
    def keyframe_wanted(self) -> bool:
        """True while its server can use nothing but a keyframe. False while no server takes its frames: after that, the
        caller is asked.
        """
        inner = self._inner
        return self._is_joined and inner is not None and (self._awaits_keyframe or inner.keyframe_wanted)

    async def send(
        self,
        payload: bytes | bytearray | memoryview,
        pts: int,
        clock_hz: int = RTP_CLOCK_HZ,
        keyframe: bool = False,
        *,
        rotation: int = 0,
        temporal_layer: int | None = None,
    ) -> int | None:
        """As `Participant.send`, but returns None where the frame was left out. Raises once the stream is over."""
        inner = self._inner
        if inner is not None and self._is_joined and (keyframe or not self._awaits_keyframe):
            try:
                sequence = await inner.send(
                    payload, pts, clock_hz, keyframe, rotation=rotation, temporal_layer=temporal_layer
                )
            except ClientError:
                pass  # the connection was lost; below, the frame is counted as left out
            else:
                self._sent += 1
                if keyframe:
                    self._awaits_keyframe = False
                return sequence
        error = self._owner.end_error()
        if error is not None:
            raise error
        is_held_back = self._is_joined and self._awaits_keyframe and not keyframe
        self._not_sent += 1
        # The frames that follow build on the one left out, so no connection can use them before a keyframe.
        self._awaits_keyframe = True
        # The server does not know of frames that are held back, so it repeats no request that was lost.
        if is_held_back and self._owner.now_s() - self._asked_at_s >= REPEAT_S:
            self._ask()
        return None

    def mark_lost(self, frames: int = 1) -> None:
        """As `Participant.mark_lost`."""
        if self._inner is not None:
            self._inner.mark_lost(frames)

    async def set_speaking(self, speaking: bool) -> None:
        """As `Participant.set_speaking`; repeated on every new connection."""
        # Before the update is sent: a connection that opens meanwhile repeats this value.
        self._speaking = speaking
        await self._update(lambda inner: inner.set_speaking(speaking))

    async def set_allowed(self, labels: Iterable[str]) -> None:
        """As `Participant.set_allowed`; repeated on every new connection."""
        # Before the update is sent: a connection that opens meanwhile joins with these labels.
        self._allowed = allowed = tuple(labels)
        self._owner.allowed(self, allowed)
        await self._update(lambda inner: inner.set_allowed(allowed))

    async def dismiss(self, reaction_id: str) -> bool:
        """As `Participant.dismiss`; False also where there is no connection.

        After a move, a server knows the reactions under way, and none that ended on another server.
        """
        try:
            is_told = self._inner is not None and await self._inner.dismiss(reaction_id)
        except ClientError:
            return False  # the connection was lost
        if is_told:
            self._owner.dismissed(self, reaction_id)
        return is_told

    async def leave(self) -> None:
        """As `Participant.leave`."""
        # Before the update is sent: a connection that opens meanwhile must not attach it again.
        self._has_left = True
        self._owner.forget(self)
        await self._update(lambda inner: inner.leave())
        self.detach()

    async def _update(self, update: Callable[[Participant], Awaitable[None]]) -> None:
        """Sends an update. Without a connection, or where it is lost meanwhile, the join on the next one carries it."""
        if self._inner is not None:
            with contextlib.suppress(ClientError):
                await update(self._inner)

    # Called by the stream

    @property
    def is_attached(self) -> bool:
        """True from its join on a connection until that is refused, or the connection is gone. Frames are sent then."""
        return self._is_joined

    @property
    def is_known(self) -> bool:
        """Whether its server has a participant of this name, by its join or by one before. Updates are sent then."""
        return self._inner is not None

    @property
    def first_sequence(self) -> int:
        """The number of the first frame after its last join. Those of joins before are smaller."""
        return self._first_sequence

    def follow(self, before: ReconnectingParticipant) -> None:
        """It takes the place of another one of its name, whose join is in force until its own is accepted."""
        self._before, self._inner = before, before._inner
        self._first_sequence, self._joins = before._first_sequence, before._joins

    def settle(self) -> None:
        """Its `join` returns: nobody can cancel it any more."""
        self._before = None

    async def attach(self, stream: ReactionStream, resume: ParticipantState | None) -> None:
        """Joins on a connection. No frame is sent before the connection has all that the caller has said.

        `resume` is what it keeps from the server before, None where the server does not know of that.
        """
        self._is_joined = self._is_refused = False
        allowed, speaking = self._allowed, False
        inner = await stream.join(
            self._id, self._codec, self._extradata, allowed, self._on_keyframe_request, resume
        )
        self._is_sent, self._first_sequence = True, inner.next_sequence
        self._joins += 1
        # Each message waits for room. What the caller says meanwhile goes to the join before, or nowhere. Nothing is
        # awaited between the last comparison and the end.
        while not self._has_left and (allowed, speaking) != (self._allowed, self._speaking):
            if allowed != self._allowed:
                allowed = self._allowed
                await inner.set_allowed(allowed)
            else:
                speaking = self._speaking
                await inner.set_speaking(speaking)
        if self._has_left:
            await inner.leave()
        elif self._joins:
            self._inner = inner
            self._is_joined = not self._is_refused

    def abandon(self) -> ReconnectingParticipant | None:
        """Its join was cancelled: no connection attaches it, and an attach that is under way leaves again.

        Returns the one that it was to replace, None where there is none, or that has left.
        """
        self._has_left = True
        before, is_in_force = self._before, not self._is_sent
        while before is not None and before._has_left:  # cancelled as well, or left
            is_in_force = is_in_force and not before._is_sent
            before = before._before
        if before is None:
            self._owner.forget(self)
            return None
        before._is_joined = before._is_joined and is_in_force
        self._owner.give_back(self, before)
        return before

    def refuse(self, *, is_unknown: bool) -> bool:
        """A server refused its join. Returns whether it keeps the one before: updates go there, and frames nowhere.
        `is_unknown`: it says that it has nobody of this name.
        """
        self._is_joined, self._is_refused = False, True
        self._joins = 0 if is_unknown else max(0, self._joins - 1)
        if not self._joins:
            self._inner = None
        return self._joins > 0

    def detach(self) -> None:
        """The connection is gone."""
        self._inner, self._joins, self._is_joined, self._is_sent = None, 0, False, False
        if self._before is not None:
            self._before.detach()

    def resume(self) -> None:
        """It is attached to a new connection: asks the caller for a keyframe, without which nothing is sent."""
        self._awaits_keyframe = True
        self._ask()

    def _ask(self) -> None:
        self._asked_at_s = self._owner.now_s()
        request = KeyframeRequested(self._id, KeyframeReason.RECONNECTED.value)
        if self._on_keyframe_request is not None:
            try:
                self._on_keyframe_request(request)
            except Exception as error:  # neither `send` nor what attaches is its caller
                self._owner.failed(error)
        self._owner.asked(request)
