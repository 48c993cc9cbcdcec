"""A face's labels, corrected by the hands at it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gifcue.detect.metadata import LABEL_MAP, METADATA, read_metadata
from gifcue.detect.regions import Region
from gifcue.detect.relation import (
    HAND_FEATURES,
    MIN_HAND_SCORE,
    FacePoints,
    HandRelation,
    face_features,
    feature_count,
    parse_relation,
)
from gifcue.detect.trust import UNCHECKED
from gifcue.errors import ModelError
from gifcue.protocol.geometry import Box

MODELS = Path(__file__).parents[2] / "models"
LABELS = ("smile", "neutral", "thinking")
SHOWN = np.array([0.1, 0.5, 0.2], np.float32)
# Mouth at (0, 0), the chin below it and the forehead above, in units of the face; y points down.
FACE = np.array([[-0.2, 0.0], [0.2, 0.0], [-0.2, -0.5], [0.2, -0.5], [0.0, 0.25], [0.0, -0.75]])
POINTS = FacePoints(mouth=(0, 1), eyes=(2, 3), chin=4, forehead=5)
# A hand of half a face's size: the wrist below, each finger straight up.
HAND = np.concatenate(
    [[[0.0, 0.25]]] + [[[x, 0.2], [x, 0.1], [x, 0.0], [x, -0.2]] for x in (-0.2, -0.1, 0.0, 0.1, 0.2)]
)
BESIDE = HAND + np.array([0.3, 0.1])
WIDTH, HEIGHT = 640, 360


def region(
    kind: str,
    points: np.ndarray,
    *,
    unit: float = 100.0,
    at: tuple[float, float] = (300.0, 150.0),
    score: float = 0.9,
    turn: float = 0.0,
) -> Region:
    """A region whose landmarks lie at `at` in pixels, `unit` pixels a unit, turned by `turn` radians."""
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    pixels = points @ rotation * unit + at
    low, high = pixels.min(0) / (WIDTH, HEIGHT), pixels.max(0) / (WIDTH, HEIGHT)
    box = Box(float(low[1]), float(low[0]), float(high[1]), float(high[0]))
    landmarks = (pixels / (WIDTH, HEIGHT)).astype(np.float32)
    if kind == "face":
        shown = dict(zip(LABELS, SHOWN.tolist(), strict=True))
        return Region("face", box, score, shown, landmarks)
    return Region("hand", box, score, {"wave": 0.3, "ok_hand": 0.2, "thumbs_up": 0.1}, landmarks)


def features(face: Region, *hands: Region) -> np.ndarray:
    return face_features(SHOWN.tolist(), face, hands, POINTS, WIDTH, HEIGHT)


def relation(smallest_px: float = 24.0) -> HandRelation:
    """Passes the face's probabilities on, and adds 3 to the logit of `thinking` for each hand."""
    weights = np.zeros((feature_count(3) + 1, 4), np.float32)
    weights[:4] = np.eye(4)
    weights[4, 3] = weights[4 + HAND_FEATURES, 3] = 3.0
    return HandRelation(LABELS, POINTS, weights, smallest_px)


def test_features_are_those_of_the_hand_in_units_of_the_face() -> None:
    hand = region("hand", BESIDE)
    near = features(region("face", FACE), hand)[4 : 4 + HAND_FEATURES]
    # One, its score, aside, up, its size; the edge is at the mouth.
    assert near[:6] == pytest.approx([1.0, 0.9, 0.3, -0.125, 0.45, 0.1], abs=1e-4)
    # The wrist at (0.3, -0.35), against mouth, chin and eyes at (0, 0), (0, -0.25) and (0, 0.5).
    assert near[6:9] == pytest.approx(
        [np.hypot(0.3, 0.35), np.hypot(0.3, 0.1), np.hypot(0.3, 0.85)], abs=1e-4
    )
    assert near[24:29] == pytest.approx(np.ones(5), abs=1e-4)
    assert near[29:] == pytest.approx([0.3, 0.2, 0.1])


def test_features_do_not_depend_on_distance_place_or_side() -> None:
    reference = features(region("face", FACE), region("hand", BESIDE))
    face = region("face", FACE, unit=60.0, at=(200.0, 190.0))
    hand = region("hand", BESIDE, unit=60.0, at=(200.0, 190.0))
    assert features(face, hand) == pytest.approx(reference, abs=1e-3)
    # A mirrored hand has its fingers in the other order, so fingers are compared where all are alike.
    mirrored = features(region("face", FACE * (-1, 1)), region("hand", BESIDE * (-1, 1)))
    assert mirrored == pytest.approx(reference, abs=1e-3)


def test_landmarks_are_measured_along_a_tilted_face() -> None:
    upright = features(region("face", FACE), region("hand", BESIDE))[4:]
    tilted = features(region("face", FACE, turn=0.4), region("hand", BESIDE, turn=0.4))[4:]
    assert tilted[6:29] == pytest.approx(upright[6:29], abs=1e-3)


def test_without_a_hand_the_probabilities_stay() -> None:
    corrected = relation().apply([region("face", FACE)], WIDTH, HEIGHT)[0]
    assert corrected.attributes == pytest.approx(dict(zip(LABELS, SHOWN.tolist(), strict=True)), abs=1e-4)


@pytest.mark.parametrize(
    "hand",
    [
        region("hand", HAND, at=(300.0, 20.0), unit=20.0),
        region("hand", HAND, score=MIN_HAND_SCORE - 0.01),
        replace(region("hand", HAND), landmarks=None),
    ],
    ids=["far away", "uncertain", "without landmarks"],
)
def test_other_hands_do_not_count(hand: Region) -> None:
    alone, beside = (
        relation().apply([region("face", FACE), *more], WIDTH, HEIGHT)[0] for more in ([], [hand])
    )
    assert beside.attributes == alone.attributes


def test_hands_at_the_face_change_its_labels_and_nothing_else() -> None:
    face, first, second = region("face", FACE), region("hand", BESIDE), region("hand", HAND)
    corrected = relation().apply([first, face, second], WIDTH, HEIGHT)
    assert corrected[0] is first
    assert corrected[2] is second
    odds = 0.2 * np.exp(6.0)
    assert corrected[1].attributes["thinking"] == pytest.approx(odds / (0.8 + odds), abs=1e-4)
    assert (corrected[1].box, corrected[1].score) == (face.box, face.score)


def test_a_third_hand_is_one_too_many() -> None:
    hands = [region("hand", HAND + np.array([shift, 0.0])) for shift in (0.0, 0.1, 0.2)]
    two, three = (relation().apply([region("face", FACE), *hands[:n]], WIDTH, HEIGHT)[0] for n in (2, 3))
    assert two.attributes == three.attributes


def test_a_face_too_small_for_labels_gets_none_from_its_hands() -> None:
    face = replace(region("face", FACE, unit=20.0), attributes=dict.fromkeys(LABELS, 0.0))
    hand = region("hand", HAND, unit=20.0)
    assert relation().apply([face, hand], WIDTH, HEIGHT)[0].attributes == dict.fromkeys(LABELS, 0.0)


def test_the_size_confidence_of_a_face_stays() -> None:
    face = region("face", FACE, unit=28.0)
    confidence = 3.0 * (28.0 / 24.0 - 1.0)
    small = replace(face, attributes={label: value * confidence for label, value in face.attributes.items()})
    corrected = relation().apply([small, region("hand", HAND, unit=28.0)], WIDTH, HEIGHT)[0]
    odds = 0.2 * np.exp(3.0)
    assert corrected.attributes["thinking"] == pytest.approx(odds / (0.8 + odds) * confidence, abs=1e-3)


def test_other_attributes_stay() -> None:
    face = region("face", FACE)
    taught = replace(face, attributes={**face.attributes, "wink": 0.7})
    assert relation().apply([taught], WIDTH, HEIGHT)[0].attributes["wink"] == 0.7


def test_a_document_is_read_back() -> None:
    again = parse_relation(json.loads(json.dumps(relation().as_document())), LABELS, 6, 24.0)
    assert again.points == POINTS
    assert np.array_equal(again.weights, relation().weights)


def broken(**change: object) -> dict[str, object]:
    return {**relation().as_document(), **change}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (broken(weights=[[1.0] * 4] * 3), r"weights of the shape \(69, 4\), got the shape \(3, 4\)"),
        (broken(weights=[[float("nan")] * 4] * 69), "finite weights"),
        (
            broken(points={"mouth": [0, 1], "eyes": [2, -3], "chin": 4, "forehead": 5}),
            r"places of landmarks from 0 to 52, got .*-3",
        ),
        (broken(points={"mouth": [0, 1], "eyes": [2, 3], "chin": 53, "forehead": 5}), r"got .*'chin': 53"),
        (broken(points={"mouth": [], "eyes": [2], "chin": 4, "forehead": 5}), "places of landmarks"),
        (broken(points={"mouth": [0, 1]}), "eyes"),
        (broken(labels=["smile", "wink"]), r"labels of a face \(smile, neutral, thinking\), got smile, wink"),
    ],
    ids=["shape", "not finite", "negative place", "place beyond", "no place", "missing", "unknown label"],
)
def test_damaged_metadata_is_refused(value: dict[str, object], message: str, tmp_path: Path) -> None:
    metadata = json.loads((MODELS / METADATA).read_text(encoding="utf-8"))
    metadata["stages"]["face"]["relation"] = value
    (tmp_path / METADATA).write_text(json.dumps(metadata), encoding="utf-8")
    (tmp_path / LABEL_MAP).write_bytes((MODELS / LABEL_MAP).read_bytes())
    with pytest.raises(ModelError, match=message):
        read_metadata(tmp_path, "litert", sha256=UNCHECKED)


def test_a_model_without_the_relation_is_read(tmp_path: Path) -> None:
    metadata = json.loads((MODELS / METADATA).read_text(encoding="utf-8"))
    metadata["stages"]["face"].pop("relation", None)
    (tmp_path / METADATA).write_text(json.dumps(metadata), encoding="utf-8")
    (tmp_path / LABEL_MAP).write_bytes((MODELS / LABEL_MAP).read_bytes())
    assert read_metadata(tmp_path, "litert", sha256=UNCHECKED).stages["face"].relation is None
