"""What each of the three networks learns from: its data, its loss, its measure of progress."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from gifcue_lab.training import losses, networks
from gifcue_lab.training.config import TrainingConfig
from gifcue_lab.training.crops import CropSource
from gifcue_lab.training.hard_negatives import read_mistakes
from gifcue_lab.training.label_overrides import correct
from gifcue_lab.training.samples import Photo, decode, read_photos
from gifcue_lab.training.scenes import SceneSource

Floats = npt.NDArray[np.float32]


class Source(Protocol):
    """Where batches come from."""

    def epoch(self, rng: np.random.Generator) -> Sequence[Any]: ...

    def batch(
        self, chosen: Sequence[Any], rng: np.random.Generator | None
    ) -> tuple[Any, dict[str, Floats]]: ...


@dataclass(frozen=True, slots=True)
class Lesson:
    """A network with what trains it. `measure` takes a predict function and returns figures; `goal` names
    the one to raise.
    """

    network: Any
    source: Source
    loss: Callable[..., Any]
    measure: Callable[[Callable[[Any], dict[str, Floats]]], dict[str, float]]
    goal: str


def build_network(config: TrainingConfig) -> Any:
    """The network that the configuration describes, with fresh weights."""
    shape: dict[str, Any] = {}
    if config.channels:
        shape["channels"] = config.channels
    if config.blocks:
        shape["blocks"] = config.blocks
    if config.task == "detector":
        return networks.detector_network(config.width, config.height, **shape)
    points = len(config.points) if config.task == "face" else 21
    return networks.crop_network(
        config.width,
        points,
        len(config.classes) + 1,
        depth_axis=config.task == "hand",
        name=config.task,
        **shape,
    )


def prepare(config: TrainingConfig) -> Lesson:
    """Reads and decodes the data and builds the network."""
    training = read_photos(config.data_dir, "train", without=config.heldout_groups)
    if config.photos:
        # Spread over the groups, which lie behind one another.
        training = training[:: max(1, len(training) // config.photos)][: config.photos]
    if config.corrections:
        correct(training, config.corrections, config.classes)
    checked = _heldout(config)
    network = build_network(config)
    if config.task == "detector":
        training = [photo for photo in training if not photo.is_tight_crop]
        checked = [photo for photo in checked if not photo.is_tight_crop]
        scenes = SceneSource(config, training, decode(training))
        check = SceneSource(config, checked, decode(checked))
        return Lesson(network, scenes, losses.detector_loss, check.measure, "ap")
    face_points = _face_points(config)
    mistakes = read_mistakes(config.mistakes, config.task) if config.mistakes else {}
    crops = CropSource(config, training, decode(training), face_points, mistakes)
    held = CropSource(config, checked, decode(checked), face_points)
    return Lesson(
        network, crops, losses.crop_loss, lambda predict: measure_crops(held, predict, config), "score"
    )


def _heldout(config: TrainingConfig) -> list[Photo]:
    if config.heldout_groups:
        return read_photos(config.data_dir, "train", groups=config.heldout_groups)
    photos = read_photos(config.data_dir, "train", without=config.heldout_groups)
    return photos[:: max(1, len(photos) // 400)]


def _face_points(config: TrainingConfig) -> list[int]:
    if config.task != "face":
        return []
    with np.load(config.data_dir / "train" / "landmarks.npz") as arrays:
        return [int(point) for point in arrays["face_points"]]


def measure_crops(
    source: CropSource, predict: Callable[[Any], dict[str, Floats]], config: TrainingConfig
) -> dict[str, float]:
    """Mean landmark error (share of the crop) and F1 of each class by the most probable, on crops of true
    boxes.
    """
    misses: list[float] = []
    known: list[int] = []
    said: dict[str, list[int]] = {"by_sight": [], "by_shape": [], "both": []}
    for start in range(0, len(source.samples), 128):
        crops, targets = source.batch(source.samples[start : start + 128], None)
        outputs = predict(crops)
        off = np.abs(outputs["landmarks"][:, :, :2] - targets["landmarks"][:, :, :2])
        misses.extend(np.hypot(off[..., 0], off[..., 1]).mean(1)[targets["has_landmarks"] > 0].tolist())
        rows = targets["has_label"] > 0
        known.extend(targets["label"][rows].astype(int).tolist())
        both = outputs["by_sight"] + outputs["by_shape"]
        for head, logits in (
            ("by_sight", outputs["by_sight"]),
            ("by_shape", outputs["by_shape"]),
            ("both", both),
        ):
            said[head].extend(logits[rows].argmax(1).tolist())
    figures = {"miss": float(np.mean(misses)) if misses else 0.0}
    truth = np.array(known)
    for head, answers in said.items():
        given = np.array(answers)
        for number, name in enumerate(config.classes, 1):
            hits = int(((truth == number) & (given == number)).sum())
            figures[f"{head}/{name}"] = (
                2 * hits / max(1, int((truth == number).sum() + (given == number).sum()))
            )
    figures["score"] = float(np.mean([figures[f"both/{name}"] for name in config.classes])) - figures["miss"]
    return figures
