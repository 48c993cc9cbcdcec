"""Writing `metadata.json`, which `gifcue.detect.metadata` reads for serving."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gifcue.detect.labels import LabelMap, read_label_map, write_label_map
from gifcue.detect.metadata import FORMAT, LABEL_MAP, METADATA
from gifcue.detect.processing import STRIDE
from gifcue.detect.regions import KINDS
from gifcue.errors import ConfigError
from gifcue_lab.training.recipe import NetworkShape, Recipe
from gifcue_lab.training.shapes import NETWORKS, SHAPE_KEYS, WEIGHTS

NAME, VERSION = "gifcue", "0.1.0"
# How much the landmarks' extent counts in a box, and how much it is enlarged. Measured on held-out people.
REFINEMENT = {"face": {"weight": 0.5, "scale": 1.1}, "hand": {"weight": 0.3, "scale": 1.5}}
# No labels are given to a face or hand whose longer side is smaller, in pixels of the frame. Half of the false smiles
# on people outside the data were on faces far in the background.
SMALLEST_PX = 24
# The detector's settings. Boxes below the score are dropped, and so is the weaker of two boxes above the IoU. A frame
# longer than `LONGEST_PX` is scaled down before crops are cut from it.
SCORE_FLOOR, NMS_IOU, LONGEST_PX = 0.05, 0.5, 640
# Used until calibration has chosen a threshold.
NEUTRAL_THRESHOLD = 0.5

Metadata = dict[str, Any]


def write_metadata(model_dir: Path, recipes: Mapping[str, Recipe], base: Path | None = None) -> None:
    """Writes the metadata of networks that these recipes, by task, describe.

    A network without a recipe is described as in `base`. A network that learned only new labels keeps the calibration
    and thresholds of the model that it started from. For other networks, those that the file holds already are kept
    where the labels are the same.

    Args:
        model_dir: the folder to write.
        recipes: the networks that were trained.
        base: the model whose description holds for the networks without a recipe; None where each has one.

    Raises:
        ConfigError: the metadata of a model is missing or damaged.
    """
    path = model_dir / METADATA
    given = read_raw(base / METADATA) if base is not None else {}
    old = read_raw(path) if path.exists() else given
    given = given or old
    sources = {name: _source(recipes.get(name), old, given) for name in NETWORKS}
    stages = {
        kind: _stage(kind, recipes[kind], sources[kind]) if kind in recipes else given["stages"][kind]
        for kind in KINDS
    }
    labels_of: dict[str, list[str]] = {"detector": list(KINDS)}
    labels_of |= {kind: stages[kind]["labels"] for kind in KINDS}
    labels = [label for each in labels_of.values() for label in each]
    thresholds = {**dict.fromkeys(labels, NEUTRAL_THRESHOLD), **old.get("thresholds", {})}
    for name, source in sources.items():
        known = source.get("thresholds", {})
        thresholds |= {label: known[label] for label in labels_of[name] if label in known}
    metadata = {
        "format": FORMAT,
        "name": NAME,
        "version": VERSION,
        "files": float_files(),
        "detector": _detector(recipes["detector"]) if "detector" in recipes else given["detector"],
        "stages": stages,
        "networks": {
            **given.get("networks", {}),
            **{name: _shape(recipe) for name, recipe in recipes.items()},
        },
        "thresholds": {label: thresholds[label] for label in labels},
        "training": given.get("training", {}),
    }
    _write(path, metadata)
    _write_label_map(model_dir, labels, base)


def _source(recipe: Recipe | None, old: Metadata, given: Metadata) -> Metadata:
    """The metadata that holds for what training left of a network as it was."""
    if recipe is None:
        return given
    start = recipe.start(Path()) if recipe.new_labels_only else None
    return old if start is None else read_raw(start / METADATA)


def update_metadata(model_dir: Path, change: Callable[[Metadata], None]) -> None:
    """Reads the metadata, lets `change` edit it in place, and writes it."""
    path = model_dir / METADATA
    metadata = read_raw(path)
    change(metadata)
    _write(path, metadata)


def read_raw(path: Path) -> Metadata:
    """The contents of a metadata file.

    Raises:
        ConfigError: it is missing or damaged.
    """
    try:
        metadata: Metadata = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: expected the metadata of a model, got {error}") from error
    return metadata


def update_checksums(model_dir: Path) -> None:
    """Writes size and SHA-256 of every LiteRT file into the metadata."""

    def change(metadata: Metadata) -> None:
        for entry in metadata["files"].values():
            for file in (entry, entry.get("int8")):
                if file is not None:
                    content = (model_dir / file["path"]).read_bytes()
                    file["sha256"] = hashlib.sha256(content).hexdigest()
                    file["bytes"] = len(content)

    update_metadata(model_dir, change)


def float_files() -> dict[str, dict[str, str]]:
    """The entries of the float LiteRT files, without checksums."""
    return {name: {"path": f"{name}.tflite", "sha256": ""} for name in NETWORKS}


def copy_description(model_dir: Path, out: Path) -> None:
    """Copies what every format needs: weights, metadata and label map."""
    out.mkdir(parents=True, exist_ok=True)
    for name in (WEIGHTS, METADATA, LABEL_MAP):
        shutil.copyfile(model_dir / name, out / name)


def _detector(recipe: NetworkShape) -> dict[str, Any]:
    return {
        "width": recipe.width,
        "height": recipe.height,
        "stride": STRIDE,
        "score_floor": SCORE_FLOOR,
        "nms_iou": NMS_IOU,
        "longest_px": LONGEST_PX,
    }


def _write_label_map(model_dir: Path, labels: Sequence[str], base: Path | None) -> None:
    """Writes the label map where it is missing or holds other labels. A label that the base knows keeps its id."""
    path = model_dir / LABEL_MAP
    before = path if path.exists() or base is None else base / LABEL_MAP
    known = read_label_map(before).by_id if before.exists() else {}
    kept = {number: label for number, label in known.items() if label in labels}
    following = max(known, default=0) + 1
    new = [label for label in labels if label not in kept.values()]
    by_id = {**kept, **{following + index: label for index, label in enumerate(new)}}
    if by_id != known or before != path:
        path.write_text(write_label_map(LabelMap(by_id)), encoding="utf-8")


def _stage(kind: str, recipe: Recipe, old: Metadata) -> dict[str, Any]:
    before = old.get("stages", {}).get(kind, {})
    known = before.get("labels", [])
    if recipe.new_labels_only and list(recipe.classes[: len(known)]) == known:
        # A calibration has a bias for each label. It goes on to hold for the labels that were there.
        more = [0.0] * (len(recipe.classes) - len(known))
        calibration = before["calibration"]
        before = {**before, "calibration": {**calibration, "bias": [*calibration["bias"], *more]}}
    elif known != list(recipe.classes):
        before = {key: value for key, value in before.items() if key != "calibration"}
    neutral = {"shape": 0.5, "sight": 0.5, "bias": [0.0] * (len(recipe.classes) + 1)}
    # What the hands at a face say was fitted to the scores of one network, which only new labels leave as they are.
    fitted = {key: before[key] for key in ("relation",) if key in before and recipe.new_labels_only}
    return {
        "size": recipe.width,
        "margin": recipe.margin,
        "labels": list(recipe.classes),
        "calibration": before.get("calibration", neutral),
        "smallest_px": before.get("smallest_px", SMALLEST_PX),
        "refinement": before.get("refinement", REFINEMENT[kind]),
        "rescoring": before.get("rescoring", {"found": 1.0, "present": 0.0, "bias": 0.0}),
        **fitted,
    }


def _shape(recipe: NetworkShape) -> dict[str, Any]:
    lists = {key: list(getattr(recipe, key)) for key in SHAPE_KEYS}
    more = {"own_units": recipe.own_units} if recipe.own_units else {}
    return {"width": recipe.width, "height": recipe.height, **lists, **more}


def _write(path: Path, metadata: Metadata) -> None:
    path.write_text(json.dumps(metadata, indent=2) + "\n", encoding="utf-8")
