"""Which frames may go to the decoder.

A decoder does not notice that an inter frame is missing: it continues without an error and shows wrong pictures. So a
gap in the sequence, damaged data, or a frame that the engine itself dropped closes the gate until a keyframe comes.
"""

from __future__ import annotations

from gifcue.bucket import TokenBucket
from gifcue.protocol.reasons import DropReason


class KeyframeGate:
    """Follows one participant's sequence numbers. `intra_only`: every payload of the codec can be decoded by itself."""

    def __init__(self, *, intra_only: bool) -> None:
        self._intra_only = intra_only
        self._expected: int | None = None
        self._waiting = not intra_only

    @property
    def is_waiting(self) -> bool:
        """True while nothing but a keyframe may pass."""
        return self._waiting

    def follows(self, sequence: int) -> bool:
        """True where this number is the one that is due."""
        return self._expected is None or sequence == self._expected

    def close(self) -> None:
        """A frame that had passed was lost: wait for a keyframe."""
        self._waiting = not self._intra_only

    def check(self, sequence: int, *, keyframe: bool) -> DropReason | None:
        """Takes the next frame's sequence number. Returns why the frame may not pass, None where it may.

        `keyframe` is true where a decoder can start with the frame.
        """
        stands_alone = keyframe or self._intra_only
        follows = self.follows(sequence)
        is_late = self._expected is not None and sequence < self._expected
        if is_late and not stands_alone:
            # A duplicate, or a frame that was overtaken: the frames after it have already been decoded without it.
            return DropReason.SEQUENCE_GAP
        self._expected = sequence + 1
        if stands_alone:
            self._waiting = False
            return None
        if not follows:
            self._waiting = True
            return DropReason.SEQUENCE_GAP
        return DropReason.AWAITING_KEYFRAME if self._waiting else None


# Sending a file faster than it was recorded is allowed, up to this many times `max_fps` by the server's clock, and for
# so many seconds' worth at once.
ARRIVAL_FACTOR = 4
ARRIVAL_BURST_S = 10


class RateGate:
    """A token bucket over the sender's own clock: `max_fps` on average, with bursts of a second's worth.

    Measured over pts, since sending a file faster than it was recorded is allowed. A sender may set its clock back,
    which begins anew, so that a second bucket bounds arrivals by the server's clock.
    """

    def __init__(self, max_fps: int) -> None:
        self._max_fps = max_fps
        self._arrivals = TokenBucket(ARRIVAL_FACTOR * max_fps, ARRIVAL_BURST_S * max_fps)
        self._tokens = float(max_fps)
        self._last_s: float | None = None

    def admits(self, pts_s: float, now_s: float) -> bool:
        """Takes the next frame's pts and the time of its arrival in seconds; False where it exceeds a rate."""
        if not self._arrivals.take(now_s):
            return False
        if self._last_s is not None:
            # A B-frame has an earlier pts than the frame before it: that adds no tokens, and takes none away.
            self._tokens = min(
                float(self._max_fps), self._tokens + max(0.0, pts_s - self._last_s) * self._max_fps
            )
            if pts_s < self._last_s - 1.0:
                self._tokens = float(self._max_fps)
                self._last_s = pts_s
        self._last_s = pts_s if self._last_s is None else max(self._last_s, pts_s)
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
