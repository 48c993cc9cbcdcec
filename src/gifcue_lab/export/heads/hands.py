"""Fits `gifcue.detect.relation`: what the hands at a face say of its labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from gifcue.detect.relation import MIN_HAND_SCORE, FacePoints, HandRelation, face_features
from gifcue.errors import ConfigError
from gifcue_lab.export.heads.faces import FoundFace

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.intp]

# Inverse weight of the L2 penalty, chosen as that of `last_layers`.
INVERSE_PENALTY = 0.1
# Points of MediaPipe's face mesh: corners of the mouth, corners of the eyes, chin and forehead.
MOUTH, EYES, CHIN, FOREHEAD = (61, 291), (33, 263, 133, 362), 152, 10


def face_points(mesh: Sequence[int]) -> FacePoints:
    """Where the landmarks that are needed are among those of a face network.

    Args:
        mesh: the points of MediaPipe's face mesh that the network predicts, in its order.

    Raises:
        ConfigError: it does not predict one that is needed.
    """
    needed = (*MOUTH, *EYES, CHIN, FOREHEAD)
    if missing := sorted(set(needed) - set(mesh)):
        raise ConfigError(f"points: expected {needed} of the face mesh, got none of {missing}")
    place = list(mesh).index
    return FacePoints(tuple(map(place, MOUTH)), tuple(map(place, EYES)), place(CHIN), place(FOREHEAD))


def hand_inputs(faces: Sequence[FoundFace], probabilities: Floats, points: FacePoints) -> Floats:
    """The inputs [N, F] of the regression.

    Args:
        faces: the faces.
        probabilities: of their labels [N, labels], 0..1, without class 0.
        points: the landmarks of a face that are used.
    """
    return np.stack(
        [
            face_features(
                shown.tolist(),
                face.region,
                [hand for hand in face.hands if hand.score >= MIN_HAND_SCORE],
                points,
                face.width,
                face.height,
            )
            for face, shown in zip(faces, probabilities, strict=True)
        ]
    )


def fit_hands(
    inputs: Floats,
    truth: Integers,
    weights: npt.ArrayLike,
    labels: Sequence[str],
    points: FacePoints,
    smallest_px: float,
) -> HandRelation:
    """Fits the regression.

    Args:
        inputs: those of `hand_inputs` [N, F], with probabilities of a network that was not fitted to these faces.
        truth: the classes [N]; each must occur.
        weights: how much each face counts [N].
        labels: the labels of a face.
        points: the landmarks of a face that are used.
        smallest_px: the size confidence of faces.
    """
    model = LogisticRegression(C=INVERSE_PENALTY, tol=1e-4, max_iter=500)
    model.fit(inputs, truth, np.asarray(weights, np.float64))
    fitted = np.concatenate([model.coef_.T, model.intercept_[None]]).astype(np.float32)
    return HandRelation(tuple(labels), points, fitted, smallest_px)
