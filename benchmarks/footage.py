"""The footage of a benchmark's participants: clips made from a photograph, or any file.

Participants of a meeting neither move nor send keyframes at the same time. The generated footage therefore has several
variants, each with its own starting point of the motion and its own keyframe interval. Participants use them in turn,
and the sender spreads the participants of one variant over the time between two variants.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from gifcue.protocol.codecs import Codec
from gifcue.sample_video.clips import EncodedClip, encode, read
from gifcue.sample_video.photo import MOVING_S, STILL_S, photo_frames

# A whole number of periods, so that the end of a clip joins its beginning.
PERIOD_S = STILL_S + MOVING_S
CLIP_S = 3 * PERIOD_S
VARIANTS = 4
# Seconds between keyframes. A media server requests one when a participant joins; encoders add others.
KEYFRAME_S = (2.0, 10.0)


@dataclass(frozen=True)
class Footage:
    """A clip and, for each packet, whether its picture differs from the previous one; None if unknown."""

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
    """The photograph, half of the time in motion. `keyframe_s` is the range of the variants' keyframe intervals."""
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
    """The footage of a file, without re-encoding."""
    return [Footage(read(path), None)]
