"""Metrics of a network in training, on held-out photographs.

They are quick to compute and compare epochs of one run. `gifcue_lab.evaluation` measures a finished detector.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gifcue.detect.regions import KINDS
from gifcue_lab.evaluation.matching import MISS, ScoredDetections, match
from gifcue_lab.training.crops import CropSource
from gifcue_lab.training.heatmaps import decode_maps
from gifcue_lab.training.scenes import SceneSource

Floats = npt.NDArray[np.float32]
# Pictures [N, H, W, 3] uint8 ► the network's outputs.
Predict = Callable[[Any], dict[str, Floats]]

SCENES_A_BATCH, CROPS_A_BATCH = 32, 128


def measure_scenes(source: SceneSource, predict: Predict) -> dict[str, float]:
    """Average precision at IoU 0.5: `ap/face`, `ap/hand`, and their mean `ap`; 0 for a kind without objects."""
    scores: dict[str, list[float]] = {kind: [] for kind in KINDS}
    right: dict[str, list[bool]] = {kind: [] for kind in KINDS}
    total = dict.fromkeys(KINDS, 0)
    for start in range(0, len(source), SCENES_A_BATCH):
        indices = list(range(start, min(start + SCENES_A_BATCH, len(source))))
        outputs = predict(source.batch(indices, None)[0])
        for row, index in enumerate(indices):
            for channel, kind in enumerate(KINDS):
                truth = np.array(source.boxes(index, kind), np.float64).reshape(-1, 4)
                found = decode_maps(outputs["heat"][row], outputs["sides"][row], channel)
                found_scores = np.array([score for score, _ in found])
                boxes = np.array([box for _, box in found], np.float64).reshape(-1, 4)
                hits = match(found_scores, boxes, truth, masked=np.zeros((0, 4)))
                scores[kind].extend(found_scores.tolist())
                right[kind].extend((hits != MISS).tolist())
                total[kind] += len(truth)
    metrics = {}
    for kind in KINDS:
        detections = ScoredDetections(np.array(scores[kind]), np.array(right[kind], bool), total[kind])
        metrics[f"ap/{kind}"] = detections.average_precision() or 0.0
    return {"ap": float(np.mean(list(metrics.values()))), **metrics}


def measure_crops(source: CropSource, predict: Predict, classes: Sequence[str]) -> dict[str, float]:
    """Metrics on crops of labelled boxes, with the most probable class as the answer.

    Returns:
        `landmark_error`, the mean distance in shares of the crop; the F1 of every class by the logits of each
        classifier (`appearance/CLASS`, `landmarks/CLASS`) and by their sum (`both/CLASS`); and `score`, the mean F1 by
        the sum less the landmark error. Classes that no crop shows are left out.
    """
    errors: list[float] = []
    truth: list[int] = []
    answers: dict[str, list[int]] = {"appearance": [], "landmarks": [], "both": []}
    for start in range(0, len(source.samples), CROPS_A_BATCH):
        crops, targets = source.batch(source.samples[start : start + CROPS_A_BATCH], None)
        outputs = predict(crops)
        offset = np.abs(outputs["landmarks"][:, :, :2] - targets["landmarks"][:, :, :2])
        distance = np.hypot(offset[..., 0], offset[..., 1]).mean(1)
        errors.extend(distance[targets["has_landmarks"] > 0].tolist())
        rows = targets["has_label"] > 0
        truth.extend(targets["label"][rows].astype(int).tolist())
        appearance, landmarks = outputs["by_sight"], outputs["by_shape"]
        for name, logits in (
            ("appearance", appearance),
            ("landmarks", landmarks),
            ("both", appearance + landmarks),
        ):
            answers[name].extend(logits[rows].argmax(1).tolist())
    metrics = {"landmark_error": float(np.mean(errors)) if errors else 0.0}
    shown = {number: label for number, label in enumerate(classes, 1) if number in truth}
    for name, given in answers.items():
        for number, label in shown.items():
            metrics[f"{name}/{label}"] = _f1(np.array(truth), np.array(given), number)
    mean_f1 = float(np.mean([metrics[f"both/{label}"] for label in shown.values()])) if shown else 0.0
    metrics["score"] = mean_f1 - metrics["landmark_error"]
    return metrics


def _f1(truth: npt.NDArray[np.intp], given: npt.NDArray[np.intp], number: int) -> float:
    """F1 of one class; 0 where it neither is there nor is answered."""
    hits = int(((truth == number) & (given == number)).sum())
    return 2 * hits / max(1, int((truth == number).sum() + (given == number).sum()))
