"""A participant's media time: the sender's pts in seconds, whether or not its counter wraps."""

from __future__ import annotations

from gifcue.protocol.codecs import RTP_CLOCK_HZ

# RTP time stamps have 32 bits: at 90,000 ticks a second they begin anew every 13 hours.
_RANGE = 1 << 32
_HALF = _RANGE // 2


class MediaTime:
    """Turns pts into seconds, in the order of arrival.

    A sender may pass RTP time stamps on as they are. Where the clock is that of RTP, and pts of 0 to 2**32 - 1 goes
    back by more than half of this range between two frames, the counter has wrapped, and the time continues. Any other
    step back remains one. With other clocks, half of the range can be seconds, so their pts never counts as wrapped.
    """

    def __init__(self) -> None:
        self._last = 0
        self._wraps = 0

    def seconds(self, pts: int, clock_hz: int) -> float:
        """The time of the next frame in seconds. `clock_hz` is more than 0."""
        step = pts - self._last
        is_wrap = abs(step) > _HALF and clock_hz == RTP_CLOCK_HZ
        if is_wrap and 0 <= pts < _RANGE and 0 <= self._last < _RANGE:
            # Upwards: a frame from before the wrap, which comes late.
            self._wraps = self._wraps + 1 if step < 0 else max(0, self._wraps - 1)
        self._last = pts
        seconds = pts / clock_hz
        return seconds + self._wraps * (_RANGE / RTP_CLOCK_HZ) if self._wraps else seconds
