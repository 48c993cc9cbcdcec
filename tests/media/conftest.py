"""Clips of a real photograph, each encoded once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from gifcue.protocol.codecs import Codec
from gifcue.sample_video.clips import EncodedClip, encode
from gifcue.sample_video.photo import photo_frames

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
