"""Samples of a gesture: landmarks of hands, in one JSON file for each label.

    {"format": "gifcue-gesture-samples/1", "label": "victory",
     "samples": [{"source": "me.mp4@1.20", "aspect": 1.7778, "landmarks": [[x, y, z] x 21]}]}

Landmarks are shares of the frame, as in `gifcue.detect.Region`; `aspect` is the frame's width divided by its height. No
picture is stored.
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
from gifcue.errors import GifcueError

FORMAT = "gifcue-gesture-samples/1"
# Characters of a label that is refused, in the error.
_SHOWN_LABEL = 40
# The label of samples that show none of the user's gestures.
NONE = "none"
_LABEL = re.compile(r"[a-z][a-z0-9_]{0,31}")

Floats = npt.NDArray[np.float32]


class GestureError(GifcueError):
    """A label is not allowed, or samples are damaged or too few."""


@dataclass(frozen=True, eq=False)
class HandSample:
    """One hand.

    Attributes:
        landmarks: float32 [21, 3], in shares of the frame.
        aspect: width of the frame divided by its height.
        source: the picture, or the recording and the time in it.
    """

    landmarks: Floats
    aspect: float
    source: str = ""

    def features(self) -> Floats:
        """The features [F] for a gesture classifier."""
        return hand_features(self.landmarks, self.aspect)


def stack_features(samples: Sequence[HandSample]) -> Floats:
    """The features [N, F] of one or more samples."""
    return np.stack([sample.features() for sample in samples])


def check_label(label: str) -> str:
    """Returns the label.

    Raises:
        GestureError: it is not made of lower-case letters, digits and underscores, or is longer than 32 characters.
    """
    if not _LABEL.fullmatch(label):
        raise GestureError(
            f"expected a label of at most 32 of a-z, 0-9 and _, beginning with a letter, got "
            f"{label[:_SHOWN_LABEL]!r}"
        )
    return label


def samples_path(folder: Path, label: str) -> Path:
    """The file of a label's samples. Raises GestureError where the label is not allowed."""
    return folder / f"{check_label(label)}.json"


def read_samples(folder: Path, label: str) -> list[HandSample]:
    """The samples of a label, in the order in which they were captured; empty where there is no file.

    Raises:
        GestureError: the file is damaged or has another format, or the label is not allowed.
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
        raise GestureError(f"{path}: expected {FORMAT} of {label!r}, got {error!r}") from error
    for sample in samples:
        if sample.landmarks.shape != (POINTS, 3) or not sample.aspect > 0:
            raise GestureError(
                f"{path}: expected landmarks [{POINTS}, 3] and a positive aspect, got {sample.landmarks.shape} "
                f"and {sample.aspect}"
            )
    return samples


def write_samples(folder: Path, label: str, samples: Sequence[HandSample]) -> Path:
    """Replaces the samples of a label and returns their file. Raises GestureError where the label is not allowed."""
    path = samples_path(folder, label)
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "format": FORMAT,
        "label": label,
        "samples": [
            {
                "source": sample.source,
                "aspect": round(sample.aspect, 4),
                "landmarks": [[round(float(value), 5) for value in point] for point in sample.landmarks],
            }
            for sample in samples
        ],
    }
    # Written beside the file and renamed, so that an interruption does not lose the samples that are there.
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(document), encoding="utf-8")
    part.replace(path)
    return path


def labels_in(folder: Path) -> list[str]:
    """The labels that have samples, sorted."""
    return sorted(path.stem for path in folder.glob("*.json"))
