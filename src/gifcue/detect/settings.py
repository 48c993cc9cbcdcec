"""How the detectors are run."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from gifcue.detect.detector import Backend, DetectorConfig, Precision
from gifcue.errors import ConfigError

_BATCH_LIMITS: dict[Backend, int] = {"litert": 1, "savedmodel": 8}


def default_model_dir() -> Path:
    """`models` of the checkout that this module lies in, where there is one; otherwise of the current folder."""
    beside = Path(__file__).resolve().parents[3] / "models"
    return beside if (beside / "label_map.pbtxt").is_file() else Path("models")


class DetectSettings(BaseModel):
    """The detector workers and their batches."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    backend: Backend = Field(default="litert", description="What runs the model.")
    model_dir: Path = Field(
        default_factory=default_model_dir,
        description="The folder with the weights, label_map.pbtxt and metadata.json. Unset: `models` of the checkout "
        "that gifcue runs from, or else of the current folder.",
    )
    precision: Precision = Field(
        default="int8", description="How litert computes: int8 is several times faster, float the reference."
    )
    workers: int = Field(
        default=1, ge=1, le=64, description="Detector processes: one a GPU, or one a group of CPU cores."
    )
    threads: int = Field(
        default=1, ge=1, le=64, description="Threads of one worker. More workers do better than more threads."
    )
    cuda_devices: tuple[str, ...] = Field(
        default=(),
        description="CUDA devices, one a worker, in turn; empty leaves the choice to the backend.",
    )
    max_batch: Literal[1, 2, 4, 8, 16, 32] | None = Field(
        default=None,
        description="Frames in one batch at most. Unset: 8 with savedmodel; 1 with litert, which judges the frames "
        "of a batch one after another, so that a larger one only keeps finished results waiting.",
    )
    max_wait_ms: float = Field(
        default=0.0,
        ge=0.0,
        le=100.0,
        description="Milliseconds that a free worker waits for a batch to fill. Under load batches fill by "
        "themselves, while the workers are busy.",
    )
    max_stills: int = Field(
        default=16, ge=1, le=1024, description="Stills that may wait; more are refused as unavailable."
    )
    score_floor: float = Field(
        default=0.2,
        ge=0.0,
        le=1.0,
        description="The score in finding below which a face or hand gets no close look (litert).",
    )
    max_faces: int = Field(default=8, ge=1, le=64, description="Faces looked at in one frame, best first.")
    max_hands: int = Field(default=8, ge=1, le=64, description="Hands looked at in one frame, best first.")

    gestures_dir: Path | None = Field(
        default=None,
        description="A folder of gestures that users taught (`gifcue gesture train`): each *.json is served.",
    )

    def detector(self) -> DetectorConfig:
        """What a worker opens."""
        return DetectorConfig(
            model_dir=self.model_dir,
            backend=self.backend,
            precision=self.precision,
            threads=self.threads,
            max_faces=self.max_faces,
            max_hands=self.max_hands,
            score_floor=self.score_floor,
            heads=() if self.gestures_dir is None else taught_gestures(self.gestures_dir),
        )

    @property
    def batch_limit(self) -> int:
        """Frames in one batch at most, for this backend."""
        return self.max_batch or _BATCH_LIMITS[self.backend]

    def environment(self, index: int) -> dict[str, str]:
        """What the environment of worker `index` needs besides the server's own."""
        # Libraries that size their thread pools by the machine would have the workers fight for its cores.
        variables = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(self.threads))
        variables |= {"TF_NUM_INTRAOP_THREADS": str(self.threads), "TF_NUM_INTEROP_THREADS": "1"}
        variables["TF_CPP_MIN_LOG_LEVEL"] = "2"
        if self.cuda_devices:
            variables["CUDA_VISIBLE_DEVICES"] = self.cuda_devices[index % len(self.cuda_devices)]
        return variables


def taught_gestures(folder: Path) -> tuple[Path, ...]:
    """The files of light heads in a folder, by name. Raises ConfigError where there is no such folder."""
    if not folder.is_dir():
        raise ConfigError(f"gestures_dir: expected a folder of taught gestures, got none at {folder}")
    return tuple(sorted(folder.glob("*.json")))
