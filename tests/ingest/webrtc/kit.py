"""A peer that sends video by aiortc, for tests of what receives it."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator

from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription, VideoStreamTrack
from av import VideoFrame

from tests.support.colour_detector import RED, colour_frames

WIDTH, HEIGHT = 320, 180


class Pictures(VideoStreamTrack):
    """Red pictures, at which `colour_detector` sees a smile, at 30 frames a second."""

    def __init__(self) -> None:
        super().__init__()
        self._frames = itertools.cycle(list(colour_frames(RED, 30, WIDTH, HEIGHT)))
        self.sent = 0

    async def recv(self) -> VideoFrame:
        pts, time_base = await self.next_timestamp()
        frame = VideoFrame.from_ndarray(next(self._frames), format="rgb24")
        frame.pts, frame.time_base = pts, time_base
        self.sent += 1
        return frame


class Sender:
    """A peer that offers one video track. `codec` is the one that it offers, such as `VP8`."""

    def __init__(self, codec: str) -> None:
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.pictures = Pictures()
        transceiver = self.connection.addTransceiver(self.pictures, direction="sendonly")
        known = RTCRtpSender.getCapabilities("video").codecs
        transceiver.setCodecPreferences([each for each in known if each.name.upper() == codec])

    async def offer(self) -> str:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return self.connection.localDescription.sdp

    async def take_answer(self, answer: str) -> None:
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))


@contextlib.asynccontextmanager
async def sending(codec: str) -> AsyncIterator[Sender]:
    sender = Sender(codec)
    try:
        yield sender
    finally:
        await sender.connection.close()
