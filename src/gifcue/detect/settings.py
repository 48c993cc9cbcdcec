"""How the detectors are run."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from gifcue.detect.detector import Backend, DetectorConfig, Precision
from gifcue.detect.devices import visible_devices
from gifcue.detect.extra_gestures import ExtraGesture
from gifcue.detect.triton_settings import TritonSettings
from gifcue.detect.trust import UNCHECKED, is_digest_setting
from gifcue.expert import EXPERT
from gifcue.workers.environment import inherited
from gifcue.workers.settings import half_of_the_cores

# Of OpenMP, BLAS, TensorFlow, XLA and the drivers of GPUs.
_RUNTIME_VARIABLES = (
    "OMP_",
    "KMP_",
    "GOMP_",
    "OPENBLAS_",
    "MKL_",
    "TF_",
    "XLA_",
    "CUDA_",
    "NVIDIA_",
    "ROCM_",
    "HIP_",
)

_BATCH_LIMITS: dict[Backend, int] = {"litert": 1, "savedmodel": 8, "triton": 8}


def default_model_dir() -> Path:
    """The folder of the model that comes with the package."""
    return Path(__file__).with_name("model")


class DetectSettings(BaseModel):
    """The detector workers and their batches."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    backend: Backend = Field(
        default="litert",
        description="Runtime of the model: litert, savedmodel, or triton for inference servers ([how](triton.md)).",
    )
    model_dir: Path = Field(
        default_factory=default_model_dir,
        description="Folder of the model: weights, label_map.pbtxt and metadata.json. Unset: the model that comes with "
        "gifcue.",
    )
    model_sha256: str | None = Field(
        default=None,
        description="Digest of the model that may be opened, as `gifcue-lab export` prints it. Unset: only the model "
        'that comes with gifcue, and no SavedModel, because that is a program. "unchecked": whatever lies in '
        "`model_dir` ([how](supply-chain.md#models)).",
    )
    gestures_dir: Path | None = Field(
        default=None,
        description="Folder of custom gestures, each a `*.json` file, which is read again every 2 s. Unset: a gesture "
        "that is taught ends with the server.",
    )
    extra_gestures: tuple[ExtraGesture, ...] = Field(
        default=(),
        description="Gestures to recognise besides the model's, of those that come with gifcue "
        "([list](extra-gestures.md)).",
    )
    threads: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Threads of one detector process. More processes give more than more threads.",
    )
    cuda_devices: tuple[str, ...] = Field(
        default="auto",
        validate_default=True,
        description='CUDA devices, given to the processes in turn. "auto": with savedmodel those that the machine or '
        "container has (`CUDA_VISIBLE_DEVICES`, else NVIDIA's device files). Empty: the runtime chooses.",
    )
    workers: int = Field(
        default="auto",
        validate_default=True,
        ge=1,
        le=64,
        description='Detector processes. "auto": one for each of `cuda_devices`; without them 1 with savedmodel, and '
        "otherwise half of the cores, over `threads`, at least 1.",
    )
    triton: TritonSettings = Field(default_factory=TritonSettings)
    precision: Annotated[Precision, EXPERT] = Field(
        default="int8",
        description="Arithmetic of litert: int8 is several times faster, float is the reference.",
    )
    max_batch: Annotated[Literal[1, 2, 4, 8, 16, 32] | None, EXPERT] = Field(
        default=None,
        description="Largest batch, in frames. Unset: 8 with savedmodel and triton, and 1 with litert, which analyses "
        "the frames of a batch one after another, so that finished results would only wait for the others.",
    )
    max_wait_ms: Annotated[float, EXPERT] = Field(
        default=0.0,
        ge=0.0,
        le=100.0,
        description="Milliseconds that a free worker waits for a batch to fill. Under load batches fill without it, "
        "while the workers are busy.",
    )
    max_stills: Annotated[int, EXPERT] = Field(
        default=16,
        ge=1,
        le=1024,
        description="Stills that may wait. Further ones are refused as unavailable.",
    )
    score_floor: Annotated[float, EXPERT] = Field(
        default=0.3,
        ge=0.0,
        le=1.0,
        description="Detection score, 0..1, from which a face or hand is cropped and classified (litert).",
    )
    max_faces: Annotated[int, EXPERT] = Field(
        default=8, ge=1, le=64, description="Faces classified in one frame, those of the highest score first."
    )
    max_hands: Annotated[int, EXPERT] = Field(
        default=8, ge=1, le=64, description="Hands classified in one frame, those of the highest score first."
    )

    @model_validator(mode="after")
    def _check_endpoints(self) -> DetectSettings:
        if self.backend == "triton" and not self.triton.endpoints:
            raise ValueError("expected detect.triton.endpoints where the backend is triton, got none")
        return self

    @field_validator("model_sha256")
    @classmethod
    def _check_digest(cls, value: str | None) -> str | None:
        if value is not None and not is_digest_setting(value):
            raise ValueError(f'expected 64 digits of 0-9 and a-f, or "{UNCHECKED}"')
        return value

    @field_validator("max_batch", mode="before")
    @classmethod
    def _read_number(cls, value: Any) -> Any:
        # The environment gives text, which a choice of numbers does not take.
        return int(value) if isinstance(value, str) and value.isdecimal() else value

    @field_validator("cuda_devices", mode="before")
    @classmethod
    def _find_devices(cls, value: Any, info: ValidationInfo) -> Any:
        if value != "auto":
            return value
        return visible_devices() if info.data.get("backend") == "savedmodel" else ()

    @field_validator("workers", mode="before")
    @classmethod
    def _follow_the_machine(cls, value: Any, info: ValidationInfo) -> Any:
        if value != "auto" or "cuda_devices" not in info.data or "threads" not in info.data:
            return value  # a count; or another field is wrong, which is then reported
        if devices := info.data["cuda_devices"]:
            return len(devices)
        return (
            1
            if info.data.get("backend") == "savedmodel"
            else max(1, half_of_the_cores() // info.data["threads"])
        )

    def detector(self) -> DetectorConfig:
        """What a worker opens."""
        # Fields of the same name are taken over, so a new one needs no line here.
        shared = {field.name for field in dataclasses.fields(DetectorConfig)} & type(self).model_fields.keys()
        return DetectorConfig(**{name: getattr(self, name) for name in shared})

    @property
    def batch_limit(self) -> int:
        """Frames in one batch at most, for this backend."""
        return self.batch_limit_of(self.backend)

    def batch_limit_of(self, backend: Backend) -> int:
        """The same for another backend."""
        return self.max_batch or _BATCH_LIMITS[backend]

    def environment(self, index: int) -> dict[str, str]:
        """Environment variables of worker `index`, besides those that every worker gets.

        Runtimes and drivers are configured by variables, and keep caches in the user's home folder.
        """
        variables = inherited({"HOME"}, _RUNTIME_VARIABLES)
        # Libraries size their thread pools by the machine, and the workers would then compete for its cores.
        variables |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(self.threads))
        variables |= {"TF_NUM_INTRAOP_THREADS": str(self.threads), "TF_NUM_INTEROP_THREADS": "1"}
        variables.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        # TensorFlow otherwise takes a device's whole memory at the start, also where several processes share it.
        variables.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
        if self.cuda_devices:
            variables["CUDA_VISIBLE_DEVICES"] = self.cuda_devices[index % len(self.cuda_devices)]
        return variables
