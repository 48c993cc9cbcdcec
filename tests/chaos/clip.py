"""The clip that participants without bad intentions send."""

from __future__ import annotations

import functools

from gifcue.protocol.codecs import Codec
from gifcue.sample_video.clips import EncodedClip, encode
from gifcue.sample_video.photo import photo_frames

FPS = 30
KEYFRAME_EVERY = 60


@functools.cache
def own_clip() -> EncodedClip:
    """Ten seconds of a face under a moving camera: some picture of every quarter of a second is analysed."""
    return encode(photo_frames(10.0, FPS, motion="always"), Codec.H264, FPS, keyframe_interval=KEYFRAME_EVERY)
