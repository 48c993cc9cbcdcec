"""How much memory a decoder takes, by estimate, and how much the decoders of one worker may take together.

    pictures x pixels x (bytes of a pixel + tables) + a fixed part

Few bytes make a decoder keep 16 references of 8 million pixels. So a decoder is admitted by what its headers say,
before it is opened, and as soon as a header says otherwise.
"""

from __future__ import annotations

from gifcue.protocol.codecs import Codec

# Pictures that a decoder keeps besides references and those that wait to be shown: the one that is decoded, and the one
# that was handed out.
IN_FLIGHT = 2
# References of the codecs that do not state a number: VP8 has three, VP9 and AV1 have eight.
REFERENCES = {
    Codec.VP8: 3,
    Codec.VP9: 8,
    Codec.AV1: 8,
    Codec.MJPEG: 0,
    Codec.JPEG: 0,
    Codec.PNG: 0,
}
# Motion vectors, block types and edges, per pixel of each picture: measured between 0.1 and 0.5.
TABLE_BYTES = 0.5
# Contexts and tables of a decoder that do not depend on the picture's size.
FIXED_BYTES = 1024 * 1024
# Decoders up to this estimate are ordinary: 640x480 of any codec, 1280x720 of H.264 with one reference.
ORDINARY_BYTES = 8 * 1024 * 1024
# Samples of a pixel by chroma_format_idc: grey, 4:2:0, 4:2:2, 4:4:4.
_SAMPLES = (1.0, 1.5, 2.0, 3.0)


def pixel_bytes(chroma: int, bit_depth: int) -> float:
    """Bytes of a decoded pixel, by chroma_format_idc and bits of a sample."""
    return _SAMPLES[chroma] * (2 if bit_depth > 8 else 1)


def decoder_bytes(pixels: int, bytes_of_pixel: float, pictures: int) -> int:
    """The estimate for a decoder that keeps so many pictures besides those in flight."""
    return FIXED_BYTES + int((pictures + IN_FLIGHT) * pixels * (bytes_of_pixel + TABLE_BYTES))


class DecoderBudget:
    """What the decoders of one worker take together.

    Decoders that are not ordinary get half of it at most, so that they cannot keep ordinary ones out.
    """

    def __init__(self, total_bytes: int) -> None:
        self.total_bytes = total_bytes
        self._used = 0
        self._used_large = 0

    @property
    def used_bytes(self) -> int:
        """The sum of all estimates."""
        return self._used

    def change(self, held: int, wanted: int) -> bool:
        """A decoder that was admitted with `held` bytes, 0 for a new one, wants `wanted`. False where that is too much:
        it keeps `held`.
        """
        used = self._used - held + wanted
        used_large = self._used_large - _large(held) + _large(wanted)
        if wanted > held and (
            used > self.total_bytes or (_large(wanted) and used_large > self.total_bytes // 2)
        ):
            return False
        self._used, self._used_large = used, used_large
        return True

    def available(self, wanted: int) -> int:
        """What a decoder that wants `wanted` bytes could get now, for a message."""
        left = self.total_bytes - self._used
        if _large(wanted):
            left = min(left, self.total_bytes // 2 - self._used_large)
        return max(0, left)


def _large(size: int) -> int:
    return size if size > ORDINARY_BYTES else 0
