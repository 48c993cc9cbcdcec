"""Who of a room is subscribed to: consent, places, and one camera a participant."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from livekit.protocol import rtc

from gifcue.client import ReconnectingStream
from gifcue.ingest.livekit import requests
from gifcue.ingest.livekit.camera import ParticipantCamera
from gifcue.ingest.livekit.consent import allowed_labels
from gifcue.ingest.livekit.room import Camera, Participant
from gifcue.ingest.livekit.settings import LiveKitSettings
from gifcue.ingest.report import EndedTotals, Notice, PublisherTotals
from gifcue.ingest.webrtc.track import VideoTrack

# Bytes of a participant's name on gifcue's wire. LiveKit allows longer identities.
MAX_NAME_BYTES = 128
# Participants that are remembered, subscribed to or not. A later change of their attributes may be their consent.
MAX_KNOWN = 4096

Ask = Callable[[rtc.SignalRequest], Awaitable[None]]


class RoomCameras:
    """Outlives the sessions with LiveKit: a participant that is there again keeps its place in gifcue.

    `labels` are those that a participant can agree to. `on_failure` is called where frames cannot be handed on. One
    call at a time, except the properties. Methods that take `ask` send requests with it, and raise what it raises.
    """

    def __init__(
        self,
        settings: LiveKitSettings,
        stream: ReconnectingStream,
        labels: Sequence[str],
        tell: Callable[[Notice], None],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._settings = settings
        self._stream = stream
        self._labels = tuple(labels)
        self._tell = tell
        self._on_failure = on_failure
        self._known: dict[str, Participant] = {}
        self._cameras: dict[str, ParticipantCamera] = {}
        self._refused: dict[str, str] = {}  # why a participant is not subscribed to, so that it is told once
        self._ended = EndedTotals()
        self._loop = asyncio.get_running_loop()

    @property
    def totals(self) -> Mapping[str, PublisherTotals]:
        """By participant."""
        totals = self._ended.by_name
        for name, each in self._cameras.items():
            totals[name] = totals.get(name, PublisherTotals()) + each.totals
        return totals

    @property
    def subscribed(self) -> list[str]:
        """The tracks that LiveKit was asked for."""
        return [each.subscribed for each in self._cameras.values() if each.subscribed is not None]

    async def begin(self, participants: Sequence[Participant], ask: Ask) -> None:
        """A session has begun, and these are all participants. LiveKit knows of no subscription of this session."""
        await self.pause()
        before, self._known = self._known, {}
        for each in participants[:MAX_KNOWN]:
            if not each.has_left:
                self._known[each.identity] = each
        self._refused = {name: why for name, why in self._refused.items() if name in self._known}
        # Consent may have been withdrawn meanwhile. This side acts on all of that before LiveKit is asked anything.
        for name in tuple(self._cameras):
            if name in self._known and not self._allowed(name):
                await self._close(name)
        for name in dict.fromkeys((*before, *self._known)):
            await self._reconcile(name, ask)
        await self._fill(ask)

    async def update(self, participants: Sequence[Participant], ask: Ask) -> None:
        """What has changed of some participants."""
        for each in participants:
            known = self._known.get(each.identity)
            if each.has_left:
                # The end of a session is told after the beginning of the next one where somebody is quickly back.
                if known is not None and known.sid == each.sid:
                    del self._known[each.identity]
                    self._refused.pop(each.identity, None)
            elif known is not None and known.sid == each.sid and each.version < known.version:
                continue
            elif known is not None or len(self._known) < MAX_KNOWN:
                self._known[each.identity] = each
        names = dict.fromkeys(each.identity for each in participants)
        for name in names:
            # Consent that is withdrawn counts before anything that may wait for the stream to gifcue.
            if name in self._cameras and name in self._known and not self._allowed(name):
                await self._cameras[name].detach()
        for name in names:
            await self._reconcile(name, ask)
        await self._fill(ask)

    async def opened(self, track: VideoTrack, forget: Callable[[VideoTrack], None]) -> None:
        """LiveKit sends a track that `wants` said yes to. `forget` ends what comes of it."""
        name = track.media.track
        for camera in self._cameras.values():
            if name and camera.subscribed == name:
                await camera.attach(track, forget)
                return
        forget(track)

    def wants(self, track: str) -> bool:
        """Whether LiveKit was asked for a track."""
        return any(each.subscribed == track for each in self._cameras.values())

    def not_sent(self, track: str, reason: str) -> None:
        """LiveKit answers that it does not send a track that it was asked for."""
        for name, camera in self._cameras.items():
            if camera.subscribed == track:
                self._refuse(name, reason)

    async def expire(self, ask: Ask | None) -> None:
        """Participants whose video has ended leave gifcue after a time. `ask` None: there is no session."""
        now_s = self._loop.time()
        expired = [
            name
            for name, each in self._cameras.items()
            if each.idle_since_s is not None and now_s - each.idle_since_s >= self._settings.linger_s
        ]
        for name in expired:
            await self._close(name)
        if expired and ask is not None:
            await self._fill(ask)

    async def pause(self) -> None:
        """There is no session: no video comes. Everybody keeps the place in gifcue for a time."""
        for camera in self._cameras.values():
            await self._rest(camera)

    async def close(self) -> None:
        """Everybody leaves gifcue."""
        for name in tuple(self._cameras):
            await self._close(name)

    async def _reconcile(self, name: str, ask: Ask) -> None:
        """Subscribes to a participant as its attributes and tracks demand, or not at all."""
        camera = self._cameras.get(name)
        labels = self._allowed(name)
        wanted = self._wanted(name)
        if camera is not None and camera.subscribed is not None:
            before = camera.subscribed
            # This side first: where LiveKit cannot be told, what it still sends is dropped here.
            if name in self._known and not labels:
                await self._close(name)
            elif wanted is None or wanted.sid != before:
                await self._rest(camera)
            if name in self._known and not (labels and camera.subscribed == before):
                await ask(requests.unsubscribe(before))
        elif camera is not None and name in self._known and not labels:
            await self._close(name)
        if not labels or wanted is None:
            return
        problem = self._problem(name, wanted)
        if problem:
            self._refuse(name, problem)
            return
        if camera is None:
            await self._make_place()
            camera = ParticipantCamera(name, labels, self._stream, self._on_failure)
            self._cameras[name] = camera
        camera.display = self._known[name].name or ""
        changed = await camera.allow(labels)
        if camera.subscribed is None:
            camera.subscribed, camera.idle_since_s = wanted.sid, None
            self._refused.pop(name, None)
            for request in requests.subscribe(wanted.sid, self._settings.layer):
                await ask(request)
            changed = True
        if changed:
            self._tell_of("subscribed", name, f"{wanted.codec_name}, labels {', '.join(labels)}")

    async def _fill(self, ask: Ask) -> None:
        """Whoever waits for a place gets one, if one is free."""
        if self._busy() >= self._settings.max_publishers:
            return
        for name in tuple(self._refused):
            if name not in self._cameras:
                await self._reconcile(name, ask)

    async def _rest(self, camera: ParticipantCamera) -> None:
        """No video of it comes at present."""
        camera.subscribed = None
        if camera.idle_since_s is None:
            camera.idle_since_s = self._loop.time()
        await camera.detach()

    async def _make_place(self) -> None:
        """Takes the place of whoever has sent nothing for the longest time, where all are taken."""
        if len(self._cameras) < self._settings.max_publishers:
            return
        idle = {
            name: each.idle_since_s for name, each in self._cameras.items() if each.idle_since_s is not None
        }
        await self._close(min(idle, key=lambda name: idle[name]))

    async def _close(self, name: str) -> None:
        camera = self._cameras.pop(name)
        try:
            await camera.close()
        finally:
            self._ended.add(name, camera.totals)
            self._tell(Notice("stopped", name, camera.display))

    def _problem(self, name: str, wanted: Camera) -> str:
        """Why a participant who consents cannot be subscribed to; empty: it can."""
        if self._busy(name) >= self._settings.max_publishers:
            return f"expected at most {self._settings.max_publishers} participants (--max-publishers)"
        if wanted.is_encrypted:
            return "expected video that LiveKit can read, got end-to-end encryption"
        if wanted.codec is None:
            return f"expected video of h264, h265, vp8, vp9 or av1, got {wanted.codec_name or 'no codec'}"
        if len(name.encode()) > MAX_NAME_BYTES:
            return f"expected an identity of at most {MAX_NAME_BYTES} bytes"
        return ""

    def _busy(self, but: str = "") -> int:
        """How many participants are subscribed to, `but` not counted."""
        return sum(each.idle_since_s is None for name, each in self._cameras.items() if name != but)

    def _refuse(self, name: str, problem: str) -> None:
        if self._refused.get(name) != problem:
            self._refused[name] = problem
            self._tell_of("refused", name, problem)

    def _tell_of(self, kind: str, name: str, detail: str) -> None:
        known = self._known.get(name)
        self._tell(Notice(kind, name, (known.name or "") if known else "", detail))

    def _allowed(self, name: str) -> Sequence[str]:
        """The labels that a participant agrees to; none where it is not there."""
        known = self._known.get(name)
        return () if known is None else allowed_labels(self._settings.rules, known, self._labels)

    def _wanted(self, name: str) -> Camera | None:
        """The camera that is taken of a participant: the first one that is on, or else the first one."""
        known = self._known.get(name)
        if known is None or not known.cameras:
            return None
        return next((each for each in known.cameras if not each.is_muted), known.cameras[0])
