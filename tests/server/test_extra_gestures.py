"""Extra gestures on a running server: from one line of the settings to a reaction with its GIF."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gifcue.client import Codec, Phase, Reaction, ReactionClient, StreamOptions
from gifcue.errors import ConfigError
from gifcue.sample_video.clips import encode
from gifcue.server.build import build
from gifcue.server.config import Settings, load_settings
from gifcue.server.lifecycle import Server
from tests.support.colour_detector import BLUE, colour_frames
from tests.support.gesture_detector import TARGET
from tests.support.gestures import gesture
from tests.support.sending import send_in_step


def with_extra(settings: Settings, *names: str, **detect: Any) -> Settings:
    values = settings.model_dump()
    return load_settings(None, {**values, "detect": {**values["detect"], "extra_gestures": names, **detect}})


async def test_one_line_of_the_settings_enables_a_gesture_with_its_gif(settings: Settings) -> None:
    clip = encode(colour_frames(BLUE, 12), Codec.H264, 5.0)
    async with (
        Server(with_extra(settings, "rock"), detector_target=TARGET) as server,
        ReactionClient(f"127.0.0.1:{server.listen_port}") as client,
        client.open(StreamOptions(room_id="tests")) as stream,
    ):
        labels = stream.ready.reaction_labels
        assert "rock" in labels
        assert "call_me" not in labels, "the others stay off"
        ada = await stream.join("ada", clip.codec, clip.extradata, allowed_labels=labels)
        await send_in_step(stream, ada, clip.packets)
        await ada.leave()
        await stream.half_close()
        started = [e async for e in stream.events() if isinstance(e, Reaction) and e.phase is Phase.STARTED]
    assert [each.label for each in started] == ["rock"]
    assert started[0].gif is not None
    assert started[0].gif.url == "/gifs/rock_1.gif"


def test_no_extra_gesture_is_on_by_default(settings: Settings) -> None:
    assert settings.detect.extra_gestures == ()


async def test_a_custom_gesture_of_the_same_name_stops_the_start(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "peace.json").write_bytes(gesture("rock").as_json())
    with pytest.raises(ConfigError, match=r"detect\.extra_gestures: .* got rock, which peace\.json"):
        build(with_extra(settings, "rock", gestures_dir=tmp_path), lambda: 0.0)
    other = build(with_extra(settings, "call_me", gestures_dir=tmp_path), lambda: 0.0)
    assert other.gestures.labels == ("rock",)


def test_an_unknown_name_is_an_error_that_lists_the_names(settings: Settings) -> None:
    with pytest.raises(ConfigError, match=r"detect\.extra_gestures.*'rock'.*'raised_hand'.*got.*peace"):
        with_extra(settings, "peace")
