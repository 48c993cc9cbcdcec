"""Pictures that cost a decoder too much are refused or trimmed before one sees them."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gifcue.errors import MediaError
from gifcue.media import guard
from gifcue.media.decoder import Decoder
from gifcue.media.guard import check_jpeg, essential_png, guarded
from gifcue.media.stills import decode_still
from gifcue.protocol.codecs import Codec
from tests.chaos.payloads import images

PIXELS = 4096 * 4096


def photo(size: tuple[int, int] = (640, 360)) -> Image.Image:
    """Noise: every coefficient of every block is used."""
    return Image.fromarray(np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def encoded(kind: str, **options: object) -> bytes:
    data = io.BytesIO()
    photo().save(data, kind, **options)
    return data.getvalue()


def with_chunk(png: bytes, kind: bytes, data: bytes) -> bytes:
    """The PNG with another chunk after its header."""
    chunk = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return png[:33] + chunk + png[33:]


@pytest.mark.parametrize("options", [{}, {"progressive": True, "quality": 95}, {"restart_marker_blocks": 1}])
def test_real_jpegs_pass(options: dict[str, object]) -> None:
    data = encoded("JPEG", **options)
    assert guarded(Codec.JPEG, data) == data
    assert guarded(Codec.MJPEG, data) == data


def test_a_hundred_thousand_scans_are_refused_before_they_are_decoded() -> None:
    with pytest.raises(MediaError, match="at most 64 scans"):
        check_jpeg(images.many_scans())


def test_scans_are_counted_up_to_the_limit_and_not_beyond(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded("JPEG", progressive=True)
    monkeypatch.setattr(guard, "MAX_JPEG_SCANS", 10)
    check_jpeg(data)
    monkeypatch.setattr(guard, "MAX_JPEG_SCANS", 9)
    with pytest.raises(MediaError, match="at most 9 scans"):
        check_jpeg(data)


def test_a_jpeg_of_comments_is_refused() -> None:
    data = encoded("JPEG")
    with pytest.raises(MediaError, match="at most 512 segments"):
        check_jpeg(data[:2] + b"\xff\xfe\x00\x02" * 100_000 + data[2:])


@given(st.binary(max_size=300))
def test_no_bytes_make_the_checks_fail_otherwise(tail: bytes) -> None:
    for codec, head in ((Codec.JPEG, b"\xff\xd8"), (Codec.PNG, b"\x89PNG\r\n\x1a\n")):
        with contextlib.suppress(MediaError):
            guarded(codec, head + tail)


def test_a_png_keeps_its_pixels_and_loses_the_rest() -> None:
    png = encoded("PNG", dpi=(72, 72))
    packed = zlib.compress(bytes(1 << 20), 9)
    hostile = with_chunk(with_chunk(png, b"zTXt", b"Comment\0\0" + packed), b"iCCP", b"icc\0\0" + packed)
    trimmed = essential_png(hostile)
    assert b"zTXt" not in trimmed
    assert b"iCCP" not in trimmed
    assert b"pHYs" not in trimmed
    assert np.array_equal(decode_still(trimmed, PIXELS), np.asarray(photo()))


def test_transparent_and_palette_pngs_decode_as_before() -> None:
    for mode in ("RGBA", "P", "L", "LA", "1"):
        data = io.BytesIO()
        photo().convert(mode).save(data, "PNG")
        png = data.getvalue()
        assert np.array_equal(decode_still(essential_png(png), PIXELS), decode_still(png, PIXELS))


def test_a_decoder_refuses_half_a_million_nal_units_and_goes_on_at_the_next_keyframe(clip) -> None:
    own = clip(Codec.H264)
    decoder = Decoder(Codec.H264, own.extradata, PIXELS)
    with pytest.raises(MediaError, match="at most 4096 NAL units"):
        decoder.decode(own.packets[0].payload + b"\0\0\1\x06" * 500_000, 0.0)
    assert decoder.is_awaiting_keyframe
    assert decoder.decode(own.packets[0].payload, 0.1) is not None


def test_chunks_are_bounded_and_must_be_whole() -> None:
    png = encoded("PNG")
    with pytest.raises(MediaError, match="at most 4096 chunks"):
        essential_png(png[:33] + struct.pack(">I", 0) + b"tEXt" + bytes(4) + with_many_chunks(png))
    with pytest.raises(MediaError, match="got one that claims"):
        essential_png(png[:33] + struct.pack(">I", 1 << 30) + b"IDAT" + png[33:])


def with_many_chunks(png: bytes) -> bytes:
    return (struct.pack(">I", 0) + b"tEXt" + bytes(4)) * 5000 + png[33:]
