"""Samples of a gesture: hands as landmarks, in one JSON file a label.

    {"format": "gifcue-gesture-samples/1", "label": "victory",
     "samples": [{"source": "me.mp4@1.20", "aspect": 1.7778, "landmarks": [[x, y, z] x 21]}]}

Landmarks are shares of the frame, as in `Region`; `aspect` is the frame's width over its height. No picture
is kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gifcue.detect.gesture_classifier import POINTS, hand_features
from gifcue_lab.datasets.annotation import DatasetError

FORMAT = "gifcue-gesture-samples/1"
# Hands that make none of the user's gestures; captured like a gesture, trained against.
NONE = "none"
_LABEL = re.compile(r"[a-z][a-z0-9_]{0,31}")

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class HandSample:
    """One hand. `landmarks` float32 [21, 3], shares of the frame; `source` says where it was seen."""

    landmarks: Floats
    aspect: float
    source: str = ""

    def features(self) -> Floats:
        """What a light head sees, [F]."""
        return hand_features(self.landmarks, self.aspect)


def check_label(label: str) -> str:
    """The label itself. Raises `DatasetError` unless it is lower-case letters, digits and underscores."""
    if not _LABEL.fullmatch(label):
        raise DatasetError(f"expected a label of a-z, 0-9 and _, beginning with a letter, got {label!r}")
    return label


def samples_path(folder: Path, label: str) -> Path:
    """Where the samples of a label are kept."""
    return folder / f"{check_label(label)}.json"


def read_samples(folder: Path, label: str) -> list[HandSample]:
    """The samples of a label, in the order they were seen; none where nobody captured any.

    Raises `DatasetError` when the file is damaged or of another form.
    """
    path = samples_path(folder, label)
    if not path.exists():
        return []
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] != FORMAT or document["label"] != label:
            raise ValueError(f"format {document['format']!r}, label {document['label']!r}")
        samples = [
            HandSample(np.asarray(one["landmarks"], np.float32), float(one["aspect"]), str(one["source"]))
            for one in document["samples"]
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{path}: expected {FORMAT} of {label!r}, got {error!r}") from error
    wrong = next((s for s in samples if s.landmarks.shape != (POINTS, 3) or not s.aspect > 0), None)
    if wrong is not None:
        shape = wrong.landmarks.shape
        raise DatasetError(
            f"{path}: expected landmarks [{POINTS}, 3] and an aspect, got {shape}, {wrong.aspect}"
        )
    return samples


def write_samples(folder: Path, label: str, samples: Sequence[HandSample]) -> Path:
    """Replace the samples of a label; return the file."""
    path = samples_path(folder, label)
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "format": FORMAT,
        "label": label,
        "samples": [
            {
                "source": s.source,
                "aspect": round(s.aspect, 4),
                "landmarks": [[round(float(value), 5) for value in point] for point in s.landmarks],
            }
            for s in samples
        ],
    }
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(document), encoding="utf-8")
    part.replace(path)
    return path


def labels_in(folder: Path) -> list[str]:
    """The labels that have samples, sorted."""
    return sorted(path.stem for path in folder.glob("*.json"))
