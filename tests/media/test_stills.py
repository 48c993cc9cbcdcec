from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest

from gifcue.errors import MediaError
from gifcue.media.stills import decode_still, exif_orientation, scaled_still
from gifcue.protocol.codecs import Codec
from gifcue.protocol.reasons import DropReason
from tests.support.damage import announcing, truncated

MAX_PIXELS = 1920 * 1080


@pytest.fixture(scope="module")
def photo(frames) -> np.ndarray:
    return frames[0]


def jpeg(rgb: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 95])[
        1
    ].tobytes()


def png(rgb: np.ndarray) -> bytes:
    return cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1].tobytes()


def with_orientation(data: bytes, orientation: int, order: str = "big") -> bytes:
    mark, head = (b"MM\0*", ">") if order == "big" else (b"II*\0", "<")
    entry = struct.pack(head + "HHIHH", 0x0112, 3, 1, orientation, 0)
    tiff = mark + struct.pack(head + "IH", 8, 1) + entry + b"\0\0\0\0"
    body = b"Exif\0\0" + tiff
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]


def test_png_is_exact_and_jpeg_nearly(photo: np.ndarray) -> None:
    assert np.array_equal(decode_still(png(photo), MAX_PIXELS), photo)
    assert cv2.PSNR(decode_still(jpeg(photo), MAX_PIXELS), photo) > 38.0


def test_grey_and_transparent_pngs_come_out_as_rgb(photo: np.ndarray) -> None:
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    decoded = decode_still(cv2.imencode(".png", grey)[1].tobytes(), MAX_PIXELS)
    assert np.abs(decoded.astype(int) - grey[..., None]).max() <= 1
    transparent = cv2.cvtColor(photo, cv2.COLOR_RGB2BGRA)
    assert np.array_equal(decode_still(cv2.imencode(".png", transparent)[1].tobytes(), MAX_PIXELS), photo)


# How a camera with this orientation stores a picture that is displayed upright.
STORED = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p, 1),
    7: lambda p: np.rot90(p, 2).transpose(1, 0, 2),
    8: lambda p: np.rot90(p, -1),
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("order", ["big", "little"])
def test_orientation_is_honoured(photo: np.ndarray, orientation: int, order: str) -> None:
    stored = np.ascontiguousarray(STORED[orientation](photo))
    data = with_orientation(jpeg(stored), orientation, order)
    assert exif_orientation(data) == orientation
    decoded = decode_still(data, MAX_PIXELS)
    assert decoded.shape == photo.shape
    assert cv2.PSNR(decoded, photo) > 36.0


def test_an_invalid_orientation_is_ignored(photo: np.ndarray) -> None:
    assert exif_orientation(with_orientation(jpeg(photo), 9)) == 1
    assert exif_orientation(jpeg(photo)) == 1
    for size in range(0, 120, 7):
        assert 1 <= exif_orientation(with_orientation(jpeg(photo), 6)[:size]) <= 8


def test_scaled_stills_report_their_original_size(photo: np.ndarray) -> None:
    still = scaled_still(with_orientation(jpeg(photo), 6), MAX_PIXELS, 320, 180)
    assert still.rgb.shape == (320, 180, 3)
    assert (still.source_width, still.source_height) == (360, 640)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"Dear gifcue,\nthis is text.\n", "text"),
        (b"GIF89a\x01\x00", "a GIF"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "a WebP"),
        (b"\0\0\0\x18ftypmp42\0\0", "an MP4"),
        (b"\x80\x81\x82\x83\x84", "5 bytes that begin with 80818283"),
    ],
)
def test_the_error_names_another_format(data: bytes, what: str) -> None:
    with pytest.raises(MediaError, match=f"expected a JPEG or PNG, got {what}") as caught:
        decode_still(data, MAX_PIXELS)
    assert caught.value.reason is DropReason.INVALID_DATA


def test_empty_data_is_refused() -> None:
    with pytest.raises(MediaError, match="0 bytes") as caught:
        decode_still(b"", MAX_PIXELS)
    assert caught.value.reason is DropReason.EMPTY_PAYLOAD


@pytest.mark.parametrize("make", [jpeg, png])
def test_a_truncated_still_is_invalid(make, photo: np.ndarray) -> None:
    for share in (0.1, 0.5, 0.9):
        with pytest.raises(MediaError) as caught:
            decode_still(truncated(make(photo), share), MAX_PIXELS)
        assert caught.value.reason is DropReason.INVALID_DATA


@pytest.mark.parametrize(("make", "codec"), [(jpeg, Codec.JPEG), (png, Codec.PNG)])
def test_a_resolution_bomb_is_refused(make, codec: Codec, photo: np.ndarray) -> None:
    with pytest.raises(MediaError, match="16384x16384") as caught:
        decode_still(announcing(codec, make(photo), 16384, 16384), MAX_PIXELS)
    assert caught.value.reason is DropReason.RESOLUTION_TOO_LARGE
