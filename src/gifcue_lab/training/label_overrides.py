"""Labels that somebody looked at again, kept apart from the data that they correct.

A JSON file: for each photograph, named by the start of its SHA-256, a list of `{"box": [xmin, ymin, xmax, ymax]}`
with what the face or hand `shows` ("" for none of the labels) or, where that stays unknown, the label that it
`denies`. Nothing in it tells who is in the pictures.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gifcue.errors import ConfigError
from gifcue_lab.training.samples import NONE, SAME_BOX_PX, Photo

HASH_LETTERS = 16


def photo_key(path: Path) -> str:
    """The name of a photograph in a file of corrections."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:HASH_LETTERS]


def correct(photos: Sequence[Photo], path: Path, labels: Sequence[str]) -> int:
    """Puts the corrections in place of the photographs' labels, and returns how many there were. Photographs that are
    not among these are passed over: some are held out of training.

    Raises:
        ConfigError: the file cannot be read, names another label than `labels`, or a box that nobody labelled.
    """
    try:
        corrections = json.loads(path.read_text(encoding="utf-8"))
        corrected = {
            key: [
                (np.array(entry["box"], np.float32), entry.get("shows"), entry.get("denies", ""))
                for entry in entries
            ]
            for key, entries in corrections.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"corrections: expected boxes and what they show by photograph, got {path} ({error})"
        ) from error
    known = {None, NONE, *labels}
    wrong = {label for entries in corrected.values() for entry in entries for label in entry[1:]} - known
    if wrong:
        raise ConfigError(
            f"corrections: expected {', '.join(labels)}, got {', '.join(sorted(map(str, wrong)))} in {path}"
        )
    count = 0
    for photo in photos:
        for box, shows, denies in corrected.get(photo_key(photo.path), ()):
            same = [sample for sample in photo.samples if np.abs(sample.box - box).max() <= SAME_BOX_PX]
            if not same:
                raise ConfigError(
                    f"corrections: expected a labelled box, got {box.tolist()} of {photo.name} in {path}"
                )
            for sample in same:
                sample.attribute = sample.attribute if shows is None else shows
                sample.denies = denies
            count += 1
    return count
