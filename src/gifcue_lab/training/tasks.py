"""The three training tasks: for each network its data, its loss and its measure of progress."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from gifcue.errors import ConfigError
from gifcue_lab.training import losses
from gifcue_lab.training.crops import CropSource
from gifcue_lab.training.hard_negatives import read_hard_negatives
from gifcue_lab.training.heldout import in_trained_groups, split
from gifcue_lab.training.label_overrides import apply_overrides
from gifcue_lab.training.networks import build_network
from gifcue_lab.training.recipe import Recipe
from gifcue_lab.training.samples import LANDMARKS, NONE, UNKNOWN, Photo, decode, read_photos
from gifcue_lab.training.scenes import SceneSource
from gifcue_lab.training.shapes import known_labels
from gifcue_lab.training.unlabelled import unlabelled_hands
from gifcue_lab.training.validation import Predict, measure_crops, measure_scenes

Floats = npt.NDArray[np.float32]

# About so many photographs are evaluated where a recipe holds none out. All are decoded and kept in memory.
EVALUATED_PHOTOS = 400


class Source(Protocol):
    """Where batches come from. Both methods may be called from several threads."""

    def epoch(self, rng: np.random.Generator) -> Sequence[Any]:
        """The samples of an epoch in their order."""
        ...

    def batch(self, chosen: Sequence[Any], rng: np.random.Generator | None) -> tuple[Any, dict[str, Floats]]:
        """Pictures [N, H, W, 3] uint8 and targets of some of these samples; without `rng` not augmented."""
        ...


@dataclass(frozen=True, slots=True)
class TrainingTask:
    """A network with what trains it.

    Attributes:
        network: the Keras model.
        source: the training batches.
        loss: targets and outputs ► the loss and its parts.
        measure: a function that predicts ► metrics on held-out photographs.
        goal: the metric that early stopping watches; greater is better.
    """

    network: Any
    source: Source
    loss: Callable[..., Any]
    measure: Callable[[Predict], dict[str, float]]
    goal: str


def prepare(recipe: Recipe, data_dir: Path, runs_dir: Path) -> TrainingTask:
    """Reads and decodes the photographs and builds the network with fresh weights.

    Raises:
        ConfigError: there are no photographs, a file that the recipe names is missing or damaged, or no photograph
            shows one of its labels.
    """
    overrides = recipe.find("label_overrides", runs_dir)
    hard_negatives_file = recipe.find("hard_negatives", runs_dir)
    photos = _read(recipe, data_dir)
    training, held_out = split(recipe, photos)
    if recipe.trained_groups:
        training = [photo for photo in training if in_trained_groups(recipe, photo)]
        if not training:
            raise ConfigError(
                f"trained_groups: expected patterns of groups in {data_dir / 'train'} that are not held out, got "
                f"{', '.join(recipe.trained_groups)}, which match none"
            )
    if recipe.max_photos:
        # Evenly spaced, since the photographs of a group follow one another.
        training = training[:: max(1, len(training) // recipe.max_photos)][: recipe.max_photos]
    if overrides is not None:
        apply_overrides(training, overrides, recipe.classes)
    # Without held-out photographs, a few of all.
    evaluated = held_out or photos[:: max(1, len(photos) // EVALUATED_PHOTOS)]
    network = build_network(recipe)
    if recipe.task == "detector":
        training = [photo for photo in training if not photo.is_tight_crop]
        evaluated = [photo for photo in evaluated if not photo.is_tight_crop]
        unlabelled = unlabelled_hands(training, data_dir / "train")
        scenes = SceneSource(recipe, training, decode(training), unlabelled)
        held_out_scenes = SceneSource(recipe, evaluated, decode(evaluated))
        return TrainingTask(
            network,
            scenes,
            losses.detector_loss,
            lambda predict: measure_scenes(held_out_scenes, predict),
            "ap",
        )
    _check_labels(recipe, training, known_labels(recipe, runs_dir))
    face_points = _face_points(data_dir, recipe) if recipe.task == "face" else []
    hard_negatives = read_hard_negatives(hard_negatives_file, recipe.task) if hard_negatives_file else {}
    crops = CropSource(recipe, training, decode(training), face_points, hard_negatives)
    held_out_crops = CropSource(recipe, evaluated, decode(evaluated), face_points)
    return TrainingTask(
        network,
        crops,
        losses.crop_loss,
        lambda predict: measure_crops(held_out_crops, predict, recipe.classes),
        "score",
    )


def _check_labels(recipe: Recipe, photos: Sequence[Photo], known: Sequence[str]) -> None:
    """Refuses a label that no sample shows: a misspelt one would train a class that nothing is ever taken for."""
    shown = Counter(sample.attribute for photo in photos for sample in photo.of_kind(recipe.task))
    labels = {label: count for label, count in sorted(shown.items()) if label not in (NONE, UNKNOWN)}
    there = ", ".join(f"{count} {label}" for label, count in labels.items()) or "no labels"
    if absent := [label for label in recipe.classes if label not in labels and label not in known]:
        raise ConfigError(
            f"classes: expected labels that {recipe.task}s of the training photographs show, got {', '.join(absent)}; "
            f"their {sum(shown.values())} {recipe.task}s show {there}"
        )
    if unknown := sorted(set(recipe.label_repeats) - {*recipe.classes, *labels, "none", "?"}):
        raise ConfigError(
            f"label_repeats: expected classes, none, ? or labels of the photographs, got {', '.join(unknown)}; their "
            f"{recipe.task}s show {there}"
        )


def _read(recipe: Recipe, data_dir: Path) -> list[Photo]:
    # Named so that a group that is not there is reported.
    if recipe.heldout_groups:
        read_photos(data_dir, "train", groups=recipe.heldout_groups)
    return read_photos(data_dir, "train")


def _face_points(data_dir: Path, recipe: Recipe) -> list[int]:
    """The mesh indices of the face landmarks in the data; the recipe's own where the data has no landmarks."""
    path = data_dir / "train" / LANDMARKS
    if not path.exists():
        return list(recipe.points)
    with np.load(path, allow_pickle=False) as arrays:
        points = [int(point) for point in arrays["face_points"]]
    if missing := sorted(set(recipe.points) - set(points)):
        raise ConfigError(
            f"points: expected points that {path} holds, got {', '.join(map(str, missing))}, which it does not"
        )
    return points
