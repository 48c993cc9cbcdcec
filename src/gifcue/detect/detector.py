"""What a detector is: its protocol, its configuration, and the description of its model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from gifcue.detect.regions import Region
from gifcue.errors import ConfigError

Frame = npt.NDArray[np.uint8]
Backend = Literal["litert", "savedmodel"]
Precision = Literal["int8", "float"]

BACKENDS: tuple[Backend, ...] = ("litert", "savedmodel")
PRECISIONS: tuple[Precision, ...] = ("int8", "float")


@dataclass(frozen=True, slots=True)
class DetectorConfig:
    """What `open_detector` opens.

    Attributes:
        model_dir: folder with the weights, `label_map.pbtxt` and `metadata.json`.
        backend: the runtime.
        threads: threads of the runtime. Workers scale by processes, because two processes of one thread are faster than
            one process of two threads.
        max_faces: faces of a frame that get a crop stage, best score first. The limit keeps a poster of faces from
            delaying a batch.
        max_hands: the same for hands.
        gesture_files: files of gesture classifiers (`gifcue.detect.gesture_classifier`).
        score_floor: detector score, 0..1, below which a region gets no crop stage. None stands for the model's own
            floor, which is also the minimum. A crop stage costs a third of a detector run, and regions with low
            detector scores rarely reach a threshold after it.
        precision: precision of LiteRT's convolutions. `int8` uses the quantised networks where the model has them.

    Raises:
        ConfigError: a value is not in its range.
    """

    model_dir: Path
    backend: Backend = "litert"
    threads: int = 1
    max_faces: int = 8
    max_hands: int = 8
    gesture_files: tuple[Path, ...] = ()
    score_floor: float | None = None
    precision: Precision = "int8"

    def __post_init__(self) -> None:
        if self.backend not in BACKENDS:
            raise ConfigError(f"backend: expected one of {', '.join(BACKENDS)}, got {self.backend!r}")
        if self.precision not in PRECISIONS:
            raise ConfigError(f"precision: expected one of {', '.join(PRECISIONS)}, got {self.precision!r}")
        for name in ("threads", "max_faces", "max_hands"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: expected 1 or more, got {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """The description of a model.

    Attributes:
        name: name of the model.
        version: version of the model.
        backend: the runtime.
        labels: all labels, in the order of the label map; labels of gesture classifiers last.
        thresholds: score, 0..1, from which a label counts as detected, for every label.
        input_width: width of the detector network's input in pixels.
        input_height: its height in pixels.
        attributes: labels that a region of each kind can show.
        checksums: SHA-256 of each network's file, in hexadecimal.
    """

    name: str
    version: str
    backend: str
    labels: tuple[str, ...]
    thresholds: Mapping[str, float]
    input_width: int
    input_height: int
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    checksums: Mapping[str, str] = field(default_factory=dict)


class Detector(Protocol):
    """Finds faces and hands. Owned by one process and called from one thread."""

    @property
    def info(self) -> ModelInfo:
        """The description of the model, with the labels of the gesture classifiers."""

    def warm(self) -> None:
        """Runs every fixed input shape once, so that the first frame is not delayed by it."""

    def detect(self, frames: Sequence[Frame]) -> list[list[Region]]:
        """Takes RGB frames, uint8 [H, W, 3], of any sizes. Returns the regions of each frame, best score first."""

    def close(self) -> None:
        """Releases the model. May be called more than once."""
