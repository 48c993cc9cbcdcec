"""Hard negatives: places that a model takes for a face or a hand although none is there.

Random places are weak negatives, since most of them show a wall. The places that the detector offers wrongly are strong
ones. The labels of the train split decide what is wrong. Small hands are not always labelled, so places that the crop
stage is sure of are left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gifcue.detect import processing
from gifcue.detect.detector import DetectorConfig
from gifcue.detect.litert import LiteRtDetector
from gifcue.detect.metadata import read_metadata
from gifcue.detect.regions import KINDS
from gifcue.detect.trust import UNCHECKED
from gifcue.errors import ConfigError
from gifcue_lab.datasets.boxes import iou_matrix
from gifcue_lab.datasets.progress import Track, quiet
from gifcue_lab.training.negatives import covered_share
from gifcue_lab.training.samples import Photo, read_image, read_photos

Floats = npt.NDArray[np.float32]
# Boxes in pixels of the photographs, by kind and by the photographs' names.
BoxesByKind = dict[str, dict[str, list[list[float]]]]

# A hard negative overlaps no labelled box of its kind by more than this IoU, and covers no more than this share of one.
MAX_IOU = 0.2
MAX_COVERED = 0.25
# Boxes of one photograph that overlap by this IoU or more are the same hard negative.
SAME_IOU = 0.7
# The range of region scores. Lower scores mislead nobody; higher ones may be hands without a label.
SCORE_RANGE = (0.01, 0.55)


def find_hard_negatives(
    model_dir: Path, data_dir: Path, out: Path, *, track: Track = quiet
) -> dict[str, int]:
    """Runs a model over the train split and adds its hard negatives to the JSON file `out`.

    Returns:
        How many of each kind the file then holds.

    Raises:
        ConfigError: there are no photographs, or `out` is another file.
        ModelError: the model cannot be read.
    """
    detector = LiteRtDetector(DetectorConfig(model_dir, model_sha256=UNCHECKED))
    metadata = read_metadata(model_dir, "litert", sha256=UNCHECKED)
    found = _read(out) if out.exists() else {kind: {} for kind in KINDS}
    photos = [photo for photo in read_photos(data_dir, "train") if not photo.is_tight_crop]
    for photo in track(photos, "finding hard negatives"):
        image = read_image(photo.path)
        frame = processing.shrink(image, metadata.longest_px)
        scale = image.shape[1] / frame.shape[1]
        for seen in detector.raw_regions(frame):
            rescoring = metadata.stages[seen.kind].rescoring
            score = rescoring.score(seen.detector_score, seen.presence_logit)
            box = seen.box * scale
            if SCORE_RANGE[0] <= score <= SCORE_RANGE[1] and _is_hard_negative(photo, seen.kind, box):
                known = found[seen.kind].setdefault(photo.name, [])
                if _max_iou(known, box) < SAME_IOU:
                    known.append([round(float(edge), 1) for edge in box])
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(found), encoding="utf-8")
    return {kind: sum(len(boxes) for boxes in by_name.values()) for kind, by_name in found.items()}


def read_hard_negatives(path: Path | Traversable, kind: str) -> Mapping[str, Sequence[Floats]]:
    """Boxes [4] of one kind in pixels of the photographs, by the photographs' names.

    Raises:
        ConfigError: the file cannot be read.
    """
    return {
        name: [np.array(box, np.float32) for box in boxes]
        for name, boxes in _read(path).get(kind, {}).items()
    }


def _read(path: Path | Traversable) -> BoxesByKind:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {
            kind: {
                name: [[float(edge) for edge in box] for box in boxes]
                for name, boxes in content[kind].items()
            }
            for kind in KINDS
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"hard_negatives: expected a file of `gifcue-lab hard-negatives`, got {path} ({error})"
        ) from error


def _is_hard_negative(photo: Photo, kind: str, box: Floats) -> bool:
    if kind == "hand" and _max_iou([_surroundings(face.box) for face in photo.of_kind("face")], box) > 0:
        # Hands before a face and just below it are often not labelled, so a missing label proves nothing there.
        return False
    samples = [sample.box for sample in photo.of_kind(kind)]
    return _max_iou(samples, box) <= MAX_IOU and all(
        covered_share(sample, box) <= MAX_COVERED for sample in samples
    )


def _max_iou(boxes: npt.ArrayLike, box: Floats) -> float:
    """The greatest IoU of `box` [4] with one of the boxes [N, 4]; 0 where there are none."""
    return float(iou_matrix(boxes, box).max(initial=0.0))


def _surroundings(face: Floats) -> Floats:
    """A face's box [4], a little wider and longer at the chin."""
    low, high = face[:2], face[2:]
    extent = high - low
    return np.concatenate([low - 0.1 * extent, high + [0.1, 0.25] * extent]).astype(np.float32)
