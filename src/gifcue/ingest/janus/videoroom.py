"""The messages of Janus' VideoRoom plugin, with several streams a publisher (Janus 1.0 and later)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from gifcue.ingest.janus.errors import JanusRefused, JanusUnavailable
from gifcue.ingest.janus.session import JanusSession, Message
from gifcue.protocol.codecs import Codec

PLUGIN = "janus.plugin.videoroom"
# Janus' names are those of the wire.
_CODECS = {codec.value: codec for codec in (Codec.H264, Codec.H265, Codec.VP8, Codec.VP9, Codec.AV1)}
# Of janus_videoroom.c: a room or publisher is named by a text where Janus expects a number, or the other way round.
_INVALID_ELEMENT = 430
NO_SUCH_ROOM = 426
NO_SUCH_FEED = 428
# Bytes of a name or attribute that are kept. A publisher chooses its own.
MAX_TEXT = 512

# Janus' own id: a number, or a text where `string_ids` is on.
Id = int | str


@dataclass(frozen=True, slots=True)
class RoomAccess:
    """A room's secrets: `pin` to join, `secret` to manage it, and the plugin's `admin_key`, which can lock forwards."""

    pin: str | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)
    admin_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class VideoStream:
    """A publisher's video. `codec` is None where gifcue cannot use it, `description` where it has none."""

    mid: str
    codec: Codec | None
    codec_name: str
    description: str | None
    simulcast: bool


@dataclass(frozen=True, slots=True)
class Publisher:
    """A participant that publishes. `videos` are its active video streams. `metadata` exists in Janus 1.3 and later.

    `display` is None where it has no display name.
    """

    id: Id
    display: str | None
    metadata: Mapping[str, Any]
    videos: Sequence[VideoStream]


@dataclass(frozen=True, slots=True)
class Published:
    """A publisher is new, or its streams or attributes are other ones."""

    publisher: Publisher


@dataclass(frozen=True, slots=True)
class Renamed:
    """A participant has another display name."""

    id: Id
    display: str


@dataclass(frozen=True, slots=True)
class Gone:
    """A publisher has stopped publishing, has left or was removed."""

    id: Id


RoomEvent = Published | Renamed | Gone


@dataclass(frozen=True, slots=True)
class ForwardTarget:
    """Where Janus sends a stream: an address, the payload type, and the SSRC of each simulcast layer."""

    host: str
    port: int
    payload_type: int
    ssrcs: Sequence[int]


@dataclass(frozen=True, slots=True)
class Forwarded:
    """Forwards that Janus has made, one a layer. `rtcp_port` is where it takes requests for keyframes."""

    ids: Sequence[int]
    rtcp_port: int | None


class VideoRoom:
    """A room on a session. `room` is its id; a number is tried as a text where Janus has `string_ids`."""

    def __init__(self, session: JanusSession, room: str, access: RoomAccess | None = None) -> None:
        self._session = session
        self._room: Id = int(room) if room.isascii() and room.isdecimal() else room
        self._access = access or RoomAccess()

    async def join(self, display: str) -> list[Publisher]:
        """Joins without publishing; returns who publishes.

        Raises:
            JanusRefused: there is no such room, or the PIN is wrong.
            JanusUnavailable: the connection is lost.
        """
        try:
            joined = await self._join(display)
        except JanusRefused as error:
            if error.code != _INVALID_ELEMENT or not isinstance(self._room, int):
                raise
            self._room = str(self._room)
            joined = await self._join(display)
        return _publishers(joined.get("publishers"))

    async def events(self) -> AsyncIterator[RoomEvent]:
        """What changes in the room.

        Raises:
            JanusUnavailable: the connection is lost, the room was destroyed, or this side was removed from it.
        """
        async for data in self._session.events():
            if data.get("videoroom") == "destroyed":
                raise JanusUnavailable(f"expected the room {self._room}, got its end")
            if data.get("leaving") == "ok":
                raise JanusUnavailable(f"expected to stay in the room {self._room}, got: removed from it")
            for publisher in _publishers(data.get("publishers")):
                yield Published(publisher)
            for name in ("unpublished", "leaving", "kicked"):
                gone = data.get(name)
                if _is_id(gone) and gone != "ok":
                    yield Gone(gone)
            if _is_id(data.get("id")) and isinstance(data.get("display"), str):
                yield Renamed(data["id"], data["display"][:MAX_TEXT])

    async def forward(self, publisher: Id, video: VideoStream, target: ForwardTarget) -> Forwarded:
        """Makes Janus send a publisher's video.

        Raises:
            JanusRefused: the publisher is gone, or a secret is missing or wrong.
            JanusUnavailable: the connection is lost.
        """
        stream: dict[str, Any] = {
            "mid": video.mid,
            "host": target.host,
            "port": target.port,
            "rtcp_port": target.port,
            "pt": target.payload_type,
            "ssrc": target.ssrcs[0],
        }
        for number, ssrc in enumerate(target.ssrcs[1:], 2):
            stream |= {
                f"port_{number}": target.port,
                f"pt_{number}": target.payload_type,
                f"ssrc_{number}": ssrc,
            }
        body = {
            "request": "rtp_forward",
            "room": self._room,
            "publisher_id": publisher,
            "host": target.host,
            "streams": [stream],
            **self._keys(),
        }
        what = f"rtp_forward of publisher {publisher}"
        data = await self._session.ask(body, what)
        made = [each for each in _list(data.get("forwarders")) if isinstance(each.get("stream_id"), int)]
        if not made:
            raise JanusRefused(what, NO_SUCH_FEED, f"no forward of the stream {video.mid}")
        ports = [each.get("local_rtcp_port") for each in made]
        rtcp_port = next((each for each in ports if isinstance(each, int) and 0 < each < 65536), None)
        return Forwarded(tuple(each["stream_id"] for each in made), rtcp_port)

    async def stop_forward(self, publisher: Id, forward: int) -> None:
        """Ends a forward.

        Raises:
            JanusRefused: there is none such, as the publisher is gone.
            JanusUnavailable: the connection is lost.
        """
        body = {
            "request": "stop_rtp_forward",
            "room": self._room,
            "publisher_id": publisher,
            "stream_id": forward,
            **self._keys(),
        }
        await self._session.ask(body, f"stop_rtp_forward of publisher {publisher}")

    async def forwards_to(self, host: str, port: int) -> list[tuple[Id, int]]:
        """The forwards of the room to an address, as publisher and forward.

        Raises:
            JanusRefused: the room's secret is missing or wrong.
            JanusUnavailable: the connection is lost.
        """
        body = {"request": "listforwarders", "room": self._room, **self._keys()}
        data = await self._session.ask(body, "listforwarders")
        found = []
        # Documented as `publishers` with `forwarders`; sent as `rtp_forwarders` in some versions.
        for each in _list(data.get("publishers")) + _list(data.get("rtp_forwarders")):
            for forward in _list(each.get("forwarders")) + _list(each.get("rtp_forwarders")):
                number = forward.get("stream_id")
                is_here = forward.get("host") == host and forward.get("port") == port
                if is_here and isinstance(number, int) and _is_id(each.get("publisher_id")):
                    found.append((each["publisher_id"], number))
        return found

    async def _join(self, display: str) -> Message:
        body = {"request": "join", "ptype": "publisher", "room": self._room, "display": display}
        if self._access.pin is not None:
            body["pin"] = self._access.pin
        return await self._session.ask(body, f"joining the room {self._room}")

    def _keys(self) -> dict[str, str]:
        keys = {"secret": self._access.secret, "admin_key": self._access.admin_key}
        return {name: key for name, key in keys.items() if key is not None}


def _publishers(value: object) -> list[Publisher]:
    found = []
    for each in _list(value):
        if not _is_id(each.get("id")) or each.get("dummy") is True:
            continue
        metadata = each.get("metadata")
        videos = [video for stream in _list(each.get("streams")) if (video := _video(stream)) is not None]
        found.append(
            Publisher(
                each["id"],
                _attribute(each.get("display")),
                metadata if isinstance(metadata, dict) else {},
                videos,
            )
        )
    return found


def _video(stream: Message) -> VideoStream | None:
    if stream.get("type") != "video" or stream.get("disabled") is True:
        return None
    name = _text(stream.get("codec")).lower()
    return VideoStream(
        _text(stream.get("mid")),
        _CODECS.get(name),
        name,
        _attribute(stream.get("description")),
        stream.get("simulcast") is True,
    )


def _list(value: object) -> list[Message]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _is_id(value: object) -> TypeGuard[Id]:
    return isinstance(value, int | str) and not isinstance(value, bool) and value != ""


def _attribute(value: object) -> str | None:
    """None where it is absent: no rule on it matches then, whereas `*` matches an empty text."""
    return value[:MAX_TEXT] if isinstance(value, str) else None


def _text(value: object) -> str:
    return _attribute(value) or ""
