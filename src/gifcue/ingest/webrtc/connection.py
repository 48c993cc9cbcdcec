"""A WebRTC connection from which video is taken undecoded: this end answers, and receives."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gifcue.ingest.rtp.rtcp import receiver_reports, sender_reports
from gifcue.ingest.rtp.sdp import ENCODINGS, SdpError
from gifcue.ingest.webrtc.answer import LocalTransport, local_setup, new_session, write_answer
from gifcue.ingest.webrtc.dtls import RtpTransport
from gifcue.ingest.webrtc.ice import FullIce, Ice, IceCredentials
from gifcue.ingest.webrtc.offer import Offer, OfferLimits, parse_offer
from gifcue.ingest.webrtc.router import PacketRouter
from gifcue.ingest.webrtc.section import OfferedMedia
from gifcue.ingest.webrtc.track import NACK_INTERVAL_S, VideoTrack

# Seconds between two reports to the peer.
REPORT_INTERVAL_S = 1.0
# RTCP packets that wait to be sent. More would wait only where nothing can be sent.
MAX_OUTGOING = 64


# Seconds for ICE and DTLS together. Each of them repeats what is lost after a second.
CONNECT_S = 10.0


@dataclass(frozen=True, slots=True)
class PeerLimits:
    """What a peer may make this end do.

    `tracks` counts the sections of video that are accepted, the first ones. `connect_s` is the time in seconds for ICE
    and DTLS together. `needs_video`: an offer without video that can be received is refused. `keeps_data`: a section
    for data channels stays part of the session, and what comes on it is discarded; otherwise it is rejected.
    `keeps_video`: so does a section of video that is not received, which the peer may use for another track later.
    """

    offer: OfferLimits = field(default_factory=OfferLimits)
    tracks: int = 1
    connect_s: float = CONNECT_S
    needs_video: bool = True
    keeps_data: bool = False
    keeps_video: bool = False


class PeerConnection:
    """One peer that sends video. Every track that its offers describe, and that `wants` says yes to, is handed to
    `on_track`.

    Call `answer` for the first offer; ICE and DTLS go on by themselves. Call it again for each further offer of the
    same session, also for one that restarts ICE where this end looks for the peer (`FullIce`). `closed` says when the
    connection has ended, and `reason` why. Always `close` it.
    """

    def __init__(
        self,
        ice: Ice,
        limits: PeerLimits,
        on_track: Callable[[VideoTrack], None],
        wants: Callable[[OfferedMedia], bool] = lambda _: True,
    ) -> None:
        self._ice = ice
        self._wants = wants
        self._limits = limits
        self._on_track = on_track
        self._loop = asyncio.get_running_loop()
        self._router = PacketRouter()
        self._ssrc = secrets.randbelow(2**32 - 1) + 1
        self._session = new_session()
        self._answers = 0
        self._remote: IceCredentials | None = None
        self._dtls: RtpTransport | None = None
        self._setup = ""
        self._candidates: tuple[str, ...] = ()
        self._running: asyncio.Task[None] | None = None
        self._restarting: asyncio.Task[None] | None = None
        self._outgoing: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._dropped: Counter[str] = Counter()
        self._is_closing = False
        self.closed = asyncio.Event()
        self.connected = asyncio.Event()
        self.reason = ""

    @property
    def tracks(self) -> Mapping[str, VideoTrack]:
        """The tracks that are open, by `mid`."""
        return self._router.tracks

    @property
    def dropped(self) -> Mapping[str, int]:
        """Packets that belong to no track, and RTCP that could not be sent, by reason."""
        return +(self._dropped + Counter(self._router.dropped))

    async def answer(self, offer_text: str) -> str:
        """The answer to an offer.

        Raises:
            SdpError: it is no offer that this end can answer. A connection that exists is not changed.
        """
        offer = parse_offer(offer_text, self._limits.offer)
        accepted = self._accepted(offer)
        remote = IceCredentials(offer.username, offer.password)
        if self._remote is None:
            self._remote = remote
            self._setup = local_setup(offer.setup)
            self._candidates = tuple(await self._ice.gather())
            self._dtls = RtpTransport(self._ice.path, self._setup, self._on_rtp, self._on_rtcp)
            self._running = asyncio.create_task(self._run(offer, self._dtls), name="WebRTC connection")
        elif remote != self._remote:
            await self._restart_ice(offer, remote)
        assert self._dtls is not None
        for candidate in offer.candidates:
            await self.add_candidate(candidate)
        self._follow(accepted)
        self._answers += 1
        local = self._ice.local
        return write_answer(
            offer,
            {each.mid for each in accepted},
            {each.mid for each in offer.media if self._is_kept(each)},
            LocalTransport(
                local.username,
                local.password,
                self._dtls.fingerprints,
                self._setup,
                self._candidates,
                self._ice.is_lite,
                self._session,
                self._answers,
            ),
        )

    async def add_candidate(self, candidate: str) -> None:
        """A candidate that the peer tells after its offer. One that cannot be used is left out."""
        await self._ice.add_candidate(candidate)

    def forget(self, track: VideoTrack) -> None:
        """Takes nothing more of a track, until another offer describes one that `wants` says yes to."""
        if self.tracks.get(track.mid) is track:
            self._router.remove(track)
        track.close()

    async def close(self, reason: str = "closed") -> None:
        """Ends the connection and its tracks. Can be called more than once."""
        self._end(reason)
        await self._stop_restarting()
        if self._running is not None and self._running is not asyncio.current_task():
            self._running.cancel()
            await asyncio.wait({self._running})
        if not self._is_closing:
            self._is_closing = True
            with contextlib.suppress(ConnectionError):
                if self._dtls is not None:
                    await self._dtls.stop()
            await self._ice.close()

    def _accepted(self, offer: Offer) -> list[OfferedMedia]:
        usable = [each for each in offer.media if each.sends and each.codecs and self._wants(each)]
        if self._limits.needs_video and not usable:
            names = ", ".join(ENCODINGS)
            raise SdpError(f"expected video that the peer sends, of {names}, got an offer without it")
        return usable[: self._limits.tracks]

    def _is_kept(self, media: OfferedMedia) -> bool:
        if media.is_rejected:
            return False
        if media.kind == "video":
            return self._limits.keeps_video and bool(media.codecs)
        return media.opus is not None or (media.kind == "application" and self._limits.keeps_data)

    def _follow(self, accepted: list[OfferedMedia]) -> None:
        """Opens and closes tracks, as the latest offer says."""
        wanted = {each.mid: each for each in accepted}
        for track in list(self.tracks.values()):
            media = wanted.get(track.mid)
            if media is None or not _continues(track.media, media):
                self._router.remove(track)
                track.close()
            else:
                track.media = media
                self._router.add(track)
        for media in accepted:
            if media.mid not in self.tracks:
                track = VideoTrack(media, self._ssrc, self._send, self._loop.time)
                self._router.add(track)
                self._on_track(track)

    async def _restart_ice(self, offer: Offer, remote: IceCredentials) -> None:
        """Looks for another path. Encryption and tracks stay, and what comes on the old path meanwhile is taken."""
        if not isinstance(self._ice, FullIce) or not self.connected.is_set():
            raise SdpError("expected an offer of the same ICE session, got one that restarts ICE")
        await self._stop_restarting()
        self._remote = remote
        await self._ice.restart()
        self._candidates = tuple(await self._ice.gather())
        self._restarting = asyncio.create_task(
            self._go_over(remote, offer.is_lite), name="WebRTC ICE restart"
        )

    async def _go_over(self, remote: IceCredentials, is_lite: bool) -> None:
        try:
            async with asyncio.timeout(self._limits.connect_s):
                await self._ice.connect(remote, remote_is_lite=is_lite)
        except TimeoutError:
            self._end(f"expected another path within {self._limits.connect_s:g} s")
        except ConnectionError as error:
            self._end(str(error))

    async def _stop_restarting(self) -> None:
        restarting, self._restarting = self._restarting, None
        if restarting is not None:
            restarting.cancel()
            await asyncio.wait({restarting})

    async def _run(self, offer: Offer, dtls: RtpTransport) -> None:
        assert self._remote is not None
        reason = "the peer has ended the connection, or is lost"
        try:
            async with asyncio.timeout(self._limits.connect_s):
                await self._ice.connect(self._remote, remote_is_lite=offer.is_lite)
                await dtls.handshake(offer.fingerprints)
            self.connected.set()
            ended = asyncio.Event()
            dtls.on("statechange", ended.set)
            if dtls.state == "connected":
                await self._send_until(ended, dtls)
        except TimeoutError:
            reason = f"expected ICE and DTLS within {self._limits.connect_s:g} s"
        except ConnectionError as error:
            reason = str(error)
        finally:
            self._end(reason)

    async def _send_until(self, ended: asyncio.Event, dtls: RtpTransport) -> None:
        """Sends feedback until the connection ends. One task sends everything, in its order."""
        ended_too = asyncio.ensure_future(ended.wait())
        ended_too.add_done_callback(lambda _: self._wake.set())
        try:
            report_s = self._loop.time() + REPORT_INTERVAL_S
            while not ended.is_set():
                tracks = self.tracks.values()
                due_s = report_s
                if any(each.is_missing for each in tracks):
                    due_s = min(due_s, self._loop.time() + NACK_INTERVAL_S)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(due_s):
                        await self._wake.wait()
                self._wake.clear()
                for track in tracks:
                    if track.is_missing:
                        track.ask_again()
                if self._loop.time() >= report_s:
                    report_s = self._loop.time() + REPORT_INTERVAL_S
                    blocks = [block for each in tracks if (block := each.report()) is not None]
                    for packet in receiver_reports(self._ssrc, blocks):
                        self._send(packet)
                while self._outgoing:
                    await dtls.send(self._outgoing.popleft())
        finally:
            ended_too.cancel()

    def _send(self, packet: bytes) -> None:
        if len(self._outgoing) >= MAX_OUTGOING:
            self._dropped["feedback_not_sent"] += 1
            return
        self._outgoing.append(packet)
        self._wake.set()

    def _on_rtp(self, packet: bytes) -> None:
        self._router.receive(packet)

    def _on_rtcp(self, packet: bytes) -> None:
        for ssrc, ntp in sender_reports(packet):
            self._router.sender_report(ssrc, ntp)

    def _end(self, reason: str) -> None:
        if self.closed.is_set():
            return
        self.reason = reason
        for track in list(self.tracks.values()):
            track.close()
        self.closed.set()


def _continues(before: OfferedMedia, after: OfferedMedia) -> bool:
    """Whether a section still describes the same track."""

    def described(media: OfferedMedia) -> object:
        return media.stream, media.track, media.codecs, media.extensions

    return described(before) == described(after)
