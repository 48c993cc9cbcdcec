"""The SavedModel and the LiteRT files give the same results for the same pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gifcue.detect import DetectorConfig, Region, open_detector
from gifcue.detect.detector import Backend
from gifcue.detect.metadata import read_metadata
from gifcue.detect.trust import UNCHECKED, folder_digest

pytest.importorskip("tensorflow")
data = pytest.importorskip("skimage.data")

MODELS = Path(__file__).parents[2] / "models"
PICTURES = 200
MAX_APART_PX = 2.0
MAX_APART_SCORE = 0.02
# Regions of a lower score are not compared: what the networks say of what is hardly there depends on rounding.
LEAST_SCORE = 0.5


def pictures() -> list[np.ndarray]:
    """The portrait of an astronaut at many positions, sizes and brightnesses, on noise."""
    import cv2

    portrait = np.asarray(data.astronaut(), np.uint8)
    rng = np.random.default_rng(7)
    made = []
    for number in range(PICTURES):
        height, width = ((360, 640), (288, 384))[number % 2]
        frame = cv2.resize(rng.integers(0, 256, (9, 16, 3)).astype(np.uint8), (width, height))
        side = int(rng.integers(height // 2, height + 1))
        part = cv2.resize(portrait, (side, side), interpolation=cv2.INTER_AREA)
        part = np.clip(part * rng.uniform(0.5, 1.3), 0, 255).astype(np.uint8)
        if rng.random() < 0.5:
            part = part[:, ::-1]
        x, y = int(rng.integers(0, width - side + 1)), int(rng.integers(0, height - side + 1))
        frame[y : y + side, x : x + side] = part
        made.append(frame)
    return made


def test_backends_agree_on_two_hundred_pictures(tmp_path: Path) -> None:
    from gifcue_lab.export.metadata import copy_description
    from gifcue_lab.export.savedmodel import export_saved_model

    copy_description(MODELS, tmp_path)
    export_saved_model(MODELS, tmp_path / "saved_model")
    litert = open_detector(DetectorConfig(MODELS, precision="float"))
    saved = open_detector(DetectorConfig(tmp_path, "savedmodel", model_sha256=folder_digest(tmp_path)))
    assert saved.info.labels == litert.info.labels
    frames = pictures()
    batched = [
        regions for start in range(0, PICTURES, 40) for regions in saved.detect(frames[start : start + 40])
    ]
    compared = 0
    for frame, ours, theirs in zip(frames, litert.detect(frames), batched, strict=True):
        for region in ours:
            # Which of two low-scoring regions survives suppression depends on rounding as well.
            if region.score < LEAST_SCORE:
                continue
            twin = max((r for r in theirs if r.kind == region.kind), key=lambda r: r.box.iou(region.box))
            assert apart_px(region, twin, frame) <= MAX_APART_PX
            assert abs(region.score - twin.score) <= MAX_APART_SCORE
            for label, score in region.attributes.items():
                assert abs(score - twin.attributes[label]) <= MAX_APART_SCORE, label
            assert region.landmarks is not None
            assert twin.landmarks is not None
            off = (region.landmarks - twin.landmarks)[:, :2] * frame.shape[1::-1]
            assert np.hypot(*off.T).mean() <= MAX_APART_PX
            compared += 1
    assert compared >= 0.9 * PICTURES


def apart_px(one: Region, other: Region, frame: np.ndarray) -> float:
    height, width = frame.shape[:2]
    return max(
        abs(one.box.ymin - other.box.ymin) * height,
        abs(one.box.ymax - other.box.ymax) * height,
        abs(one.box.xmin - other.box.xmin) * width,
        abs(one.box.xmax - other.box.xmax) * width,
    )


def test_backends_agree_on_a_frame_without_people(tmp_path: Path) -> None:
    from gifcue_lab.export.metadata import copy_description
    from gifcue_lab.export.savedmodel import export_saved_model

    copy_description(MODELS, tmp_path)
    export_saved_model(MODELS, tmp_path / "saved_model")
    saved = open_detector(DetectorConfig(tmp_path, "savedmodel", model_sha256=folder_digest(tmp_path)))
    grey = np.full((360, 640, 3), 128, np.uint8)
    assert [region for region in saved.detect([grey])[0] if region.score > 0.1] == []


def test_gesture_probabilities_have_the_same_size_confidence_on_both(tmp_path: Path) -> None:
    """The classifier gives 0.9 for every hand, so that an attribute is 0.9 times the size confidence."""
    from gifcue.detect.gesture_classifier import POINTS, GestureClassifier, hand_features
    from gifcue.detect.processing import size_confidence
    from gifcue_lab.export.metadata import copy_description
    from gifcue_lab.export.savedmodel import export_saved_model

    count = len(hand_features(np.zeros((POINTS, 3), np.float32)))
    weights = np.zeros((count + 1, 2), np.float32)
    weights[-1, 1] = np.log(9.0)
    classifier = GestureClassifier(
        ("", "victory"), np.zeros(count, np.float32), np.ones(count, np.float32), weights
    )
    copy_description(MODELS, tmp_path)
    export_saved_model(MODELS, tmp_path / "saved_model")
    smallest_px = read_metadata(MODELS, "litert").stages["hand"].smallest_px
    partial = 0
    backends: tuple[tuple[Path, Backend], ...] = ((MODELS, "litert"), (tmp_path, "savedmodel"))
    for model_dir, backend in backends:
        config = DetectorConfig(
            model_dir,
            backend,
            precision="float",
            model_sha256=UNCHECKED,
        )
        detector = open_detector(config)
        detector.use_gestures([classifier])
        for frame, regions in zip(pictures()[:40], detector.detect(pictures()[:40]), strict=True):
            height, width = frame.shape[:2]
            for region in regions:
                if region.kind != "hand":
                    continue
                box = region.box
                corners = np.array([box.xmin * width, box.ymin * height, box.xmax * width, box.ymax * height])
                confidence = size_confidence(corners, smallest_px)
                assert region.attributes["victory"] == pytest.approx(0.9 * confidence, abs=0.02)
                partial += 0.0 < confidence < 1.0
    assert partial
