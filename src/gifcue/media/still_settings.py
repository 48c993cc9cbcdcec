"""How many stills are taken at once, and how they are decoded."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from gifcue.expert import EXPERT


class StillSettings(BaseModel):
    """The budgets of single stills, which have decoders of their own.

    The class variables are constants and cannot be set.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Pixels of a single still. It is analysed once and not ten times a second, so it may be larger than a stream's
    # picture.
    long_side: ClassVar[int] = 1280
    short_side: ClassVar[int] = 720
    # Decoded stills that wait for a detector or are with one, for each decoder. Each takes 2.8 MB of shared memory.
    slots_per_worker: ClassVar[int] = 4

    max_waiting: int = Field(
        default=32,
        ge=1,
        le=1024,
        description="Stills at the same time, from the first byte received to the answer. Further ones are refused.",
    )
    max_waiting_per_caller: Annotated[int, EXPERT] = Field(
        default=16, ge=1, le=1024, description="The same for one caller, by its address."
    )
    max_waiting_bytes: Annotated[int, EXPERT] = Field(
        default=64 * 1024 * 1024,
        ge=65536,
        description="Bytes of those stills. One still of `limits.max_frame_bytes` is always accepted.",
    )
    timeout_s: Annotated[float, EXPERT] = Field(
        default=10.0,
        gt=0.0,
        le=600.0,
        description="Seconds from the first byte of a still to its answer, after which it is given up.",
    )
    workers: Annotated[int, EXPERT] = Field(
        default=1, ge=1, le=64, description="Processes that decode stills and nothing else."
    )

    @property
    def slot_bytes(self) -> int:
        """Bytes of a slot: one RGB picture of the size of stills."""
        return self.long_side * self.short_side * 3
