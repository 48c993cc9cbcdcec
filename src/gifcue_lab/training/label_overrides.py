"""Labels that were reviewed by eye, kept apart from the data that they override.

A JSON file holds a list for each photograph, named by the start of its SHA-256. An entry has the `box` (xmin, ymin,
xmax, ymax in pixels) of a labelled face or hand, and either `shows`, the label that it shows ("" for none of the
labels), or `absent`, a label that it does not show while its true label stays unknown. The file does not identify the
people in the pictures.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gifcue.errors import ConfigError
from gifcue_lab.training.samples import NONE, Photo

# An override is for the face or hand whose corners differ from its box by no more than this, in pixels.
SAME_BOX_PX = 3.0
# Hexadecimal digits of a photograph's SHA-256 that name it.
KEY_DIGITS = 16
ENTRY_KEYS = {"box", "shows", "absent"}


class LabelOverride(NamedTuple):
    """One entry: `shows` is None where only `absent` is known, `absent` is "" where only `shows` is."""

    box: npt.NDArray[np.float32]
    shows: str | None
    absent: str


def photo_key(path: Path) -> str:
    """The name of a photograph in a file of label overrides."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:KEY_DIGITS]


def apply_overrides(photos: Sequence[Photo], path: Path | Traversable, labels: Sequence[str]) -> int:
    """Overrides the labels of photographs, and returns how many boxes were changed.

    Entries for other photographs are ignored, since some photographs are held out of training.

    Args:
        photos: changed in place.
        path: the JSON file.
        labels: the labels that entries may name.

    Raises:
        ConfigError: the file cannot be read, or an entry names an unknown label or a box that is not labelled.
    """
    overrides = _read(path)
    known = {None, NONE, *labels}
    wrong = {label for entries in overrides.values() for entry in entries for label in entry[1:]} - known
    if wrong:
        raise ConfigError(
            f"label_overrides: expected {', '.join(labels)}, got {', '.join(sorted(map(str, wrong)))} in {path}"
        )
    count = 0
    for photo in photos:
        for box, shows, absent in overrides.get(photo_key(photo.path), ()):
            same = [sample for sample in photo.samples if np.abs(sample.box - box).max() <= SAME_BOX_PX]
            if not same:
                raise ConfigError(
                    f"label_overrides: expected a labelled box, got {box.tolist()} of {photo.name} in {path}"
                )
            for sample in same:
                sample.attribute = sample.attribute if shows is None else shows
                sample.absent = absent
            count += 1
    return count


def _read(path: Path | Traversable) -> dict[str, list[LabelOverride]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        for entries in content.values():
            for entry in entries:
                if unknown := set(entry) - ENTRY_KEYS:
                    raise ValueError(f"unknown keys {', '.join(sorted(unknown))}")
        return {
            key: [
                LabelOverride(np.array(entry["box"], np.float32), entry.get("shows"), entry.get("absent", ""))
                for entry in entries
            ]
            for key, entries in content.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"label_overrides: expected boxes with what they show, by photograph, got {path} ({error})"
        ) from error
