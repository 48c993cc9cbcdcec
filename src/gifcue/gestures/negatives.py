"""Hands of other people, from which a new gesture must be distinguished.

The package contains them as landmarks, moved to the wrist and scaled by the palm. They hold no position, size, face or
background of a person. `gifcue-lab dataset gesture-negatives` makes them from labelled pictures. They must be made with
the networks that are served, because a classifier would otherwise learn the difference between two networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from gifcue.detect.gesture_classifier import POINTS, hand_features
from gifcue.errors import ModelError

SHIPPED = Path(__file__).with_name("negatives.npz")

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Negatives:
    """Normalised hands.

    Attributes:
        points: float32 [N, 21, 3], in units of the palm, with the wrist at the origin.
        groups: int64 [N], the number of each hand's source. The hands of one person share it.
    """

    points: Floats
    groups: npt.NDArray[np.int64]

    def features(self) -> Floats:
        """The features [N, F] for a gesture classifier."""
        return np.stack([hand_features(points) for points in self.points])


def read_negatives(path: Path = SHIPPED) -> Negatives:
    """Reads a file of negatives, by default that of the package.

    Raises:
        ModelError: the file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            points, groups = arrays["points"].astype(np.float32), arrays["groups"].astype(np.int64)
    except (OSError, EOFError, ValueError, KeyError, BadZipFile) as error:
        raise ModelError(f"{path}: expected landmarks of hands, got {error!r}") from error
    if points.ndim != 3 or points.shape[1:] != (POINTS, 3) or len(points) != len(groups):
        raise ModelError(f"{path}: expected points [N, {POINTS}, 3] and N groups, got {points.shape}")
    return Negatives(points, groups)


def write_negatives(negatives: Negatives, path: Path) -> None:
    """Writes compressed half-precision landmarks. The rounding is below the error of any hand network."""
    np.savez_compressed(
        path, points=negatives.points.astype(np.float16), groups=negatives.groups.astype(np.uint16)
    )
