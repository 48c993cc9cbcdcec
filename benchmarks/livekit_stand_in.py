"""A stand-in for LiveKit that sends each participant's packets as they are given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aiohttp.web
from livekit.protocol import models, rtc

from benchmarks.offering import OfferedVideo, OfferingPeer


@asynccontextmanager
async def livekit_stand_in(
    participants: int, ssrcs: Sequence[int]
) -> AsyncIterator[tuple[str, asyncio.Future[OfferingPeer]]]:
    """Its address, and the connection over which packets go once the adapter has asked for every participant."""
    videos = [OfferedVideo(f"TR_{number}", ssrcs[number]) for number in range(participants)]
    connected: asyncio.Future[OfferingPeer] = asyncio.get_running_loop().create_future()
    peer = OfferingPeer(videos, lambda packet: None)

    async def talk(request: aiohttp.web.Request) -> aiohttp.web.WebSocketResponse:
        opened = aiohttp.web.WebSocketResponse()
        await opened.prepare(request)
        await opened.send_bytes(_joined(videos).SerializeToString())
        subscribed: set[str] = set()
        async for message in opened:
            asked = rtc.SignalRequest.FromString(message.data)
            if asked.HasField("subscription"):
                subscribed.update(asked.subscription.track_sids)
                if len(subscribed) == participants:
                    offer = rtc.SessionDescription(type="offer", sdp=await peer.offer(), id=1)
                    await opened.send_bytes(rtc.SignalResponse(offer=offer).SerializeToString())
            elif asked.HasField("answer"):
                await peer.take_answer(asked.answer.sdp)
                connected.set_result(peer)
        return opened

    app = aiohttp.web.Application()
    app.router.add_get("/rtc", talk)
    runner = aiohttp.web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    await aiohttp.web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"ws://127.0.0.1:{runner.addresses[0][1]}", connected
    finally:
        await peer.close()
        await runner.cleanup()


def _joined(videos: Sequence[OfferedVideo]) -> rtc.SignalResponse:
    others = [
        models.ParticipantInfo(
            sid=f"PA_{number}",
            identity=f"participant-{number}",
            tracks=[
                models.TrackInfo(
                    sid=video.track,
                    type=models.TrackType.VIDEO,
                    source=models.TrackSource.CAMERA,
                    mime_type="video/H264",
                )
            ],
        )
        for number, video in enumerate(videos)
    ]
    this = models.ParticipantInfo(sid="PA_this", identity="gifcue")
    return rtc.SignalResponse(
        join=rtc.JoinResponse(participant=this, other_participants=others, ping_interval=5)
    )
