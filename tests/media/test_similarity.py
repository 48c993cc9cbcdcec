from __future__ import annotations

import av
import cv2
import numpy as np
import pytest

from gifcue.media.settings import FilterSettings, Metric
from gifcue.media.similarity import TILES, Comparer, Sampler

HAND = 60  # pixels, of 640x360: a hand at arm's length


def picture(rgb: np.ndarray, pixel_format: str = "yuv420p"):
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24").reformat(format=pixel_format)


def with_hand(background: np.ndarray, left: int) -> np.ndarray:
    frame = background.copy()
    frame[40 : 40 + HAND, left : left + HAND] = (205, 160, 135)
    return frame


def similarity(settings: FilterSettings, first, second, tiles: tuple[int, int] = TILES) -> float:
    comparer = Comparer(settings.metric, tiles)
    return comparer.similarity(comparer.signature(first), comparer.signature(second))


@pytest.mark.parametrize("metric", Metric)
def test_equal_pictures_are_fully_similar(metric: Metric, frames) -> None:
    assert similarity(FilterSettings(metric=metric), picture(frames[0]), picture(frames[0])) > 0.9999


@pytest.mark.parametrize("metric", Metric)
def test_tiles_detect_a_moving_hand_that_the_mean_misses(metric: Metric, frames) -> None:
    first, second = picture(with_hand(frames[0], 60)), picture(with_hand(frames[0], 210))
    tiled = FilterSettings(metric=metric)
    assert similarity(tiled, first, second) < tiled.similarity_threshold - 0.2
    if metric is not Metric.SSIM:
        assert similarity(tiled, first, second, tiles=(1, 1)) > tiled.similarity_threshold


@pytest.mark.parametrize("metric", Metric)
def test_camera_noise_is_similar(metric: Metric, frames) -> None:
    rng = np.random.default_rng(5)
    noisy = [
        np.clip(frames[0] + rng.normal(0.0, 3.0, frames[0].shape), 0, 255).astype(np.uint8) for _ in range(2)
    ]
    settings = FilterSettings(metric=metric)
    assert similarity(settings, picture(noisy[0]), picture(noisy[1])) >= settings.similarity_threshold


def test_a_change_of_light_is_not_similar(frames) -> None:
    # SSIM compares structure and ignores a change of a whole tile.
    settings = FilterSettings(metric=Metric.INTERSECTION)
    darker = (frames[0] * 0.7).astype(np.uint8)
    assert similarity(settings, picture(frames[0]), picture(darker)) < settings.similarity_threshold


def test_a_change_of_colour_is_not_similar(frames) -> None:
    grey = picture(np.full((360, 640, 3), 128, np.uint8))
    coloured = np.full((360, 640, 3), 128, np.uint8)
    coloured[100:160, 100:160] = (200, 100, 110)  # as bright as the grey
    settings = FilterSettings()
    assert similarity(settings, grey, picture(coloured)) < settings.similarity_threshold


FORMATS = [
    "yuv420p",
    "yuvj420p",
    "yuv422p",
    "yuv444p",
    "nv12",
    "yuv420p10le",
    "rgb24",
    "rgba",
    "pal8",
    "gray",
]


@pytest.mark.parametrize("pixel_format", FORMATS)
@pytest.mark.parametrize("metric", Metric)
def test_every_format_of_the_decoders_can_be_compared(pixel_format: str, metric: Metric, frames) -> None:
    settings = FilterSettings(metric=metric)
    still, moved = with_hand(frames[0], 60), with_hand(frames[0], 210)
    if pixel_format == "pal8":
        make = palette
    else:

        def make(rgb: np.ndarray):
            return picture(rgb, pixel_format)

    assert similarity(settings, make(still), make(still)) > 0.999
    assert similarity(settings, make(still), make(moved)) < settings.similarity_threshold


def palette(rgb: np.ndarray):
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    entries = np.zeros((256, 4), np.uint8)
    entries[:, 0] = 255
    entries[:, 1:] = np.arange(256)[:, None]
    return av.VideoFrame.from_ndarray((grey, entries), format="pal8")  # type: ignore[arg-type]  # a pair for pal8


def test_pictures_of_other_shapes_are_never_similar(frames) -> None:
    comparer = Comparer(Metric.INTERSECTION)
    wide = comparer.signature(picture(frames[0]))
    tall = comparer.signature(picture(np.ascontiguousarray(frames[0].transpose(1, 0, 2))))
    grey = comparer.signature(picture(frames[0], "gray"))
    assert comparer.similarity(wide, tall) == 0.0
    assert comparer.similarity(wide, grey) == 0.0


@pytest.mark.parametrize(("width", "height"), [(16, 16), (2, 2), (640, 2), (2, 360), (101, 77), (1920, 1080)])
@pytest.mark.parametrize("metric", Metric)
def test_pictures_of_every_size_can_be_compared(metric: Metric, width: int, height: int) -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    frame = picture(rgb, "yuv444p")
    assert similarity(FilterSettings(metric=metric), frame, frame) > 0.999


def test_the_sample_keeps_the_picture(frames) -> None:
    sample = Sampler().sample(picture(frames[0]))
    assert sample.luma.shape == (90, 160)
    assert sample.u is not None
    assert sample.u.shape == (45, 80)
    luma = cv2.cvtColor(cv2.resize(frames[0], (160, 90), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2YUV)[
        ..., 0
    ]
    assert cv2.PSNR(sample.luma, (16 + luma * (219 / 255)).astype(np.uint8)) > 35.0
