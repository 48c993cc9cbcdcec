"""What the server asks of the sender of one participant's video: keyframes, and fewer frames."""

from __future__ import annotations

from gifcue.engine.stream_context import StreamContext
from gifcue.engine.throttle import Throttle
from gifcue.protocol.events import KeyframeRequested, SlowDown
from gifcue.protocol.reasons import DropReason

# Frames a second that suit a participant whose video overran its limits.
SLOW_DOWN_FPS = 15.0


class Asking:
    """Owned by one participant. Each request is sent no more often than the limits say."""

    def __init__(self, participant_id: str, stream: StreamContext) -> None:
        self._participant_id = participant_id
        self._stream = stream
        self._throttle = Throttle(stream.limits.keyframe_request_interval_s, stream.clock)

    def for_keyframe(self, reason: str) -> None:
        """Asks for a keyframe."""
        if self._throttle.admit(KeyframeRequested):
            self._stream.tally.keyframe_requests += 1
            self._stream.audience.sink.put(KeyframeRequested(self._participant_id, reason))

    def for_less(self, reason: DropReason) -> None:
        """Asks to send fewer frames."""
        if self._throttle.admit(SlowDown):
            self._stream.audience.sink.put(SlowDown(self._participant_id, SLOW_DOWN_FPS, reason.value))
