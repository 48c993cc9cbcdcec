"""What a detector is: its protocol, its configuration, and the description of its model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from gifcue.detect.gesture_classifier import GestureClassifier
from gifcue.detect.regions import Region
from gifcue.detect.triton_settings import TritonSettings
from gifcue.detect.trust import UNCHECKED, is_digest_setting
from gifcue.errors import ConfigError
from gifcue.protocol.models import Model

Frame = npt.NDArray[np.uint8]
Backend = Literal["litert", "savedmodel", "triton"]
Precision = Literal["int8", "float"]

BACKENDS: tuple[Backend, ...] = ("litert", "savedmodel", "triton")
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
        score_floor: detector score, 0..1, below which a region gets no crop stage. None stands for the model's own
            floor, which is also the minimum. A crop stage costs a third of a detector run, and regions with low
            detector scores rarely reach a threshold after it.
        precision: precision of LiteRT's convolutions. `int8` uses the quantised networks where the model has them.
        model_sha256: digest of the model that may be opened, or `unchecked` (`gifcue.detect.trust`). None: only the
            model that comes with gifcue, and no SavedModel.
        workers: detector processes that share the limits of `triton`.
        triton: the inference servers of the backend triton.

    Raises:
        ConfigError: a value is not in its range.
    """

    model_dir: Path
    backend: Backend = "litert"
    threads: int = 1
    max_faces: int = 8
    max_hands: int = 8
    score_floor: float | None = None
    precision: Precision = "int8"
    model_sha256: str | None = None
    workers: int = 1
    triton: TritonSettings = field(default_factory=TritonSettings)

    def __post_init__(self) -> None:
        if self.backend not in BACKENDS:
            raise ConfigError(f"backend: expected one of {', '.join(BACKENDS)}, got {self.backend!r}")
        if self.precision not in PRECISIONS:
            raise ConfigError(f"precision: expected one of {', '.join(PRECISIONS)}, got {self.precision!r}")
        for name in ("threads", "max_faces", "max_hands"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: expected 1 or more, got {getattr(self, name)}")
        if self.model_sha256 is not None and not is_digest_setting(self.model_sha256):
            raise ConfigError(
                f"model_sha256: expected 64 digits of 0-9 and a-f, or {UNCHECKED}, got {self.model_sha256!r}"
            )


@dataclass(frozen=True, slots=True)
class ServedModel(Model):
    """The model in service, and what only the server needs to know of it.

    `thresholds` has the threshold of every label, 0..1; `input_width` and `input_height` are pixels of the networks'
    input; `sha256` is the model's digest (`gifcue.detect.trust`), "" where a detector has no files. A hand whose longer
    side is below `smallest_hand_px` pixels shows no gesture.
    """

    thresholds: Mapping[str, float]
    input_width: int
    input_height: int
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sha256: str = ""
    smallest_hand_px: float = 0.0


class Detector(Protocol):
    """Finds faces and hands. Owned by one process and called from one thread."""

    @property
    def info(self) -> ServedModel: ...

    def warm(self) -> None:
        """Runs every fixed input shape once, so that the first frame is not delayed by it."""

    def use_gestures(self, classifiers: Sequence[GestureClassifier]) -> None:
        """Replaces the gesture classifiers, whose labels become attributes of hands. `info` is the model's alone."""

    def detect(self, frames: Sequence[Frame]) -> list[list[Region]]:
        """Takes RGB frames, uint8 [H, W, 3], of any sizes. Returns the regions of each frame, best score first."""

    def close(self) -> None:
        """Releases the model. May be called more than once."""
