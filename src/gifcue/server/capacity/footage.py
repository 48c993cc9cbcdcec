"""The video of the participants of a measurement: a photograph that moves half of the time, in four variants.

Participants of a meeting move at different times. Each variant begins at another point of the motion, so that at any
time about half of the participants move.
"""

from __future__ import annotations

from dataclasses import dataclass

from gifcue.protocol.codecs import Codec
from gifcue.sample_video.clips import EncodedClip, encode
from gifcue.sample_video.photo import MOVING_S, STILL_S, bundled_photograph, photo_frames

VARIANTS = 4
# Seconds after which a clip begins again. Its end joins its beginning.
PERIOD_S = STILL_S + MOVING_S
# Keyframes in a clip, by variant: encoders of a meeting send them at different intervals.
_KEYFRAMES = (1, 2, 1, 2)


@dataclass(frozen=True, slots=True)
class Footage:
    """A clip, and for each of its packets whether the picture differs from the one before."""

    clip: EncodedClip
    moving: tuple[bool, ...]


def footage(size: tuple[int, int], fps: float) -> list[Footage]:
    """The variants, H.264 of this size, width x height. Encoding takes 1 to 2 s."""
    frames = list(photo_frames(PERIOD_S, fps, *size, photo=bundled_photograph()))
    variants = []
    for number in range(VARIANTS):
        shift = round(number * len(frames) / VARIANTS)
        turned = [*frames[shift:], *frames[:shift]]
        interval = max(1, len(frames) // _KEYFRAMES[number])
        still = STILL_S * fps
        moving = tuple((shift + index) % len(frames) > still for index in range(len(frames)))
        variants.append(Footage(encode(turned, Codec.H264, fps, keyframe_interval=interval), moving))
    return variants
