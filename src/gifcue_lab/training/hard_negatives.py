"""What a model takes for a face or a hand and is none: the best lessons in what a hand is not.

Places that are picked at random teach little: most are wall. A flower that the detector offers as a hand teaches much.
Train's own labels tell which are mistakes, and they miss a few small hands: what the close look is sure of is left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gifcue.detect import processing
from gifcue.detect.detector import DetectorConfig
from gifcue.detect.litert import LiteRtDetector
from gifcue.detect.metadata import read_metadata
from gifcue.detect.regions import KINDS
from gifcue.errors import ConfigError
from gifcue_lab.datasets.progress import Track, quiet
from gifcue_lab.training.crops import covered
from gifcue_lab.training.samples import Photo, read_image, read_photos
from gifcue_lab.training.scenes import overlap

Floats = npt.NDArray[np.float32]
# By kind and by the photographs' names.
Found = dict[str, dict[str, list[list[float]]]]

# A mistake overlaps no labelled box by more (IoU), and hides no more than this share of one.
MOST_OVERLAP = 0.2
MOST_HIDDEN = 0.25
# Two boxes that overlap by as much (IoU) are one mistake.
SAME = 0.7
# Scores of detector and close look together: below, nobody would be misled; above, it may be a hand without a label.
SCORES = (0.01, 0.55)


def find_mistakes(model_dir: Path, data_dir: Path, out: Path, *, track: Track = quiet) -> dict[str, int]:
    """Runs the model over the train split, adds its mistakes to the JSON file `out`, and returns how many of each
    kind are in it.

    Raises:
        ConfigError: there are no photographs, or no model.
    """
    detector = LiteRtDetector(DetectorConfig(model_dir))
    metadata = read_metadata(model_dir, "litert")
    found = _read(out) if out.exists() else {kind: {} for kind in KINDS}
    photos = [photo for photo in read_photos(data_dir, "train") if not photo.is_tight_crop]
    for photo in track(photos, "looking for mistakes"):
        image = read_image(photo.path)
        frame = processing.shrink(image, metadata.longest_px)
        scale = image.shape[1] / frame.shape[1]
        for seen in detector.raw_regions(frame):
            rescoring = metadata.stages[seen.kind].rescoring
            score = rescoring.score(seen.detector_score, seen.presence_logit)
            box = seen.box * scale
            if SCORES[0] <= score <= SCORES[1] and _is_mistake(photo, seen.kind, box):
                known = found[seen.kind].setdefault(photo.name, [])
                if all(overlap(np.array(other, np.float32), box) < SAME for other in known):
                    known.append([round(float(side), 1) for side in box])
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(found), encoding="utf-8")
    return {kind: sum(len(boxes) for boxes in by_name.values()) for kind, by_name in found.items()}


def read_mistakes(path: Path, kind: str) -> Mapping[str, Sequence[Floats]]:
    """Boxes [4] in pixels of the photographs, by the photographs' names.

    Raises:
        ConfigError: the file cannot be read.
    """
    return {
        name: [np.array(box, np.float32) for box in boxes]
        for name, boxes in _read(path).get(kind, {}).items()
    }


def _read(path: Path) -> Found:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {
            kind: {
                name: [[float(side) for side in box] for box in boxes] for name, boxes in found[kind].items()
            }
            for kind in KINDS
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"mistakes: expected a file of `python -m gifcue_lab.training mistakes`, got {path} ({error})"
        ) from error


def _is_mistake(photo: Photo, kind: str, box: Floats) -> bool:
    if kind == "hand" and any(overlap(_about(face.box), box) > 0 for face in photo.of_kind("face")):
        # Before a face and just below it the teacher misses most hands, so a label that is missing says nothing.
        return False
    return all(
        overlap(sample.box, box) <= MOST_OVERLAP and covered(sample.box, box) <= MOST_HIDDEN
        for sample in photo.of_kind(kind)
    )


def _about(face: Floats) -> Floats:
    low, high = face[:2], face[2:]
    reach = high - low
    return np.concatenate([low - 0.1 * reach, high + [0.1, 0.25] * reach]).astype(np.float32)
