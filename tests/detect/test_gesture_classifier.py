from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from gifcue.detect.gesture_classifier import POINTS, GestureClassifier, hand_features, read_classifier
from gifcue.detect.messages import pack_gestures, unpack_gestures
from gifcue.errors import ModelError
from gifcue.gestures.regression import fit_classifier

COUNT = len(hand_features(np.zeros((POINTS, 3), np.float32)))


def hand(rng: np.random.Generator, spread: float) -> npt.NDArray[np.float32]:
    """A hand [21, 3] of five straight fingers, `spread` radians apart."""
    points = [[0.0, 0.0, 0.0]]
    for finger in range(5):
        angle = -np.pi / 2 + (finger - 2) * spread
        points += [[np.cos(angle) * r, np.sin(angle) * r, 0.0] for r in (0.4, 0.6, 0.8, 1.0)]
    return (np.array(points) * 0.2 + 0.5 + rng.normal(0, 0.004, (21, 3))).astype(np.float32)


def test_features_do_not_depend_on_place_size_or_side() -> None:
    points = hand(np.random.default_rng(0), 0.3)
    features = hand_features(points)
    smaller = (points * 0.5 + 0.1).astype(np.float32)
    np.testing.assert_allclose(hand_features(smaller), features, atol=1e-4)
    mirrored = points * np.array([-1, 1, 1], np.float32)
    np.testing.assert_allclose(hand_features(mirrored), features, atol=1e-4)


def test_features_undo_the_frames_aspect() -> None:
    points = hand(np.random.default_rng(0), 0.3)
    wide = (points / np.array([2.0, 1.0, 2.0], np.float32)).astype(np.float32)
    np.testing.assert_allclose(hand_features(wide, 2.0), hand_features(points), atol=1e-4)


def test_a_classifier_learns_from_sixty_samples_and_is_read_as_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    features = np.stack([hand_features(hand(rng, 0.4 if i % 2 else 0.1)) for i in range(60)])
    classifier = fit_classifier(features, ["fan" if i % 2 else "" for i in range(60)])
    classifier.write(tmp_path / "fan.json")
    again = read_classifier(tmp_path / "fan.json")
    assert again.probabilities(hand_features(hand(rng, 0.4)))["fan"] > 0.8
    assert again.probabilities(hand_features(hand(rng, 0.1)))["fan"] < 0.2


def test_similarity_to_examples_separates_what_no_plane_does(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    spreads = [(0.05, 0.25, 0.45)[i % 3] for i in range(90)]
    features = np.stack([hand_features(hand(rng, spread)) for spread in spreads])
    labels = ["fan" if spread == 0.25 else "" for spread in spreads]
    classifier = fit_classifier(features, labels, regularisation=0.003, examples=features[1:60:3])
    classifier.write(tmp_path / "fan.json")
    again = read_classifier(tmp_path / "fan.json")
    assert again.examples.shape == (20, features.shape[1])
    for spread, is_fan in ((0.05, False), (0.25, True), (0.45, False)):
        one = hand_features(hand(rng, spread))
        probability = again.probabilities(one)["fan"]
        assert probability == pytest.approx(classifier.probabilities(one)["fan"], abs=1e-5)
        assert (probability > 0.5) == is_fan


def layered(*labels: str, seed: int = 3) -> GestureClassifier:
    """A classifier with a hidden layer of five units, whose weights mean nothing."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(0, 0.3, (COUNT + 1, 5)).astype(np.float32)
    weights = rng.normal(0, 1, (6, len(labels))).astype(np.float32)
    return GestureClassifier(
        labels, np.zeros(COUNT, np.float32), np.ones(COUNT, np.float32), weights, hidden=hidden
    )


def test_a_hidden_layer_lies_between_the_features_and_the_classes(tmp_path: Path) -> None:
    classifier = layered("", "fan", "horns")
    features = hand_features(hand(np.random.default_rng(1), 0.3))
    units = np.maximum(features @ classifier.hidden[:-1] + classifier.hidden[-1], 0.0)
    logits = units @ classifier.weights[:-1] + classifier.weights[-1]
    powers = np.exp(logits - logits.max())
    found = classifier.probabilities(features)
    assert list(found) == ["fan", "horns"]
    assert list(found.values()) == pytest.approx(list((powers / powers.sum())[1:]), abs=1e-5)
    classifier.write(tmp_path / "both.json")
    assert read_classifier(tmp_path / "both.json").probabilities(features) == pytest.approx(found)
    (unpacked,) = unpack_gestures(pack_gestures([classifier]))
    assert unpacked.probabilities(features) == pytest.approx(found)


def test_only_some_of_the_labels_are_reported_and_the_others_still_compete() -> None:
    classifier = layered("", "fan", "horns")
    features = hand_features(hand(np.random.default_rng(1), 0.3))
    assert classifier.only(["horns"]).probabilities(features) == {
        "horns": classifier.probabilities(features)["horns"]
    }


def test_fitting_needs_samples_of_a_gesture_and_of_none() -> None:
    with pytest.raises(ValueError, match="got only"):
        fit_classifier(np.zeros((3, 5), np.float32), ["fan"] * 3)


def test_a_damaged_file_is_a_model_error(tmp_path: Path) -> None:
    path = tmp_path / "fan.json"
    path.write_text('{"format": 1}')
    with pytest.raises(ModelError, match="expected a gesture classifier"):
        read_classifier(path)


def stored(**changed: object) -> bytes:
    """The file of a classifier of one gesture, with some of its values replaced."""
    value: dict[str, object] = {
        "format": 1,
        "labels": ["", "fan"],
        "threshold": 0.7,
        "mean": [0.0] * COUNT,
        "scale": [1.0] * COUNT,
        "weights": [[0.0, 0.0]] * (COUNT + 1),
        "examples": [],
    }
    return json.dumps({**value, **changed}).encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x80\x04K\x01.", "expected a gesture classifier"),  # a pickle
        (b"[" * 200_000, "expected a gesture classifier"),
        (b"[]", "expected a gesture classifier"),
        (stored(mean=["x"] * COUNT), "expected a gesture classifier"),
        (stored(mean=[float("nan")] * COUNT), "expected finite numbers"),
        (stored(weights=[[1e999, 0.0]] * (COUNT + 1)), "expected finite numbers"),
        (stored(scale=[0.0] * COUNT), "a scale without zeros"),
        (stored(threshold=-1.0), "expected a threshold from 0 to 1, got -1.0"),
        (stored(threshold=float("nan")), "expected a threshold from 0 to 1"),
        (stored(labels=["x" * 65, ""]), "expected at most 64 labels of at most 64 characters"),
        (stored(labels=[str(n) for n in range(65)]), "expected at most 64 labels"),
        (stored(labels=["", "a", "b"]), "expected format 1 with"),
        (stored(examples=[[0.0] * COUNT] * 2), "expected format 1 with"),
        (stored(hidden=[[0.0] * 5] * COUNT), "hidden: expected"),
        (stored(hidden=[[0.0] * 257] * (COUNT + 1)), "hidden: expected"),
        (stored(hidden=[[0.0] * 5] * (COUNT + 1)), "expected format 1 with"),
        (stored(hidden=[[1e999] * COUNT] * (COUNT + 1)), "expected finite numbers"),
        (
            stored(hidden=[[0.0]] * (COUNT + 1), examples=[[0.0] * COUNT]),
            "examples or a hidden layer, got both",
        ),
    ],
)
def test_a_file_that_makes_no_sense_is_a_model_error(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "fan.json"
    path.write_bytes(stored())
    assert read_classifier(path).labels == ("", "fan")
    path.write_bytes(content)
    with pytest.raises(ModelError, match=message):
        read_classifier(path)


def test_a_file_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "fan.json"
    path.write_bytes(stored())
    monkeypatch.setattr("gifcue.detect.gesture_classifier.MAX_FILE_BYTES", 100)
    with pytest.raises(ModelError, match="expected at most 100 bytes"):
        read_classifier(path)
