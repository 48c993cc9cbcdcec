"""Clips of a real photograph, each encoded once."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from gifcue.media.codecs import Codec
from gifcue.testing.astronaut import photo_frames
from gifcue.testing.clips import EncodedClip, encode

FPS = 15.0
MakeClip = Callable[..., EncodedClip]


@pytest.fixture(scope="session")
def frames() -> list[NDArray[np.uint8]]:
    """RGB frames, 640x360, that move all the time."""
    return list(photo_frames(1.6, FPS, motion="always"))


@pytest.fixture(scope="session")
def clip(frames: list[NDArray[np.uint8]]) -> MakeClip:
    """`clip(codec, **options of encode)`: the frames, encoded, with a keyframe every 12."""

    @cache
    def make(codec: Codec, **options: object) -> EncodedClip:
        return encode(frames, codec, FPS, **{"keyframe_interval": 12, **options})  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def shared_clips() -> Path:
    """The real clips of people; skips where they are absent."""
    data = Path(os.environ.get("GIFCUE_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
    if not (data / "clips" / "dev").is_dir():
        pytest.skip(f"the private clips are not at {data}")
    return data / "clips" / "dev"
