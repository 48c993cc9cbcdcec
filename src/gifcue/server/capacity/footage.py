"""The video of the participants of a measurement: a clip that comes with gifcue, or one of the operator's own.

Participants of a meeting move at different times. They begin at different keyframes of the clip, so that the load does
not change with the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gifcue.ingest.source import EncodedPacket
from gifcue.protocol.codecs import RTP_CLOCK_HZ, Codec
from gifcue.sample_video.clips import EncodedClip, read

# 4 s of a photograph, H.264, 640x360, 30 frames a second, a keyframe each second; `tools.capacity_clip` writes it.
CLIP = Path(__file__).with_name("clip.npz")
# Participants begin at so many places of a clip, as far as it has keyframes.
PLACES = 4


@dataclass(frozen=True, slots=True)
class Footage:
    """A clip, the places where participants begin, and for each packet whether its picture differs from the one before;
    None where that is not known.
    """

    clip: EncodedClip
    places: tuple[int, ...]
    moving: tuple[bool, ...] | None


def bundled_footage() -> Footage:
    """The clip that comes with gifcue. Half of the time the picture moves."""
    with np.load(CLIP, allow_pickle=False) as stored:
        data, sizes, keyframes = (
            stored["data"].tobytes(),
            stored["sizes"].tolist(),
            stored["keyframes"].tolist(),
        )
        width, height, fps = stored["shape"].tolist()
        moving = tuple(stored["moving"].tolist())
    packets, begin = [], 0
    for number, (size, keyframe) in enumerate(zip(sizes, keyframes, strict=True)):
        pts = round(number * RTP_CLOCK_HZ / fps)
        packets.append(EncodedPacket(pts, RTP_CLOCK_HZ, keyframe, data[begin : begin + size]))
        begin += size
    clip = EncodedClip(Codec.H264, b"", packets, int(width), int(height), fps)
    return Footage(clip, _places(clip), moving)


def footage_of(path: Path) -> Footage:
    """The first video of a file.

    Raises:
        ValueError: it has no rate of frames, or does not begin with a keyframe.
        av.FFmpegError: it cannot be read.
    """
    clip = read(path)
    if clip.fps <= 0:
        raise ValueError("expected a video with a rate of frames, got one without")
    if not clip.packets or not clip.packets[0].keyframe:
        raise ValueError("expected a video that begins with a keyframe, got another one")
    return Footage(clip, _places(clip), None)


def _places(clip: EncodedClip) -> tuple[int, ...]:
    """Keyframes that are about evenly spread."""
    keyframes = [number for number, packet in enumerate(clip.packets) if packet.keyframe]
    wanted = [number * len(clip.packets) / PLACES for number in range(PLACES)]
    return tuple(min(keyframes, key=lambda each: abs(each - place)) for place in wanted)
