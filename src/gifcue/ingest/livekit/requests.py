"""What is asked of LiveKit, as messages of its signalling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from livekit.protocol import models, rtc


@dataclass(frozen=True, slots=True)
class WantedLayer:
    """What LiveKit is to send of each camera: the simulcast layer that is nearest to a size, and the temporal layers up
    to a frame rate. 0 frames a second: all.
    """

    width: int = 640
    height: int = 360
    fps: int = 15


def subscribe(track: str, layer: WantedLayer) -> Sequence[rtc.SignalRequest]:
    """To send a track from now on, at `layer`."""
    subscription = rtc.UpdateSubscription(track_sids=[track], subscribe=True)
    settings = rtc.UpdateTrackSettings(
        track_sids=[track],
        width=layer.width,
        height=layer.height,
        fps=layer.fps,
        quality=models.VideoQuality.MEDIUM,
    )
    return rtc.SignalRequest(subscription=subscription), rtc.SignalRequest(track_setting=settings)


def unsubscribe(track: str) -> rtc.SignalRequest:
    """To send nothing more of a track."""
    return rtc.SignalRequest(subscription=rtc.UpdateSubscription(track_sids=[track], subscribe=False))


def answer(sdp: str, offer: int) -> rtc.SignalRequest:
    """The answer to the offer with the id `offer`."""
    return rtc.SignalRequest(answer=rtc.SessionDescription(type="answer", sdp=sdp, id=offer))


def ping(timestamp_ms: int) -> rtc.SignalRequest:
    """A sign of life. LiveKit ends a session without."""
    return rtc.SignalRequest(ping_req=rtc.Ping(timestamp=timestamp_ms))


def leave() -> rtc.SignalRequest:
    """The end of the session."""
    return rtc.SignalRequest(
        leave=rtc.LeaveRequest(
            reason=models.DisconnectReason.CLIENT_INITIATED, action=rtc.LeaveRequest.DISCONNECT
        )
    )


def sync_state(tracks: Sequence[str], sdp: str) -> rtc.SignalRequest:
    """What this side has, after the connection for signalling was lost: the tracks, and its last answer."""
    return rtc.SignalRequest(
        sync_state=rtc.SyncState(
            answer=rtc.SessionDescription(type="answer", sdp=sdp),
            subscription=rtc.UpdateSubscription(track_sids=tracks, subscribe=True),
        )
    )
