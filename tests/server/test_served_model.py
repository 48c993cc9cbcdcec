"""The served model on real video: the public photograph in motion, and the private clips if present."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from gifcue.client import Codec, Phase, Reaction, ReactionClient
from gifcue.protocol.codecs import ROTATIONS
from gifcue.sample_video.clips import EncodedClip, encode, read, reencode
from gifcue.sample_video.photo import photo_frames
from gifcue.server.config import Settings
from gifcue.server.lifecycle import Server
from tests.support.sending import send_in_step

SHARED = Path(os.environ.get("GIFCUE_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
CLIPS = SHARED / "clips" / "dev"
LABELS = ["smile", "wave", "ok_hand", "thumbs_up", "thinking"]
# Codec and container of the same clip.
FORMS = [
    (Codec.H264, "mp4"),
    (Codec.VP8, "webm"),
    (Codec.VP9, "webm"),
    (Codec.AV1, "matroska"),
    (Codec.MJPEG, "matroska"),
]

without_clips = pytest.mark.skipif(
    not CLIPS.is_dir(), reason=f"the private clips are not here (GIFCUE_SHARED_DATA, {CLIPS})"
)


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[ReactionClient]:
    async with (
        Server(settings) as server,
        ReactionClient(f"127.0.0.1:{server.listen_port}") as connected,
    ):
        yield connected


async def reactions(client: ReactionClient, clip: EncodedClip, allowed: Sequence[str] = LABELS) -> list[str]:
    """The labels that STARTED, in order, each with a GIF."""
    async with client.open() as stream:
        alice = await stream.join("alice", clip.codec, clip.extradata, allowed_labels=allowed)
        await send_in_step(stream, alice, clip.packets)
        await stream.half_close()
        started = [
            event
            async for event in stream.events()
            if isinstance(event, Reaction) and event.phase is Phase.STARTED
        ]
    assert all(event.gif is not None and event.gif.url for event in started)
    return [event.label for event in started]


@pytest.mark.parametrize("codec", [form[0] for form in FORMS])
async def test_the_photographs_smile_is_found_in_every_codec(client: ReactionClient, codec: Codec) -> None:
    clip = encode(photo_frames(3.0, 10.0), codec, 10.0)
    assert await reactions(client, clip) == ["smile"]


async def test_video_that_is_turned_reacts_as_upright_video_does(client: ReactionClient) -> None:
    frames = list(photo_frames(3.0, 10.0))
    clips = {
        degrees: encode(
            [np.ascontiguousarray(np.rot90(each, degrees // 90)) for each in frames], Codec.VP8, 10.0
        )
        for degrees in ROTATIONS
    }
    async with client.open() as stream:
        assert "rotation" in stream.ready.features
        for degrees, clip in clips.items():
            participant = await stream.join(str(degrees), clip.codec, allowed_labels=LABELS)
            packets = [dataclasses.replace(each, rotation=degrees) for each in clip.packets]
            await send_in_step(stream, participant, packets)
        await stream.half_close()
        started = [
            event
            async for event in stream.events()
            if isinstance(event, Reaction) and event.phase is Phase.STARTED
        ]
    assert [(event.participant_id, event.label) for event in started] == [
        (str(degrees), "smile") for degrees in ROTATIONS
    ]
    upright = started[0].box
    for turned in started[1:]:
        # In the upright picture; coding it sideways moves an edge by a few pixels at most.
        assert dataclasses.astuple(turned.box) == pytest.approx(dataclasses.astuple(upright), abs=0.02)


@pytest.mark.shared_data
@without_clips
@pytest.mark.parametrize("name", ["thumbs_up", "ok_hand"])
@pytest.mark.parametrize(("codec", "container"), FORMS)
async def test_a_gesture_is_found_in_every_codec(
    client: ReactionClient, tmp_path: Path, name: str, codec: Codec, container: str
) -> None:
    source = CLIPS / f"anupam_{name}.mp4"
    path = tmp_path / f"clip.{container}"
    reencode(source, codec, container, path)
    assert await reactions(client, read(path), ["thumbs_up", "ok_hand", "wave"]) == [name]


@pytest.mark.shared_data
@without_clips
@pytest.mark.parametrize("name", ["asl_eat", "asl_milk"])
async def test_hands_without_a_gesture_start_no_reaction(client: ReactionClient, name: str) -> None:
    hand_labels = ["thumbs_up", "ok_hand", "wave"]
    assert await reactions(client, read(CLIPS / f"{name}.mp4"), hand_labels) == []
