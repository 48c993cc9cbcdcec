"""How video is decoded and which frames of it are worth looking at."""

from __future__ import annotations

import enum

from pydantic import BaseModel, ConfigDict, Field


class Metric(enum.StrEnum):
    """How two pictures are compared. All but SSIM compare histograms of tiles."""

    CORRELATION = "correlation"
    INTERSECTION = "intersection"
    CHI_SQUARE = "chi_square"
    BHATTACHARYYA = "bhattacharyya"
    SSIM = "ssim"


# At this similarity or more a frame shows nothing new: docs/decisions/0020-similar-frame-filter.md has the
# figures.
DEFAULT_THRESHOLDS = {
    Metric.CORRELATION: 0.985,
    Metric.INTERSECTION: 0.94,
    Metric.CHI_SQUARE: 0.985,
    Metric.BHATTACHARYYA: 0.99,
    Metric.SSIM: 0.85,
}


class FilterSettings(BaseModel):
    """The similar-frame filter: a frame that looks like the last one analysed inherits its result."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(default=True, description="False analyses every frame that pacing lets through.")
    metric: Metric = Field(default=Metric.INTERSECTION, description="How two pictures are compared.")
    threshold: float | None = Field(
        default=None,
        ge=0.0,
        le=1.0,
        description="Similarity of the least similar tile from which on a frame is skipped; unset takes "
        "the metric's own.",
    )
    max_age_s: float = Field(
        default=1.0,
        ge=0.0,
        le=60.0,
        description="Seconds after which even a similar frame is analysed.",
    )
    tiles_long: int = Field(default=16, ge=1, le=32, description="Tiles along a picture's longer side.")
    tiles_short: int = Field(default=9, ge=1, le=32, description="Tiles along a picture's shorter side.")
    luma_bins: int = Field(default=16, ge=4, le=64, description="Bins of a tile's histogram of brightness.")
    chroma_bins: int = Field(
        default=8, ge=2, le=32, description="Bins of a tile's histogram of a colour difference."
    )

    @property
    def similarity_threshold(self) -> float:
        """The threshold in force."""
        return self.threshold if self.threshold is not None else DEFAULT_THRESHOLDS[self.metric]


class MediaSettings(BaseModel):
    """Decode workers and what they do."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    workers: int = Field(default=1, ge=1, le=64, description="Decode worker processes.")
    slots_per_worker: int = Field(
        default=32,
        ge=1,
        le=4096,
        description="Pictures of one worker that may wait for detectors at once; memory for each is kept.",
    )
    long_side: int = Field(
        default=640,
        ge=64,
        le=3840,
        description="Pixels that a picture's longer side is scaled down to.",
    )
    short_side: int = Field(
        default=360,
        ge=64,
        le=2160,
        description="Pixels that a picture's shorter side is scaled down to.",
    )
    still_long_side: int = Field(
        default=1280,
        ge=64,
        le=3840,
        description="Pixels that a single still's longer side is scaled down to.",
    )
    still_short_side: int = Field(
        default=720,
        ge=64,
        le=2160,
        description="Pixels that a single still's shorter side is scaled down to.",
    )
    max_pixels: int = Field(
        default=3840 * 2160,
        ge=128 * 96,
        le=8192 * 8192,
        description="Pixels of a picture that is decoded at all.",
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
        description="Pictures a second of one participant that are analysed under overload, where there are as many; "
        "`max_analysis_fps` or more leaves the pace as it is.",
    )
    late_ms: float = Field(
        default=80.0,
        gt=0.0,
        le=10_000.0,
        description="Milliseconds from received to judged above which an answer is late. While more than a tenth are, "
        "everybody is looked at less often; and a picture that has waited for less is not replaced by a newer one.",
    )
    filter: FilterSettings = Field(default=FilterSettings(), description="The similar-frame filter.")

    def unhurried(self) -> MediaSettings:
        """The same, with the pace the same under overload: for figures that must not depend on a machine's speed."""
        return self.model_copy(update={"min_analysis_fps": self.max_analysis_fps})

    @property
    def slot_bytes(self) -> int:
        """Bytes of a slot: one RGB picture of the analysis size."""
        return self.long_side * self.short_side * 3
