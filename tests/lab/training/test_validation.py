"""Metrics of a network in training."""

from __future__ import annotations

import numpy as np

from gifcue_lab.training.validation import average_precision, match


def test_average_precision_counts_misses_and_false_detections() -> None:
    box = np.array([0, 0, 10, 10], np.float32)
    answers = match([(0.9, box), (0.8, box), (0.7, box + 50)], [box])
    assert answers == [(0.9, True), (0.8, False), (0.7, False)]
    assert average_precision(answers, 1) == 1.0
    assert average_precision(answers, 2) == 0.5
