"""What LiveKit tells of a room's participants, as far as it is needed here. Everybody chooses texts of their own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from livekit.protocol import models

from gifcue.protocol.codecs import Codec

# Characters of a text that is compared. A longer one counts as absent: no rule matches it.
MAX_TEXT = 512
MAX_ATTRIBUTES = 64
MAX_METADATA = 64 * 1024
MAX_TRACKS = 32

_CODECS = {
    f"video/{codec.value}": codec for codec in (Codec.H264, Codec.H265, Codec.VP8, Codec.VP9, Codec.AV1)
}


@dataclass(frozen=True, slots=True)
class Camera:
    """A participant's video track whose source is a camera. `codec` is None where gifcue cannot use it.

    `is_encrypted`: end to end, so that nobody but the participants can read it.
    """

    sid: str
    codec: Codec | None
    codec_name: str
    is_encrypted: bool
    is_muted: bool


@dataclass(frozen=True, slots=True)
class Participant:
    """A participant of the room. `identity` is its name in the room, `sid` that of its session there.

    `version` grows with each change of a session. `metadata` is what LiveKit's text of that name holds where it is a
    JSON object. `has_left`: the session is over.
    """

    identity: str
    sid: str
    name: str | None
    version: int
    attributes: Mapping[str, str]
    metadata: Mapping[str, Any]
    cameras: Sequence[Camera]
    has_left: bool


def participants_of(infos: Iterable[models.ParticipantInfo]) -> list[Participant]:
    """The participants of a message. One without an identity is left out."""
    return [
        Participant(
            each.identity,
            each.sid,
            _text(each.name),
            each.version,
            {
                name: value
                for name, value in list(each.attributes.items())[:MAX_ATTRIBUTES]
                if len(name) <= MAX_TEXT and len(value) <= MAX_TEXT
            },
            _metadata(each.metadata),
            [_camera(track) for track in each.tracks[:MAX_TRACKS] if _is_camera(track)],
            each.state == models.ParticipantInfo.DISCONNECTED,
        )
        for each in infos
        if each.identity and each.sid
    ]


def _is_camera(track: models.TrackInfo) -> bool:
    return (
        bool(track.sid) and track.type == models.TrackType.VIDEO and track.source == models.TrackSource.CAMERA
    )


def _camera(track: models.TrackInfo) -> Camera:
    name = track.mime_type.lower()[:MAX_TEXT]
    return Camera(
        track.sid,
        _CODECS.get(name),
        name.removeprefix("video/"),
        track.encryption != models.Encryption.NONE,
        track.muted,
    )


def _text(value: str) -> str | None:
    """LiveKit sends an empty text for an absent one."""
    return value if 0 < len(value) <= MAX_TEXT else None


def _metadata(text: str) -> Mapping[str, Any]:
    if not 0 < len(text) <= MAX_METADATA:
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
