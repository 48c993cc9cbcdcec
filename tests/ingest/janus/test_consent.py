from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from gifcue.errors import ConfigError
from gifcue.ingest.janus.consent import consented, parse_rule
from gifcue.ingest.janus.session import JanusSession
from gifcue.ingest.janus.videoroom import Published, Publisher, VideoRoom, VideoStream
from gifcue.protocol.codecs import Codec

LABELS = ("smile", "wave")


def publisher(
    display: str | None = "ada", metadata: dict[str, Any] | None = None, *descriptions: str
) -> Publisher:
    videos = [
        VideoStream(str(at), Codec.VP8, "vp8", text, False) for at, text in enumerate(descriptions or (None,))
    ]
    return Publisher(17, display, metadata or {}, videos)


def allowed(rules: list[str], who: Publisher) -> tuple[str, list[str]] | None:
    found = consented([parse_rule(rule) for rule in rules], who, LABELS)
    return None if found is None else (found[0].mid, list(found[1]))


@pytest.mark.parametrize(
    ("rule", "display", "is_allowed"),
    [
        ("display=* (reactions)", "ada (reactions)", True),
        ("display=* (reactions)", "ada", False),
        ("display=* (reactions)", "ada (Reactions)", False),
        ("display=* (reactions)", "ada (reactions) no", False),
        ("display=*", "", True),
        ("id=17", "ada", True),
        ("id=1?", "ada", True),
        ("id=18", "ada", False),
    ],
)
def test_a_pattern_has_to_match_the_whole_attribute(rule: str, display: str, is_allowed: bool) -> None:
    assert (allowed([rule], publisher(display)) is not None) is is_allowed


@pytest.mark.parametrize("rule", ["display=*", "description=*", "metadata.gifs=*", "display", "description"])
def test_no_pattern_matches_an_attribute_that_is_absent(rule: str) -> None:
    assert allowed([rule], publisher(None)) is None
    assert allowed([rule, "id=*"], publisher(None)) == ("0", list(LABELS))


async def test_what_janus_does_not_tell_of_a_publisher_is_absent() -> None:
    streams = [{"type": "video", "mid": "1", "codec": "vp8"}]

    class Session:
        async def events(self) -> AsyncIterator[dict[str, Any]]:
            yield {"publishers": [{"id": 17, "streams": streams}]}
            yield {"publishers": [{"id": 17, "display": 3, "streams": streams}]}
            yield {
                "publishers": [
                    {"id": 17, "display": "", "streams": [{**streams[0], "description": "camera"}]}
                ]
            }

    room = VideoRoom(cast(JanusSession, Session()), "1")
    found = [event.publisher async for event in room.events() if isinstance(event, Published)]
    assert [(each.display, each.videos[0].description) for each in found] == [
        (None, None),
        (None, None),
        ("", "camera"),
    ]
    assert [allowed(["display=*"], each) is not None for each in found] == [False, False, True]
    assert [allowed(["description=*"], each) is not None for each in found] == [False, False, True]


def test_without_a_match_nothing_is_forwarded() -> None:
    assert allowed([], publisher()) is None
    assert allowed(["metadata.gifs=yes"], publisher()) is None
    assert allowed(["metadata.gifs"], publisher(metadata={"gifs": "other"})) is None
    assert allowed(["metadata.gifs"], publisher(metadata={"gifs": None})) is None
    assert allowed(["metadata.gifs"], publisher(metadata={"gifs": {"smile": 1}})) is None


@pytest.mark.parametrize("value", ["wave, other", ["wave", 3, "other"]])
def test_an_attribute_can_list_the_labels(value: object) -> None:
    assert allowed(["metadata.gifs"], publisher(metadata={"gifs": value})) == ("0", ["wave"])


@pytest.mark.parametrize(("value", "text"), [(True, "true"), (False, "false"), (1, "1"), ("yes", "yes")])
def test_values_of_metadata_are_compared_as_json_writes_them(value: object, text: str) -> None:
    assert allowed([f"metadata.gifs={text}"], publisher(metadata={"gifs": value})) is not None


def test_the_first_video_that_a_rule_names_is_taken() -> None:
    who = publisher("ada", None, "screen", "camera")
    assert allowed(["description=camera"], who) == ("1", ["smile", "wave"])
    assert allowed(["id=*"], who) == ("0", ["smile", "wave"])


def test_one_of_several_rules_is_enough_and_labels_add_up() -> None:
    who = publisher("ada", {"gifs": "wave"})
    assert allowed(["metadata.gifs", "display=nobody"], who) == ("0", ["wave"])
    assert allowed(["metadata.gifs", "display=ada"], who) == ("0", ["smile", "wave"])


@pytest.mark.parametrize("text", ["", "name=ada", "display=", "metadata.=yes", "metadata", "=*"])
def test_a_rule_that_cannot_be_read_says_what_is_known(text: str) -> None:
    with pytest.raises(ConfigError, match="--consent: expected ATTRIBUTE=PATTERN"):
        parse_rule(text)
