"""Fits the end of a model's face network, what the hands at a face say, and the thresholds of its labels.

Every choice is made on faces that the fit has not seen: the faces are divided into folds, and the scores of each fold
come from a fit to the others. Folds are made of photographs rather than of groups, because a collection of stock
photographs is one group and may hold most of the examples of a label.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gifcue.detect.metadata import read_metadata
from gifcue.detect.relation import FacePoints, HandRelation
from gifcue.detect.trust import UNCHECKED
from gifcue.errors import ConfigError
from gifcue_lab.evaluation.matching import ScoredDetections
from gifcue_lab.export.heads.faces import FoundFace, found_faces
from gifcue_lab.export.heads.hands import face_points, fit_hands, hand_inputs
from gifcue_lab.export.heads.last_layers import Ends, LastLayers, ends_of, fit_last_layers, write_last_layers
from gifcue_lab.export.heads.scale import kept_scale
from gifcue_lab.export.litert import export_litert
from gifcue_lab.export.metadata import update_metadata
from gifcue_lab.export.quantise import add_int8
from gifcue_lab.export.thresholds import ScoredLabel
from gifcue_lab.training.samples import NONE, UNKNOWN, Photo, counted, read_photos
from gifcue_lab.training.shapes import read_shapes
from gifcue_lab.training.weights import load_networks, save_networks

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.intp]
Report = Callable[[str], None]

FOLDS = 5
# Of the photographs that the network was trained on, one in so many takes part: people resemble themselves.
TRAINED_EVERY = 2
# How much a face counts. People that the network was trained on look more certain than others are, and a label with few
# examples would hardly be learned.
TRAINED_WEIGHT = 0.2
RARE_WEIGHT = 2.0
# A label is rare with fewer than this share of the faces.
RARE_SHARE = 0.15


@dataclass(frozen=True, slots=True)
class Faces:
    """Faces of known label, and what is fitted to them.

    Attributes:
        found: the faces [N].
        ends: of the crops and of their mirror images.
        truth: the classes [N].
        weights: how much each counts [N].
        fold: the fold of each [N].
        is_new: whether the network was not trained on the person [N].
    """

    found: Sequence[FoundFace]
    ends: tuple[Ends, Ends]
    truth: Integers
    weights: npt.NDArray[np.float64]
    fold: Integers
    is_new: npt.NDArray[np.bool_]


def fit_heads(
    model_dir: Path,
    data_dir: Path,
    is_new: Callable[[Photo], bool],
    *,
    keep_network: bool = False,
    scale_of: Path | None = None,
    report: Report = print,
) -> dict[str, float]:
    """Fits the labels of faces to people, and writes the model.

    The convolutions stay as they are. Written are the face network in all its files, `relation` and the thresholds of
    the labels in the metadata. Every other photograph of the train split counts as one that the network was trained on:
    its faces take part with a small weight, so that nothing is forgotten.

    Args:
        model_dir: the model folder.
        data_dir: the labelled photographs.
        is_new: whether the face network was not trained on a photograph of the train split.
        keep_network: leave the face network as it is, and fit only what the hands at a face say. A network that was
            trained on most faces of a kind is certain of these: its last layers, fitted to them, would trust it too
            much.
        scale_of: the model whose scale of scores is kept, so that a reaction policy finds the faces that it found with
            that one; None for that of the network itself. Networks that were trained on more are surer of themselves.
        report: receives what was fitted.

    Returns:
        The average precision of each label on the faces that the network was not trained on, each scored by a fit to
        others.

    Raises:
        ConfigError: there are no new photographs, too few faces of a label or no new one, `scale_of` finds none of a
            label, or the weights are of another shape; or the labels of the model have been fitted already, and its
            network cannot be fitted twice.
        ModelError: the model cannot be read.
    """
    stage = read_metadata(model_dir, "litert", sha256=UNCHECKED).stages["face"]
    if stage.relation is not None:
        raise ConfigError(
            f"{model_dir}: expected a model whose labels of faces come from its networks alone, got one that was "
            "fitted already; start from the model that it was made of"
        )
    points = face_points(read_shapes(model_dir)["face"].points)
    everybody = [photo for photo in read_photos(data_dir, "train") if not photo.is_tight_crop]
    photos = [photo for photo in everybody if is_new(photo)]
    # Asked for first: finding the faces takes minutes.
    if not photos:
        raise ConfigError(
            f"{data_dir / 'train'}: expected photographs that the face network was not trained on, got none"
        )
    to_keep = None if scale_of is None else _served_scores(scale_of, photos, stage.labels)
    networks = load_networks(model_dir)
    trained = _of_known_label([photo for photo in everybody if not is_new(photo)])
    found = list(found_faces(model_dir, [*photos, *trained[::TRAINED_EVERY]]))
    faces = known_faces(networks["face"], found, stage.labels, {photo.name for photo in photos})
    report(_counts(faces, stage.labels))

    plain = faces.ends[0]
    served = stage.calibration.probabilities(plain.landmark_logits, plain.appearance_logits)
    shown = served if keep_network else _softmax(_out_of_fold_logits(faces))
    inputs = hand_inputs(faces.found, shown[:, 1:], points)
    fitted = _out_of_fold_relation(faces, inputs, stage.labels, points, stage.smallest_px)
    relation = fit_hands(inputs, faces.truth, faces.weights, stage.labels, points, stage.smallest_px)
    new_truth = faces.truth[faces.is_new]
    if to_keep is None:
        kept = [served[faces.is_new][new_truth == place, place] for place in range(1, len(stage.labels) + 1)]
        factor, shift = kept_scale(fitted[faces.is_new], new_truth, kept)
    else:
        # That model was fitted to these faces or ones like them: so the scores of the whole fit are compared with its.
        known = inputs[faces.is_new] @ relation.weights[:-1] + relation.weights[-1]
        factor, shift = kept_scale(known, new_truth, to_keep)
    scores = _softmax(factor * fitted + shift)
    before, after = (_average_precision(faces, each, stage.labels) for each in (served, scores))
    usual = Counter(face.attribute for photo in everybody for face in photo.of_kind("face"))
    thresholds = _thresholds(faces, scores, photos, stage.labels, stage.smallest_px, usual)
    for label in stage.labels:
        report(
            f"{label}: average precision {after[label]:.3f} on new faces that the fit has not seen, "
            f"{before[label]:.3f} before; threshold {thresholds[label]:.2f}"
        )

    relation = relation.scaled(factor, shift)
    fitted_to = f"{counted(photos)} of train"
    if keep_network:
        _write_metadata(model_dir, relation, thresholds, after, fitted_to)
        return after
    layers = fit_last_layers(faces.ends, faces.truth, faces.weights)
    revived = write_last_layers(networks["face"], layers, stage.calibration, plain)
    report(f"face: {revived} units in use gave way to the linear part")
    save_networks(model_dir, networks)
    _write_metadata(model_dir, relation, thresholds, after, fitted_to)
    export_litert(model_dir, only=("face",), report=report)
    add_int8(model_dir, data_dir, only=("face",), report=report)
    return after


def _served_scores(model_dir: Path, photos: Sequence[Photo], labels: Sequence[str]) -> list[Floats]:
    """By label, the scores [faces] that a model gives to the faces of photographs that show it.

    Raises:
        ConfigError: the model finds no face of a label, or does not know the label.
        ModelError: the model cannot be read.
    """
    smallest_px = read_metadata(model_dir, "litert", sha256=UNCHECKED).stages["face"].smallest_px
    scores: dict[str, list[float]] = {label: [] for label in labels}
    for face in found_faces(model_dir, photos, corrected=True):
        confidence = face.confidence(smallest_px)
        if face.truth in scores and face.truth in face.region.attributes and confidence > 0:
            scores[face.truth].append(face.region.attributes[face.truth] / confidence)
    if missing := [label for label, found in scores.items() if not found]:
        raise ConfigError(
            f"{model_dir}: expected a model that finds faces of each label, got none of {', '.join(missing)}"
        )
    return [np.array(found, np.float32) for found in scores.values()]


def _of_known_label(photos: Sequence[Photo]) -> list[Photo]:
    return [photo for photo in photos if any(face.attribute != UNKNOWN for face in photo.of_kind("face"))]


def known_faces(network: Any, found: Sequence[FoundFace], labels: Sequence[str], new: set[str]) -> Faces:
    """The faces of known label among those found.

    Args:
        network: the face network.
        found: the faces found.
        labels: the labels of the network.
        new: the names of the photographs that it was not trained on.

    Raises:
        ConfigError: there are too few of a label, or of none; or no new one of a label, and its score and threshold
            come from new ones.
    """
    known = [face for face in found if face.truth is not None and face.truth != UNKNOWN]
    names = [NONE, *labels]
    truth = np.array([names.index(str(face.truth)) if face.truth in names else 0 for face in known], np.intp)
    counts = np.bincount(truth, minlength=len(names))
    if missing := [name or "none" for name, count in zip(names, counts, strict=True) if count < FOLDS]:
        raise ConfigError(
            f"expected {FOLDS} found faces or more of each label, got fewer of {', '.join(missing)}"
        )
    is_new = np.array([face.photo.name in new for face in known])
    if unseen := [label for place, label in enumerate(names) if place and not (truth[is_new] == place).any()]:
        raise ConfigError(
            "expected one found face or more of each label that the network was not trained on, got none of "
            f"{', '.join(unseen)}"
        )
    rare = counts < RARE_SHARE * len(known)
    weights = np.where(is_new, 1.0, TRAINED_WEIGHT) * np.where(rare[truth], RARE_WEIGHT, 1.0)
    photos = sorted({face.photo.name for face in known})
    order = np.random.default_rng(0).permutation(len(photos)) % FOLDS
    fold_of = dict(zip(photos, order.tolist(), strict=True))
    fold = np.array([fold_of[face.photo.name] for face in known], np.intp)
    crops = np.stack([face.crops for face in known])
    ends = ends_of(network, crops[:, 0]), ends_of(network, crops[:, 1])
    return Faces(known, ends, truth, weights, fold, is_new)


def _out_of_fold_logits(faces: Faces) -> Floats:
    """The logits [N, classes] of each face, by a fit to the other folds."""
    logits = np.zeros((len(faces.truth), faces.ends[0].landmark_logits.shape[1]), np.float32)
    for fold in range(FOLDS):
        others, these = faces.fold != fold, faces.fold == fold
        layers: LastLayers = fit_last_layers(
            [view.rows(others) for view in faces.ends], faces.truth[others], faces.weights[others]
        )
        logits[these] = layers.logits(faces.ends[0].rows(these))
    return logits


def _out_of_fold_relation(
    faces: Faces, inputs: Floats, labels: Sequence[str], points: FacePoints, smallest_px: float
) -> Floats:
    """The logits [N, classes] of each face with its hands, by a fit to the other folds."""
    logits = np.zeros((len(faces.truth), len(labels) + 1), np.float32)
    for fold in range(FOLDS):
        others, these = faces.fold != fold, faces.fold == fold
        relation = fit_hands(
            inputs[others], faces.truth[others], faces.weights[others], labels, points, smallest_px
        )
        logits[these] = inputs[these] @ relation.weights[:-1] + relation.weights[-1]
    return logits


def _thresholds(
    faces: Faces,
    scores: Floats,
    photos: Sequence[Photo],
    labels: Sequence[str],
    smallest_px: float,
    usual: Mapping[str, int],
) -> dict[str, float]:
    """The threshold of each label, for the new people.

    New people are often of one kind, such as portraits, of which every second smiles. So a threshold has to suit two
    mixtures of labels: theirs, and the usual one, which is that of all people.

    Args:
        usual: how many faces of all people show each label, and `NONE`.
    """
    numbers = {group: number for number, group in enumerate(sorted({photo.group for photo in photos}))}
    rows = np.flatnonzero(faces.is_new).tolist()
    group = np.array([numbers[faces.found[row].photo.group] for row in rows], np.intp)
    confidence = np.array([faces.found[row].confidence(smallest_px) for row in rows])
    truth = faces.truth[rows]
    names = [NONE, *labels]
    # How many faces of each class there are among all people for each one among the new.
    per_face = np.array([usual[name] for name in names]) / np.maximum(
        1, np.bincount(truth, minlength=len(names))
    )
    thresholds: dict[str, float] = {}
    for place, label in enumerate(labels, 1):
        totals = np.zeros(len(numbers), np.intp)
        for photo in photos:
            totals[numbers[photo.group]] += sum(face.attribute == label for face in photo.of_kind("face"))
        scored = ScoredLabel(
            scores=(scores[rows, place] * confidence).astype(np.float64),
            right=truth == place,
            negative=np.zeros(len(rows), bool),
            group=group,
            totals=totals,
            false_weights=np.stack([np.ones(len(rows)), per_face[truth] / per_face[place]]),
        )
        thresholds[label] = scored.threshold()
    return thresholds


def _average_precision(faces: Faces, scores: Floats, labels: Sequence[str]) -> dict[str, float]:
    """The average precision of each label on the new people. It depends on no threshold."""
    rows = faces.is_new
    found: dict[str, float] = {}
    for place, label in enumerate(labels, 1):
        right = faces.truth[rows] == place
        scored = ScoredDetections(scores[rows, place].astype(np.float64), right, int(right.sum()))
        found[label] = round(scored.average_precision() or 0.0, 4)
    return found


def _write_metadata(
    model_dir: Path,
    relation: HandRelation,
    thresholds: dict[str, float],
    average_precision: dict[str, float],
    fitted_to: str,
) -> None:
    def change(metadata: dict[str, Any]) -> None:
        metadata["stages"]["face"]["relation"] = relation.as_document()
        metadata["thresholds"].update(thresholds)
        metadata["training"]["heads"] = {
            "fitted_to": fitted_to,
            "average_precision": average_precision,
        }

    update_metadata(model_dir, change)


def _counts(faces: Faces, labels: Sequence[str]) -> str:
    names = ["none", *labels]
    parts = [f"{name} {count}" for name, count in zip(names, np.bincount(faces.truth), strict=True)]
    return f"{len(faces.truth)} faces ({int(faces.is_new.sum())} of people new to the network): {', '.join(parts)}"


def _softmax(logits: Floats) -> Floats:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True), np.float32)
