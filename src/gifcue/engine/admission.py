"""Which frames of a participant go to its decoder, and why the others do not."""

from __future__ import annotations

from dataclasses import dataclass

from gifcue.engine.gate import KeyframeGate, RateGate
from gifcue.engine.settings import LimitSettings
from gifcue.media.codecs import is_keyframe
from gifcue.media.queues import Backlog
from gifcue.protocol.codecs import MAX_CLOCK_HZ, MAX_TEMPORAL_LAYER, ROTATIONS, Codec
from gifcue.protocol.reasons import DropReason
from gifcue.protocol.requests import EncodedFrame


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a frame is not admitted: the reason that is counted, and an explanation for the media server."""

    reason: DropReason
    message: str


class Admission:
    """Holds one participant's frames to the limits, and keeps what builds on a lost frame from its decoder."""

    def __init__(self, codec: Codec, limits: LimitSettings) -> None:
        self._codec = codec
        self._limits = limits
        self._gate = KeyframeGate(intra_only=codec.is_intra_only)
        self._rate = RateGate(limits.max_fps)

    @property
    def awaits_keyframe(self) -> bool:
        """True while nothing but a keyframe is admitted."""
        return self._gate.is_waiting

    def await_keyframe(self) -> None:
        """An admitted frame was lost: the frames that build on it are refused up to the next keyframe."""
        self._gate.close()

    def check(
        self,
        frame: EncodedFrame,
        pts_s: float,
        now_s: float,
        *,
        backlog: Backlog,
        is_allowed: bool,
        is_paused: bool,
        quarantine: str = "",
    ) -> Refusal | None:
        """None where the frame goes to the decoder.

        `pts_s` is the frame's pts and `now_s` the time of its arrival in seconds, `backlog` what already waits for the
        decoders, `is_allowed` tells whether the participant allows any label, and `is_paused` whether the server has no
        time for it. `quarantine` says why the participant is refused altogether.
        """
        limits = self._limits
        size = len(frame.payload)
        # Where it matters, the bytes decide and not the sender's flag: some senders never set it, some always do.
        must_look = frame.keyframe or self._gate.is_waiting or not self._gate.follows(frame.sequence)
        keyframe = must_look and size > 0 and is_keyframe(self._codec, frame.payload)
        # Before the other checks and for every frame: the gate must follow the sequence numbers of refused frames, too.
        blocked = self._gate.check(frame.sequence, keyframe=keyframe)
        refusal: Refusal | None = None
        if quarantine:
            refusal = Refusal(DropReason.QUARANTINED, quarantine)
        elif not is_allowed:
            refusal = Refusal(DropReason.NOT_ALLOWED, "no label is allowed for this participant")
        elif (wrong := _out_of_range(frame)) is not None:
            refusal = Refusal(DropReason.INVALID_ARGUMENT, wrong)
        elif size == 0:
            refusal = Refusal(DropReason.EMPTY_PAYLOAD, "expected an encoded access unit, got 0 bytes")
        elif size > limits.max_frame_bytes:
            message = f"expected at most {limits.max_frame_bytes} bytes a frame, got {size}"
            refusal = Refusal(DropReason.FRAME_TOO_LARGE, message)
        elif not self._rate.admits(pts_s, now_s):
            refusal = Refusal(DropReason.RATE_LIMIT, f"expected at most {limits.max_fps} frames a second")
        elif is_paused:
            message = "the server has more to decode than it can in time: this participant joined last"
            refusal = Refusal(DropReason.OVERLOAD, message)
        elif blocked is None and (overload := self._overload(size, backlog)) is not None:
            refusal = Refusal(DropReason.OVERLOAD, overload)
        if refusal is not None:
            # The decoder never sees this frame, so it must not see the ones that build on it.
            self._gate.close()
            return refusal
        if blocked is None:
            return None
        if blocked is DropReason.SEQUENCE_GAP:
            return Refusal(blocked, f"sequence number {frame.sequence} does not follow the one before")
        if frame.keyframe:
            message = (
                f"expected a keyframe of {self._codec.name} as its flag says, got bytes that begin like none"
            )
            return Refusal(DropReason.INVALID_DATA, message)
        return Refusal(blocked, "waiting for a keyframe")

    def _overload(self, size: int, backlog: Backlog) -> str | None:
        """Why a frame of `size` bytes would have to wait with too much before it; None where it would not."""
        limits = self._limits
        if backlog.units >= limits.max_buffered_frames:
            return f"expected at most {limits.max_buffered_frames} frames waiting for the decoder"
        own = backlog.bytes + size
        if own > limits.max_buffered_bytes:
            return f"expected at most {limits.max_buffered_bytes} bytes waiting for the decoder, got {own}"
        # Half of the server's bytes are kept for those who need little, so that nobody can use up all of them.
        limit = limits.max_server_buffered_bytes
        if backlog.server_bytes + size > (limit if own <= limits.buffered_share_bytes else limit // 2):
            return f"expected at most {limit} bytes of all participants waiting for the decoders"
        return None


def _out_of_range(frame: EncodedFrame) -> str | None:
    """What is wrong with a field of a frame; None where nothing is."""
    if frame.rotation not in ROTATIONS:
        return f"rotation: expected 0, 90, 180 or 270 degrees, got {frame.rotation}"
    layer = frame.temporal_layer
    if layer is not None and layer > MAX_TEMPORAL_LAYER:
        return f"temporal_layer: expected 0 to {MAX_TEMPORAL_LAYER}, got {layer}"
    if frame.clock_hz > MAX_CLOCK_HZ:
        return f"clock_hz: expected at most {MAX_CLOCK_HZ} ticks a second, got {frame.clock_hz}"
    return None
