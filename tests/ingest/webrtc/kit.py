"""A peer that sends video by aiortc, for tests of what receives it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription, VideoStreamTrack
from av import VideoFrame

WIDTH, HEIGHT = 64, 48


class Pictures(VideoStreamTrack):
    """Small pictures that differ, at 30 frames a second."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = 0

    async def recv(self) -> VideoFrame:
        pts, time_base = await self.next_timestamp()
        picture = np.full((HEIGHT, WIDTH, 3), self.sent * 7 % 256, np.uint8)
        frame = VideoFrame.from_ndarray(picture, format="rgb24")
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
