from __future__ import annotations

import av
import cv2
import numpy as np
import pytest

from gifcue.media.picture import KINDS_KEPT, Converter, fit


@pytest.mark.parametrize(
    ("size", "fitted"),
    [
        ((640, 360), (640, 360)),
        ((360, 640), (360, 640)),
        ((1280, 720), (640, 360)),
        ((720, 1280), (360, 640)),
        ((640, 480), (480, 360)),
        ((400, 300), (400, 300)),
        ((1000, 1000), (360, 360)),
        ((320, 180), (320, 180)),
        ((4000, 10), (640, 2)),
        ((8000, 1), (640, 1)),
    ],
)
def test_fit_keeps_the_aspect_and_never_enlarges(size: tuple[int, int], fitted: tuple[int, int]) -> None:
    assert fit(*size, 640, 360) == fitted


def test_only_the_start_of_the_slot_is_written(frames) -> None:
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(frames[0][:, :333]), format="rgb24")
    slot = bytearray(b"\x07" * (640 * 360 * 3))
    width, height = Converter(640, 360).convert(frame, memoryview(slot))
    size = width * height * 3
    assert (width, height) == (333, 360)
    picture = np.frombuffer(slot, np.uint8, size).reshape(height, width, 3)
    assert np.array_equal(picture, frames[0][:, :333])
    assert set(slot[size:]) == {7}


def test_a_slot_that_is_too_small_is_refused(frames) -> None:
    frame = av.VideoFrame.from_ndarray(frames[0], format="rgb24")
    with pytest.raises(ValueError, match="expected room for 691200 bytes, got 691199"):
        Converter(640, 360).convert(frame, memoryview(bytearray(691199)))


def test_scaling_down_averages(frames) -> None:
    large = cv2.resize(frames[0], (1280, 720), interpolation=cv2.INTER_CUBIC)
    picture = Converter(640, 360).array(av.VideoFrame.from_ndarray(large, format="rgb24"))
    assert cv2.PSNR(picture, cv2.resize(large, (640, 360), interpolation=cv2.INTER_AREA)) > 38.0


@pytest.mark.parametrize(
    "pixel_format", ["yuv420p", "yuvj420p", "yuv422p", "yuv444p", "nv12", "yuv420p10le", "gray"]
)
def test_colours_do_not_depend_on_range_and_format(pixel_format: str) -> None:
    # Black and white reveal a full range that is read as limited, and the reverse.
    bars = np.zeros((64, 96, 3), np.uint8)
    bars[:, 32:64] = 128
    bars[:, 64:] = 255
    full = 2 if pixel_format in ("yuvj420p", "gray") else 1
    frame = av.VideoFrame.from_ndarray(bars, format="rgb24").reformat(
        format=pixel_format, dst_color_range=full
    )
    picture = Converter(640, 360).array(frame)
    for column, value in ((8, 0), (48, 128), (88, 255)):
        assert np.abs(picture[32, column].astype(int) - value).max() <= 2


def test_one_converter_serves_more_kinds_of_frames_than_it_keeps(frames) -> None:
    kinds = [
        av.VideoFrame.from_ndarray(frames[0], format="rgb24").reformat(
            width=160 + 16 * number, height=90, format=pixel_format
        )
        for number in range(KINDS_KEPT // 2 + 2)
        for pixel_format in ("yuv420p", "yuvj420p")
    ]
    shared = Converter(640, 360)
    for frame in kinds + kinds[::-1]:
        assert np.array_equal(shared.array(frame), Converter(640, 360).array(frame))


@pytest.mark.parametrize(("degrees", "quarters"), [(90, -1), (180, 2), (270, 1)])
def test_a_picture_is_turned_clockwise_after_scaling(frames, degrees: int, quarters: int) -> None:
    # A width whose rows FFmpeg pads, and a picture that is scaled.
    for source in (frames[0][:, :333], np.repeat(np.repeat(frames[0], 2, axis=0), 2, axis=1)):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(source), format="rgb24")
        slot = bytearray(b"\x07" * (640 * 360 * 3 + 1))
        converter = Converter(640, 360)
        width, height = converter.convert(frame, memoryview(slot), degrees)
        expected = np.rot90(converter.array(frame), quarters)
        assert (height, width) == expected.shape[:2]
        picture = np.frombuffer(slot, np.uint8, width * height * 3).reshape(height, width, 3)
        assert np.array_equal(picture, expected)
        assert set(slot[width * height * 3 :]) == {7}
