"""How video is decoded, and which of its frames are analysed."""

from __future__ import annotations

import enum
from typing import Annotated, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from gifcue.expert import EXPERT
from gifcue.workers.settings import half_of_the_cores


class Metric(enum.StrEnum):
    """How two pictures are compared; the figures are in docs/decisions/0020-similar-frame-filter.md."""

    INTERSECTION = (
        "intersection"  # of the histograms of each tile: sees colour, tolerates a trembling picture
    )
    SSIM = "ssim"  # of the brightness of each tile: misses the fewest changes, ignores colour


# A similarity of this or more means that a frame shows nothing new.
DEFAULT_THRESHOLDS = {Metric.INTERSECTION: 0.94, Metric.SSIM: 0.85}


class FilterSettings(BaseModel):
    """The similar-frame filter: a frame that looks like the last one analysed takes over its result."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(
        default=True, description="False: every frame is analysed that the analysis rate allows."
    )
    threshold: float | None = Field(
        default=None,
        ge=0.0,
        le=1.0,
        description="Similarity from which a frame is skipped, of its least similar tile, 0..1. Unset: 0.94, or 0.85 "
        "for the metric ssim.",
    )
    max_age_s: float = Field(
        default=1.0,
        ge=0.0,
        le=60.0,
        description="Seconds after which even a similar frame is analysed, counted from the last analysis.",
    )
    metric: Annotated[Metric, EXPERT] = Field(
        default=Metric.INTERSECTION,
        description="How two pictures are compared: intersection of colour histograms, or ssim of brightness.",
    )

    @property
    def similarity_threshold(self) -> float:
        """The threshold in force."""
        return self.threshold if self.threshold is not None else DEFAULT_THRESHOLDS[self.metric]


class MediaSettings(BaseModel):
    """The decode workers and what they pass on to the detectors.

    The class variables are constants and cannot be set. Pictures keep their aspect ratio and are scaled to fit long
    side x short side, in landscape as in portrait.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Pixels of a picture that is analysed: larger than the input of the network that finds faces and hands, so
    # that the crops of what it found are still sharp. Every published figure was measured at this size.
    long_side: ClassVar[int] = 640
    short_side: ClassVar[int] = 360

    workers: Annotated[
        int, BeforeValidator(lambda value: half_of_the_cores() if value == "auto" else value)
    ] = Field(
        default="auto",
        validate_default=True,
        ge=1,
        le=64,
        description='Decode processes. "auto": half of the cores, at least 1.',
    )
    max_pixels: int = Field(
        default=3840 * 2160,
        ge=128 * 96,
        le=8192 * 8192,
        description="Largest picture that is decoded, in pixels.",
    )
    decoder_memory_mb: Annotated[int, EXPERT] = Field(
        default=384,
        ge=64,
        le=65536,
        description="Megabytes that the decoders of one decode process may take, by an estimate from the headers of "
        "the video. Half of them are kept for ordinary video, up to 640x480 of any codec.",
    )
    max_analysis_fps: float = Field(
        default=10.0,
        gt=0.0,
        le=240.0,
        description="Pictures a second of one participant that are analysed.",
    )
    min_analysis_fps: float = Field(
        default=4.0,
        gt=0.0,
        le=240.0,
        description="Lowest value to which overload may reduce that rate. `max_analysis_fps` or more: it is never "
        "reduced.",
    )
    late_ms: float = Field(
        default=80.0,
        gt=0.0,
        le=10_000.0,
        description="Milliseconds from the arrival of a frame to its result above which it is late. When more than a "
        "tenth are late, every participant is analysed less often. A picture that has waited longer is replaced "
        "by the newest one.",
    )
    filter: FilterSettings = Field(default=FilterSettings(), description="The similar-frame filter.")
    slots_per_worker: Annotated[int, EXPERT] = Field(
        default=32,
        ge=1,
        le=4096,
        description="Pictures of one decode process that may wait for a detector. Each takes 0.7 MB of shared memory.",
    )

    unit_cpu_ms: Annotated[float, EXPERT] = Field(
        default=250.0,
        ge=10.0,
        le=10_000.0,
        description="CPU time that decoding one frame may take, in milliseconds. A participant with two frames above "
        "it within a minute is refused for a while. A worker that needs four times as much is ended.",
    )

    def with_constant_rate(self) -> MediaSettings:
        """The same with a constant analysis rate: for figures that must not depend on a machine's speed."""
        return self.model_copy(update={"min_analysis_fps": self.max_analysis_fps})

    @property
    def unit_cpu_limit_s(self) -> float:
        """Seconds of CPU time for one frame at which the decode worker is ended."""
        return self.unit_cpu_ms * 4.0 / 1000.0

    @property
    def slot_bytes(self) -> int:
        """Bytes of a slot: one RGB picture of the analysis size."""
        return self.long_side * self.short_side * 3
