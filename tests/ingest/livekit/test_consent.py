from __future__ import annotations

import json
from typing import Any

import pytest
from livekit.protocol import models

from gifcue.errors import ConfigError
from gifcue.ingest.livekit.consent import allowed_labels, parse_rule
from gifcue.ingest.livekit.room import MAX_TEXT, Participant, participants_of
from gifcue.protocol.codecs import Codec

LABELS = ("smile", "wave")


def participant(
    attributes: dict[str, str] | None = None, metadata: object = None, **fields: Any
) -> Participant:
    text = metadata if isinstance(metadata, str) else json.dumps(metadata) if metadata is not None else ""
    info = models.ParticipantInfo(
        **{"identity": "ada", "sid": "PA_1", **fields}, attributes=attributes or {}, metadata=text
    )
    (found,) = participants_of([info])
    return found


def allowed(rule: str, who: Participant) -> list[str]:
    return list(allowed_labels([parse_rule(rule)], who, LABELS))


@pytest.mark.parametrize(
    ("rule", "who", "expected"),
    [
        ("attributes.reactions=yes", participant({"reactions": "yes"}), ["smile", "wave"]),
        ("attributes.reactions=yes", participant({"reactions": "yes please"}), []),
        ("attributes.reactions=yes", participant({"other": "yes"}), []),
        ("attributes.reactions=*", participant(), []),
        ("attributes.reactions", participant({"reactions": "wave, other"}), ["wave"]),
        ("identity=a*", participant(), ["smile", "wave"]),
        ("name=* (reactions)", participant(name="Ada (reactions)"), ["smile", "wave"]),
        ("name=*", participant(), []),
        ("metadata.gifs=true", participant(metadata={"gifs": True}), ["smile", "wave"]),
        ("metadata.gifs", participant(metadata={"gifs": ["smile", 3]}), ["smile"]),
        ("metadata.gifs=*", participant(metadata="no JSON"), []),
        ("metadata.gifs=*", participant(metadata=["gifs"]), []),
        ("metadata.gifs=*", participant(metadata="[" * 60_000), []),
    ],
)
def test_who_is_subscribed_to_and_for_which_labels(rule: str, who: Participant, expected: list[str]) -> None:
    assert allowed(rule, who) == expected


def test_a_text_that_is_too_long_to_compare_is_absent() -> None:
    long = "yes" * MAX_TEXT
    assert allowed("attributes.reactions=yes*", participant({"reactions": long})) == []
    assert allowed("name=yes*", participant(name=long)) == []
    assert allowed("metadata.gifs=yes*", participant(metadata={"gifs": long})) == []


@pytest.mark.parametrize("text", ["", "display=ada", "name=", "attributes.=yes", "attributes", "=*"])
def test_a_rule_that_cannot_be_read_says_what_is_known(text: str) -> None:
    with pytest.raises(
        ConfigError, match=r"--consent: expected ATTRIBUTE=PATTERN .*identity, name, attributes.NAME"
    ):
        parse_rule(text)


def test_of_a_participant_only_cameras_are_taken() -> None:
    video, camera = models.TrackType.VIDEO, models.TrackSource.CAMERA
    tracks = [
        models.TrackInfo(sid="TR_a", type=models.TrackType.AUDIO, source=models.TrackSource.MICROPHONE),
        models.TrackInfo(
            sid="TR_s", type=video, source=models.TrackSource.SCREEN_SHARE, mime_type="video/VP8"
        ),
        models.TrackInfo(type=video, source=camera, mime_type="video/VP8"),
        models.TrackInfo(sid="TR_1", type=video, source=camera, mime_type="video/H264", muted=True),
        models.TrackInfo(
            sid="TR_2", type=video, source=camera, mime_type="video/other", encryption=models.Encryption.GCM
        ),
    ]
    first, second = participant(tracks=tracks).cameras
    assert (first.sid, first.codec, first.is_encrypted, first.is_muted) == ("TR_1", Codec.H264, False, True)
    assert (second.sid, second.codec, second.codec_name, second.is_encrypted) == ("TR_2", None, "other", True)


def test_a_participant_without_a_name_in_the_room_is_left_out() -> None:
    assert participants_of([models.ParticipantInfo(sid="PA_1"), models.ParticipantInfo(identity="ada")]) == []
