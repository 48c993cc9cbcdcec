from __future__ import annotations

import cv2
import numpy as np
import pytest

from gifcue.detect import processing


def test_a_box_in_the_letterbox_is_mapped_back_to_the_frame() -> None:
    fit = processing.Letterbox.fit(640, 360, 256, 192)
    assert (fit.scale, fit.left, fit.top) == (pytest.approx(0.4), 0.0, pytest.approx(24.0))
    inside = np.array([[40 * 0.4, 24 + 50 * 0.4, 140 * 0.4, 24 + 150 * 0.4]], np.float32)
    np.testing.assert_allclose(fit.to_frame(inside), [[40, 50, 140, 150]], atol=1e-4)


def test_the_letterbox_puts_the_picture_between_grey() -> None:
    frame = np.full((360, 640, 3), 200, np.uint8)
    fit = processing.Letterbox.fit(640, 360, 256, 192)
    scene = processing.warp(frame, fit.matrix(), (256, 192), processing.LETTERBOX_GREY)
    assert (scene[:23] == processing.LETTERBOX_GREY).all()
    assert (scene[25:167] == 200).all()


def test_a_crop_shows_the_square_around_the_box() -> None:
    frame = np.zeros((200, 300, 3), np.uint8)
    frame[80:120, 140:180] = 255
    crop = processing.crop(frame, np.array([140, 80, 180, 120], np.float32), 2.0, 80)
    assert crop[40, 40].tolist() == [255, 255, 255]
    assert crop[21:59, 21:59].min() == 255
    assert crop[:19].max() == 0


def test_points_in_a_crop_are_mapped_back_to_the_frame() -> None:
    box = np.array([140, 80, 180, 120], np.float32)
    points = np.array([[0.5, 0.5, 0.1], [0.0, 1.0, 0.0]], np.float32)
    placed = processing.from_crop(points, box, 2.0, 300, 200)
    np.testing.assert_allclose(placed[0], [160 / 300, 100 / 200, 8 / 300], atol=1e-6)
    np.testing.assert_allclose(placed[1, :2], [120 / 300, 140 / 200], atol=1e-6)


def test_peaks_are_boxes_around_cells_best_first() -> None:
    scores, sides = np.zeros((4, 6), np.float32), np.ones((4, 6, 4), np.float32)
    scores[1, 2], scores[3, 5] = 0.5, 0.9
    found, boxes = processing.peaks(scores, sides, 0.1, 5)
    np.testing.assert_allclose(found, [0.9, 0.5])
    np.testing.assert_allclose(boxes[1], np.array([1.5, 0.5, 3.5, 2.5]) * processing.STRIDE)


def test_suppression_keeps_the_best_of_those_that_overlap() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [30, 0, 40, 10]], np.float32)
    assert processing.suppress(boxes, 0.5, 10) == [0, 2]
    assert processing.suppress(boxes, 0.5, 1) == [0]


def test_a_large_frame_is_scaled_down_and_a_small_one_is_unchanged() -> None:
    frame = np.zeros((720, 1280, 3), np.uint8)
    assert processing.shrink(frame, 640).shape == (360, 640, 3)
    assert processing.shrink(frame[:100, :100], 640).shape == (100, 100, 3)


def test_a_refined_box_is_the_mean_of_the_box_and_the_landmarks_extent() -> None:
    box = np.array([0, 0, 10, 10], np.float32)
    points = np.array([[10, 10, 0], [20, 30, 0]], np.float32)
    np.testing.assert_allclose(processing.refine(box, points, 0.0, 1.3), box)
    np.testing.assert_allclose(processing.refine(box, points, 1.0, 1.0), [10, 10, 20, 30])
    np.testing.assert_allclose(processing.refine(box, points, 0.5, 2.0), [2.5, 0, 17.5, 25])


def test_logits_become_scores_at_peaks_and_positive_sides() -> None:
    heat, reach = np.full((3, 4, 2), -5.0, np.float32), np.zeros((3, 4, 8), np.float32)
    heat[1, 1, 0], heat[1, 2, 0] = 2.0, 1.0
    heat[0, 3, 1] = -1.0
    maps = processing.activate(heat, reach, 0.2)
    assert maps["scores"][1, 1, 0] == pytest.approx(0.8808, abs=1e-4)
    assert maps["scores"][0, 3, 1] == pytest.approx(0.2689, abs=1e-4)
    assert np.count_nonzero(maps["scores"]) == 2
    np.testing.assert_allclose(maps["sides"][[1, 0], [1, 3]], np.log(2.0), atol=1e-6)
    assert np.count_nonzero(processing.activate(heat, reach, 0.3)["scores"]) == 1


@pytest.mark.parametrize("size", [(640, 360), (640, 480), (512, 512), (321, 200), (160, 120)])
def test_the_letterbox_equals_the_warp_by_its_matrix(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (9, 16, 3)).astype(np.uint8)
    frame = np.asarray(cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    fit = processing.Letterbox.fit(*size, 320, 256)
    warped = processing.warp(frame, fit.matrix(), (320, 256), processing.LETTERBOX_GREY)
    assert np.abs(processing.letterbox(frame, fit, 320, 256).astype(int) - warped).max() <= 1


@pytest.mark.parametrize(
    ("longer_px", "confidence"), [(10, 0.0), (24, 0.0), (28, 0.5), (32, 1.0), (200, 1.0)]
)
def test_the_size_confidence_grows_above_the_smallest_size(longer_px: float, confidence: float) -> None:
    box = np.array([5, 5, 5 + longer_px / 2, 5 + longer_px], np.float32)
    assert processing.size_confidence(box, 24.0) == pytest.approx(confidence)
    assert processing.size_confidence(box, 0.0) == 1.0
