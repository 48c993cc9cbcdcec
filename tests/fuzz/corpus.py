"""The corpus: sound access units and stills of every codec, small enough to be in the repository.

python -m tests.fuzz.corpus     makes tests/fuzz/corpus/*.units again
"""

from __future__ import annotations

import functools
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gifcue.protocol.codecs import Codec

FOLDER = Path(__file__).parent / "corpus"
WIDTH, HEIGHT, FPS, UNITS = 96, 64, 15, 7
# File, codec, and how `gifcue.sample_video.clips.encode` makes it. Decoders have code of their own for reordering, for
# more than 8 bits and for full chroma.
KINDS: tuple[tuple[str, Codec, dict[str, Any]], ...] = (
    ("h264", Codec.H264, {}),
    ("h264-reordered", Codec.H264, {"b_frames": 2}),
    ("h264-deep", Codec.H264, {"pixel_format": "yuv444p10le"}),
    ("h265", Codec.H265, {}),
    ("h265-deep", Codec.H265, {"pixel_format": "yuv422p10le"}),
    ("vp8", Codec.VP8, {}),
    ("vp9", Codec.VP9, {}),
    ("vp9-full", Codec.VP9, {"pixel_format": "yuv444p"}),
    ("av1", Codec.AV1, {}),
    ("mjpeg", Codec.MJPEG, {}),
    ("jpeg", Codec.JPEG, {}),
    ("png", Codec.PNG, {}),
)


@dataclass(frozen=True, slots=True)
class Sample:
    """Units of one stream in their order; the first is a keyframe."""

    name: str
    codec: Codec
    units: tuple[bytes, ...]


def pack(units: list[bytes] | tuple[bytes, ...]) -> bytes:
    """Units as a file of the corpus."""
    return b"".join(struct.pack("<I", len(unit)) + unit for unit in units)


def unpack(data: bytes) -> tuple[bytes, ...]:
    """The units of a file of the corpus.

    Raises:
        ValueError: it is cut short.
    """
    units, at = [], 0
    while at < len(data):
        if at + 4 > len(data):
            raise ValueError(f"expected a length at byte {at}, got the end")
        (size,) = struct.unpack_from("<I", data, at)
        unit = data[at + 4 : at + 4 + size]
        if len(unit) < size:
            raise ValueError(f"expected a unit of {size} bytes at byte {at}, got {len(unit)}")
        units.append(unit)
        at += 4 + size
    return tuple(units)


@functools.cache
def corpus() -> tuple[Sample, ...]:
    """All samples, in the order of `KINDS`."""
    return tuple(
        Sample(name, codec, unpack((FOLDER / f"{name}.units").read_bytes())) for name, codec, _ in KINDS
    )


def make() -> None:
    """Encodes the photograph anew and writes every file."""
    from gifcue.sample_video.clips import encode
    from gifcue.sample_video.photo import photo_frames

    for name, codec, options in KINDS:
        count = 1 if codec.is_intra_only else UNITS
        frames = photo_frames(count / FPS, FPS, width=WIDTH, height=HEIGHT, motion="always")
        clip = encode(frames, codec, FPS, keyframe_interval=UNITS - 2, **options)
        (FOLDER / f"{name}.units").write_bytes(pack([packet.payload for packet in clip.packets]))
        print(f"{name:16} {[len(packet.payload) for packet in clip.packets]}")


if __name__ == "__main__":
    make()
