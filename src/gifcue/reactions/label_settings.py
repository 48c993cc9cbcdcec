"""Settings of one label of the reaction policy, and of the motion that a label may need."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gifcue.expert import EXPERT


class LabelSettings(BaseModel):
    """When one label becomes a reaction.

    A probability of `start` or more begins a hold; one below `stay` counts as a frame without the pose.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["face", "hand"] = Field(description="What shows the pose: face or hand.")
    enabled: bool = Field(default=True, description="False: participants cannot allow this reaction.")
    start: float = Field(
        default=0.7, gt=0.0, le=1.0, description="Probability from which a frame counts as showing the pose."
    )
    stay: float = Field(
        default=0.45,
        ge=0.0,
        le=1.0,
        description="Probability below which a frame counts as not showing the pose. At most `start`.",
    )
    dwell_s: float = Field(
        default=0.5,
        ge=0.0,
        le=10.0,
        description="Seconds that the pose must be held before the reaction starts.",
    )
    cooldown_s: float = Field(
        default=4.0, ge=0.0, le=600.0, description="Seconds after a reaction's end before the next can begin."
    )
    already_shown: Literal["once", "ignore"] = Field(
        default="once",
        description="A pose that is shown when the video begins, or goes on after a gap, such as a smile: once (it "
        "becomes one reaction) or ignore (it becomes none; the label waits until the pose has been gone).",
    )
    release_s: Annotated[float, EXPERT] = Field(
        default=0.35,
        ge=0.0,
        le=5.0,
        description="Seconds that the pose must be gone before the reaction ends.",
    )
    motion: Annotated[Literal["none", "side_to_side", "still"], EXPERT] = Field(
        default="none",
        description="Motion that the pose needs: side_to_side, as `swings` tells, or still, which is none from side to "
        "side.",
    )
    max_speed: Annotated[float | None, EXPERT] = Field(
        default=1.5,
        gt=0.0,
        description="Speed above which a frame does not count, in sizes of the hand or face a second. Unset: any "
        "speed counts.",
    )
    max_face_cover: Annotated[float, EXPERT] = Field(
        default=0.5,
        ge=0.0,
        le=1.0,
        description="Largest share of the hand's box that may lie over a face. Hands only; 1: all of it.",
    )
    min_height: Annotated[float | None, EXPERT] = Field(
        default=None,
        ge=-5.0,
        le=5.0,
        description="How far above the chin of the nearest face the middle of the hand must be, in heights of that "
        "face. Hands only; unset: anywhere, also where no face is in sight.",
    )
    min_vote_share: Annotated[float | None, EXPERT] = Field(
        default=None,
        ge=0.0,
        le=1.0,
        description="Share of a hold's frames that must show the pose. Unset: the policy's `min_vote_share`.",
    )
    hand_at_face: Annotated[bool, EXPERT] = Field(
        default=False, description="True: a frame counts only with a hand at the chin or cheek. Faces only."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.stay > self.start:
            raise ValueError(f"expected stay to be at most start, {self.start}, got {self.stay}")
        if self.hand_at_face and self.kind != "face":
            raise ValueError("expected hand_at_face only on a label of kind face")
        if self.min_height is not None and self.kind != "hand":
            raise ValueError("expected min_height only on a label of kind hand")
        return self


class SwingSettings(BaseModel):
    """What counts as moving from side to side.

    Lengths are in hand widths, so that the distance to the camera does not matter.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_swings: int = Field(
        default=3,
        ge=1,
        le=20,
        description="Swings in a row, each in the direction opposite to the one before.",
    )
    min_travel: float = Field(
        default=0.25,
        gt=0.0,
        le=5.0,
        description="Shortest swing, from turning point to turning point, in hand widths.",
    )
    min_speed: float = Field(
        default=0.8, ge=0.0, le=20.0, description="Slowest swing, in hand widths a second."
    )
    max_swing_s: float = Field(default=2.6, gt=0.0, le=10.0, description="Longest swing, in seconds.")
    max_rest_s: float = Field(
        default=0.8, gt=0.0, le=5.0, description="Seconds without motion after which the row of swings ends."
    )
    turning_share: float = Field(
        default=0.3,
        ge=0.0,
        le=1.0,
        description="Share of `min_travel` from which a hand has left its turning point.",
    )
    expect_s: float = Field(
        default=1.5,
        ge=0.0,
        le=10.0,
        description="Seconds for which no frame is skipped after an open palm has appeared.",
    )
