"""The small protocol behind which every detector stands, and the factory that picks a backend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from gifcue.detect.regions import Region
from gifcue.errors import ConfigError
from gifcue.protocol.models import Model

Frame = npt.NDArray[np.uint8]
Backend = Literal["litert", "savedmodel"]
Precision = Literal["int8", "float"]

BACKENDS: tuple[Backend, ...] = ("litert", "savedmodel")
PRECISIONS: tuple[Precision, ...] = ("int8", "float")


@dataclass(frozen=True, slots=True)
class DetectorConfig:
    """What to open. `model_dir` holds the weights, `label_map.pbtxt` and `metadata.json`.

    `threads` are the interpreter's, and 1 by choice: workers scale by processes, and two interpreters that
    share cores by threads are slower than two that do not. `max_faces` and `max_hands` bound the crops of
    one frame, best first, so that a poster of faces cannot stall a batch. `heads` are files of light heads
    (`gifcue.detect.gesture_classifier`): gestures that a user taught. `score_floor` is the score in
    finding below which nothing gets a close look, the model's own where unset: a close look costs a third of
    finding, and what scores low there hardly ever passes a threshold after it. `precision` is that of LiteRT's
    convolutions: `int8` takes the quantised networks that lie beside the float ones, where there are any.
    """

    model_dir: Path
    backend: Backend = "litert"
    threads: int = 1
    max_faces: int = 8
    max_hands: int = 8
    heads: tuple[Path, ...] = ()
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
class ServedModel(Model):
    """The model in service, and what only the server needs to know of it.

    `thresholds` has the threshold of every label, 0..1; `input_width` and `input_height` are pixels of the networks'
    input.
    """

    thresholds: Mapping[str, float]
    input_width: int
    input_height: int
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    checksums: Mapping[str, str] = field(default_factory=dict)


class Detector(Protocol):
    """Finds faces and hands. Owned by one process and called from one thread."""

    @property
    def info(self) -> ServedModel: ...

    def warm(self) -> None:
        """Runs every fixed shape once, so that the first real frame waits for nothing."""

    def detect(self, frames: Sequence[Frame]) -> list[list[Region]]:
        """Takes uint8 RGB [H, W, 3], of any sizes; returns each frame's regions, best first."""

    def close(self) -> None:
        """Lets go of the model. Calling it again does nothing."""


def open_detector(config: DetectorConfig) -> Detector:
    """Opens the backend that the configuration names.

    Raises:
        ModelError: a file is missing, damaged, or of another shape than its metadata says.
        ConfigError: the backend's library is not installed.
    """
    # Imported here: the protocol must cost nothing, and only the process that detects may load a runtime.
    if config.backend == "litert":
        from gifcue.detect.litert import LiteRtDetector

        return LiteRtDetector(config)
    from gifcue.detect.savedmodel import SavedModelDetector

    return SavedModelDetector(config)
