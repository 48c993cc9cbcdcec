"""What the participants of a benchmark show: own encodes of a real photograph, or any clip.

Participants of a meeting neither move at the same instant nor send their keyframes together. So our own footage comes
in variants, each of which begins at another point of the motion and has a keyframe interval of its own; participants
take them in turn, and the sender spreads those of one variant over the time that lies between two.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from gifcue.protocol.codecs import Codec
from gifcue.sample_video.clips import EncodedClip, encode, read
from gifcue.sample_video.photo import MOVING_S, STILL_S, photo_frames

# A whole number of turns of stillness and motion: the end joins the beginning.
PERIOD_S = STILL_S + MOVING_S
CLIP_S = 3 * PERIOD_S
VARIANTS = 4
# Seconds between keyframes: a media server asks for them when somebody joins, encoders add their own.
KEYFRAME_S = (2.0, 10.0)


@dataclass(frozen=True)
class Footage:
    """A clip and, for each packet, whether its picture differs from the one before; None where nobody knows."""

    clip: EncodedClip
    moving: tuple[bool, ...] | None


def own_footage(
    codec: Codec = Codec.H264,
    size: tuple[int, int] = (640, 360),
    fps: float = 30.0,
    keyframe_s: tuple[float, float] = KEYFRAME_S,
    variants: int = VARIANTS,
    clip_s: float = CLIP_S,
) -> list[Footage]:
    """The photograph in motion, still half of the time. `keyframe_s` is the range that intervals are spread over."""
    return [_variant(codec, size, fps, keyframe_s, place, variants, clip_s) for place in range(variants)]


@functools.lru_cache(maxsize=64)
def _variant(
    codec: Codec,
    size: tuple[int, int],
    fps: float,
    keyframe_s: tuple[float, float],
    place: int,
    variants: int,
    clip_s: float,
) -> Footage:
    least_s, most_s = keyframe_s
    interval_s = least_s + (most_s - least_s) * place / max(1, variants - 1)
    shift = round(place * PERIOD_S / variants * fps)
    count = round(clip_s * fps)
    everything = list(photo_frames(PERIOD_S, fps, *size))
    frames = (everything[(shift + index) % len(everything)] for index in range(count))
    clip = encode(frames, codec, fps, keyframe_interval=max(1, round(interval_s * fps)))
    if len(clip.packets) != count:
        raise ValueError(f"expected a packet for each of {count} frames, got {len(clip.packets)}")
    still = STILL_S * fps
    return Footage(clip, tuple((shift + index) % len(everything) > still for index in range(count)))


def footage_of(path: Path) -> list[Footage]:
    """A file, as it is encoded."""
    return [Footage(read(path), None)]
