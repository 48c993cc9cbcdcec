"""One session in a room: LiveKit's signalling, and the connection over which video comes."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from livekit.protocol import models, rtc

from gifcue.ingest.livekit import requests
from gifcue.ingest.livekit.access import Tokens
from gifcue.ingest.livekit.cameras import RoomCameras
from gifcue.ingest.livekit.errors import LiveKitError, LiveKitRefused, LiveKitUnavailable, RoomClosed
from gifcue.ingest.livekit.room import Participant, participants_of
from gifcue.ingest.livekit.settings import LiveKitSettings
from gifcue.ingest.livekit.signal import Signal
from gifcue.ingest.report import Notice
from gifcue.ingest.rtp.sdp import SdpError
from gifcue.ingest.webrtc.connection import PeerConnection, PeerLimits
from gifcue.ingest.webrtc.ice import FullIce
from gifcue.ingest.webrtc.offer import OfferLimits
from gifcue.ingest.webrtc.section import OfferedMedia
from gifcue.ingest.webrtc.track import VideoTrack

# Seconds for which a lost connection for signalling is tried again while video goes on. Who withdraws consent meanwhile
# cannot be heard; after it, the session is over and no more video comes.
RESUME_S = 8.0
# Seconds after which a session without video has gone well.
STEADY_S = 10.0
# Seconds between two looks at who is to leave gifcue.
TICK_S = 1.0
# Seconds within which LiveKit says why it has ended the connection for video.
LAST_WORD_S = 1.0
# Seconds that saying goodbye may take.
LEAVE_S = 2.0
MAX_CANDIDATE_TEXT = 2048
_CLOSED = (models.DisconnectReason.ROOM_CLOSED, models.DisconnectReason.ROOM_DELETED)
# Bytes that each section of an offer adds, with all codecs that LiveKit knows.
_SECTION_BYTES = 8 * 1024


class RoomSession:
    """`run` lasts as long as the session. `changing` is held while `cameras` is called."""

    def __init__(
        self,
        settings: LiveKitSettings,
        tokens: Tokens,
        cameras: RoomCameras,
        changing: asyncio.Lock,
        tell: Callable[[Notice], None],
    ) -> None:
        self._settings = settings
        self._tokens = tokens
        self._cameras = cameras
        self._changing = changing
        self._tell = tell
        self._sid = self._identity = ""
        self._ping_s = 0.0
        self._opened: list[VideoTrack] = []
        self._unwanted: list[str] = []  # of the latest offer
        self._answer = ""
        # A section that is not used any longer stays in each offer, until LiveKit uses it for another track.
        sections = 2 + 2 * settings.max_publishers
        limits = PeerLimits(
            offer=OfferLimits(total_bytes=sections * _SECTION_BYTES, sections=sections, candidates=32),
            tracks=settings.max_publishers,
            needs_video=False,
            keeps_data=True,
            keeps_video=True,
        )
        self._peer = PeerConnection(FullIce(), limits, self._opened.append, self._wants)
        self._joined_s = 0.0
        self.has_joined = False

    @property
    def was_steady(self) -> bool:
        """Whether another session may begin at once after this one: video came, or none was offered for a while.

        A room can be joined where LiveKit's UDP ports cannot be reached, and each session then ends without video.
        """
        if self._answer:
            return self._peer.connected.is_set()
        return self.has_joined and asyncio.get_running_loop().time() - self._joined_s >= STEADY_S

    @property
    def dropped(self) -> Mapping[str, int]:
        """Packets that belong to no participant, by reason."""
        return Counter(self._peer.dropped)

    async def run(self) -> None:
        """Joins, and follows the room until the session is over.

        Raises:
            LiveKitUnavailable: the session is lost.
            LiveKitRefused: LiveKit does not let this side in, or somebody else has taken its place.
            RoomClosed: the room is closed.
        """
        signal = Signal(self._settings.url, self._tokens)
        try:
            await signal.open()
            await self._join(signal)
            while True:
                lost = await self._serve(signal)
                await signal.close()
                self._tell(Notice("resuming", detail=str(lost)))
                signal = await self._resume(lost)
        except asyncio.CancelledError:
            with contextlib.suppress(LiveKitError, TimeoutError):
                async with asyncio.timeout(LEAVE_S):
                    await signal.send(requests.leave())
            raise
        finally:
            # Video ends first. LiveKit may be slow to answer that the connection for signalling ends.
            await self._peer.close()
            await signal.close()

    async def _join(self, signal: Signal) -> None:
        first = await signal.first()
        if first.WhichOneof("message") != "join":
            self._end_of(first)
        joined = first.join
        self._sid = joined.participant.sid
        self._identity = joined.participant.identity
        self._ping_s = float(joined.ping_interval)
        signal.keep_alive(self._ping_s)
        others = self._others(joined.other_participants)
        self.has_joined = True
        self._joined_s = asyncio.get_running_loop().time()
        self._tell(Notice("joined", detail=f"{len(others)} participants"))
        async with self._changing:
            await self._cameras.begin(others, signal.send)

    async def _resume(self, lost: LiveKitUnavailable) -> Signal:
        """Takes the session up again over another connection for signalling, while video goes on.

        Raises:
            LiveKitUnavailable: LiveKit knows the session no longer, or cannot be reached in time.
        """
        loop = asyncio.get_running_loop()
        until_s = loop.time() + RESUME_S
        attempt = 0
        while not self._peer.closed.is_set():
            signal = Signal(self._settings.url, self._tokens, self._sid)
            try:
                # An attempt as well ends with the time: video goes on meanwhile.
                async with asyncio.timeout_at(until_s):
                    await self._take_up(signal)
                self._tell(Notice("resumed"))
                return signal
            except TimeoutError:
                await self._peer.close()  # the video first
                await signal.close()
                raise LiveKitUnavailable(
                    f"expected LiveKit to resume the session within {RESUME_S:g} s, got no answer; before: {lost}"
                ) from None
            except BaseException as error:
                await signal.close()
                if isinstance(error, _Over) or not isinstance(error, LiveKitUnavailable):
                    raise
                lost = error
            attempt += 1
            delay_s = self._settings.backoff.delay_s(attempt)
            if loop.time() + delay_s > until_s:
                break
            await self._settings.backoff.sleep(delay_s)
        raise lost

    async def _take_up(self, signal: Signal) -> None:
        await signal.open()
        first = await signal.first()
        if first.WhichOneof("message") != "reconnect":
            self._end_of(first)
        signal.keep_alive(self._ping_s)
        async with self._changing:
            await signal.send(requests.sync_state(self._cameras.subscribed, self._answer))

    async def _serve(self, signal: Signal) -> LiveKitUnavailable:
        """Follows the room; returns how the connection for signalling was lost. Raises where the session is over."""
        following = asyncio.ensure_future(self._follow(signal))
        others = [asyncio.ensure_future(self._peer.closed.wait()), asyncio.ensure_future(self._tick(signal))]
        try:
            await asyncio.wait({following, *others}, return_when=asyncio.FIRST_COMPLETED)
            if self._peer.closed.is_set():
                # LiveKit may be about to say why.
                await asyncio.wait({following}, timeout=LAST_WORD_S)
            if following.done():
                return following.result()
            if self._peer.closed.is_set():
                raise LiveKitUnavailable(
                    f"expected a connection to LiveKit's UDP ports, got: {self._peer.reason}"
                )
            others[1].result()
            raise AssertionError("expected a task that goes on, got its end")
        finally:
            for each in (following, *others):
                each.cancel()
            await asyncio.wait({following, *others})

    async def _follow(self, signal: Signal) -> LiveKitUnavailable:
        messages = signal.messages()
        while True:
            try:
                message = await anext(messages)
            except LiveKitUnavailable as lost:
                return lost
            async with self._changing:
                # Where the connection is lost in between, the session is over: what LiveKit was asked is not known.
                await self._take(message, signal)

    async def _tick(self, signal: Signal) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            async with self._changing:
                await self._cameras.expire(signal.send)

    async def _take(self, message: rtc.SignalResponse, signal: Signal) -> None:
        match message.WhichOneof("message"):
            case "offer":
                await self._on_offer(message.offer, signal)
            case "trickle":
                await self._on_candidate(message.trickle)
            case "update":
                await self._cameras.update(self._others(message.update.participants), signal.send)
            case "leave":
                self._end_of(message)
            case "refresh_token":
                self._tokens.renew(message.refresh_token)
            case "subscription_response":
                answer = message.subscription_response
                if answer.err != models.SubscriptionError.SE_UNKNOWN:
                    self._cameras.not_sent(
                        answer.track_sid, f"LiveKit answers {models.SubscriptionError.Name(answer.err)}"
                    )
            case "subscription_permission_update":
                permission = message.subscription_permission_update
                if not permission.allowed:
                    self._cameras.not_sent(
                        permission.track_sid, "the participant does not let this side subscribe"
                    )

    async def _on_offer(self, offer: rtc.SessionDescription, signal: Signal) -> None:
        self._unwanted.clear()
        try:
            self._answer = await self._peer.answer(offer.sdp)
        except SdpError as error:
            raise _Over(f"expected an offer of LiveKit that can be answered: {error}") from None
        await signal.send(requests.answer(self._answer, offer.id))
        for name in self._unwanted:
            await signal.send(requests.unsubscribe(name))
        opened = tuple(self._opened)
        self._opened.clear()
        for track in opened:
            await self._cameras.opened(track, self._peer.forget)

    async def _on_candidate(self, trickle: rtc.TrickleRequest) -> None:
        if trickle.target != rtc.SignalTarget.SUBSCRIBER or len(trickle.candidateInit) > MAX_CANDIDATE_TEXT:
            return
        try:
            candidate = json.loads(trickle.candidateInit)
        except (ValueError, RecursionError):
            return
        text = candidate.get("candidate") if isinstance(candidate, dict) else None
        if isinstance(text, str) and text:
            await self._peer.add_candidate(text)

    def _wants(self, media: OfferedMedia) -> bool:
        is_wanted = self._cameras.wants(media.track)
        if not is_wanted and media.track:
            # An administrator can subscribe this side to tracks that it did not ask for.
            self._unwanted.append(media.track)
        return is_wanted

    def _others(self, infos: Iterable[models.ParticipantInfo]) -> list[Participant]:
        return [each for each in participants_of(infos) if each.identity != self._identity]

    def _end_of(self, message: rtc.SignalResponse) -> None:
        """Raises what the message means that ends a session."""
        if message.WhichOneof("message") != "leave":
            raise _Over(f"expected a session with LiveKit, got {message.WhichOneof('message')}")
        leave = message.leave
        reason = leave.reason
        name = models.DisconnectReason.Name(reason) if reason in models.DisconnectReason.values() else reason
        if reason in _CLOSED:
            raise RoomClosed(f"LiveKit has closed the room {self._settings.room} ({name})")
        if reason == models.DisconnectReason.DUPLICATE_IDENTITY:
            raise LiveKitRefused(
                f"expected to be the only session named {self._identity!r}, got another one that took its place"
            )
        if reason == models.DisconnectReason.PARTICIPANT_REMOVED:
            raise LiveKitRefused(f"expected to stay in the room {self._settings.room}, got: removed from it")
        raise _Over(f"expected a session with LiveKit, got its end ({name})")


class _Over(LiveKitUnavailable):
    """LiveKit has ended the session: it cannot be resumed, but another one may begin."""
