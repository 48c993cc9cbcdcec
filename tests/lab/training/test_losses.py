"""Losses of the crop networks."""

from __future__ import annotations

import numpy as np
import pytest

from gifcue_lab.training import losses


def test_the_loss_of_an_absent_class_is_minus_log_one_minus_p() -> None:
    logits = np.array([[0.5, 1.0, 3.0, -1.0]], np.float32)
    targets = {"has_label": np.zeros(1), "label": np.zeros(1), "absent": np.array([2.0])}
    probabilities = np.exp(logits) / np.exp(logits).sum()
    loss = float(losses.class_loss(targets, logits))
    assert loss == pytest.approx(-np.log(1 - probabilities[0, 2]), rel=1e-4)
    assert float(losses.class_loss({**targets, "absent": np.zeros(1)}, logits)) == 0.0
