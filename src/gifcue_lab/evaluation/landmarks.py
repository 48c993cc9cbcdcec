"""The error of a detector's landmarks against those of a teacher model, in shares of the size of the hand or face."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from gifcue.detect.regions import DEFAULT_THRESHOLD, Region
from gifcue_lab.datasets.annotation import DatasetError
from gifcue_lab.datasets.boxes import iou_matrix
from gifcue_lab.datasets.landmarks import FILE, MODEL
from gifcue_lab.evaluation.predictions import Predictions
from gifcue_lab.evaluation.truth import TruthPicture, box_array

Points = npt.NDArray[np.float64]
# Lower than for boxes: the detector's box encloses the whole hand, the teacher's points span only its joints.
MIN_IOU = 0.3


class Teacher:
    """The landmarks of a teacher model for a folder of pictures.

    Attributes:
        points: by kind and picture (`group/name` without suffix), a float64 array [N, 2] of x, y in pixels for each
            hand or face.
        face_points: the indices of a face's points in the teacher's mesh; empty if the file does not have them.
        model: the model of gifcue whose landmarks they are (`dataset landmarks`); "" for a teacher's.
    """

    def __init__(self, path: Path) -> None:
        """Reads a `landmarks.npz`. Raises `DatasetError` if it is damaged or an array is missing."""
        try:
            with np.load(path, allow_pickle=False) as arrays:
                kinds = {"hand": ("hand_file", "hand_xyz"), "face": ("face_file", "face_xy")}
                found = {kind: (arrays[names[0]], arrays[names[1]]) for kind, names in kinds.items()}
                numbers = arrays["face_points"].tolist() if "face_points" in arrays else []
                self.model = str(arrays[MODEL]) if MODEL in arrays else ""
        except (OSError, EOFError, ValueError, TypeError, KeyError, BadZipFile) as error:
            raise DatasetError(
                f"{path}: expected hand_file, hand_xyz, face_file, face_xy, got {error}"
            ) from error
        self.face_points = tuple(int(number) for number in numbers)
        self.points: dict[str, dict[str, list[Points]]] = {}
        for kind, (files, points) in found.items():
            by_name: dict[str, list[Points]] = defaultdict(list)
            for file, one in zip(files, points, strict=True):
                by_name[str(file)].append(one[:, :2].astype(np.float64))
            self.points[kind] = dict(by_name)


def read_teacher(directory: Path) -> Teacher | None:
    """The landmarks in a directory; None without a `landmarks.npz`."""
    path = directory / FILE
    return Teacher(path) if path.is_file() else None


def landmark_errors(
    truth: Sequence[TruthPicture],
    predictions: Predictions,
    teacher: Teacher,
    face_points: Sequence[int] = (),
) -> dict[str, dict[str, Any]]:
    """By kind: how many the `teacher` found, how many of these the detector `found`, and the errors of those.

    The error of a hand or face is the mean distance of its points, divided by the larger side of the box around the
    teacher's points.

    Args:
        face_points: the indices, in the teacher's mesh, of the detector's face points. Empty: the detector has all of
            the teacher's points.

    Returns:
        An entry for each kind with at least one match. A kind with other points than the teacher's has none.
    """
    places = {"face": _places(teacher.face_points, face_points)}
    errors: dict[str, list[float]] = {kind: [] for kind in teacher.points}
    total = dict.fromkeys(teacher.points, 0)
    for picture in truth:
        prediction = predictions.pictures[picture.name]
        size = np.array([picture.width, picture.height], np.float64)
        name = str(Path(picture.name).with_suffix("").as_posix())
        for kind, by_name in teacher.points.items():
            threshold = predictions.thresholds.get(kind, DEFAULT_THRESHOLD)
            regions = [
                r
                for r in prediction.regions
                if r.kind == kind and r.landmarks is not None and r.score >= threshold
            ]
            for points in by_name.get(name, ()):
                total[kind] += 1
                error = _error(points, size, regions, places.get(kind))
                if error is not None:
                    errors[kind].append(error)
    return {kind: _summary(total[kind], errors[kind]) for kind in errors if errors[kind]}


def model_face_points(model_dir: Path) -> tuple[int, ...]:
    """The indices of a model's face landmarks in the teacher's mesh; empty if its metadata does not have them."""
    try:
        metadata = json.loads((model_dir / "metadata.json").read_text(encoding="utf-8"))
        return tuple(int(number) for number in metadata["networks"]["face"]["points"])
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def _places(known: Sequence[int], wanted: Sequence[int]) -> list[int] | None:
    """The positions of the wanted points among the known ones; None if all are wanted, or one is not known."""
    if not wanted or not set(wanted) <= set(known):
        return None
    return [list(known).index(number) for number in wanted]


def _error(points: Points, size: Points, regions: Sequence[Region], places: list[int] | None) -> float | None:
    low, high = points.min(axis=0), points.max(axis=0)
    span = float((high - low).max())
    chosen = points if places is None else points[places]
    fitting = [r for r in regions if r.landmarks is not None and len(r.landmarks) == len(chosen)]
    if span <= 0 or not fitting:
        return None
    around = np.concatenate([(low / size)[::-1], (high / size)[::-1]])[None]
    overlaps = iou_matrix(around, box_array([r.box for r in fitting]))[0]
    best = fitting[int(overlaps.argmax())]
    if overlaps.max() < MIN_IOU or best.landmarks is None:
        return None
    distances = np.linalg.norm(best.landmarks[:, :2] * size - chosen, axis=1)
    return float(distances.mean()) / span


def _summary(teacher: int, errors: Sequence[float]) -> dict[str, Any]:
    median, p90 = np.percentile(errors, (50, 90))
    return {
        "teacher": teacher,
        "found": len(errors),
        "mean_error": round(float(np.mean(errors)), 4),
        "median_error": round(float(median), 4),
        "p90_error": round(float(p90), 4),
    }
