"""Settings of the reaction policy, in three presets.

The reasons for the values: docs/decisions/0030-reaction-policy.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from gifcue.errors import ConfigError
from gifcue.expert import EXPERT
from gifcue.protocol.subjects import SubjectPolicy
from gifcue.reactions.preset_values import (
    EXTRA_VALUES,
    LIKE_A_GESTURE,
    PRESET_VALUES,
    PRESETS,
    PresetName,
    overlay,
)


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


class PlacementSettings(BaseModel):
    """When a hand is at a face, and when it hides one.

    The area of chin and cheeks is the lower part of a face's box and the space below and beside it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    chin_top: float = Field(
        default=0.45,
        ge=0.0,
        le=1.0,
        description="Upper edge of the chin area, in face heights below the upper edge of the face.",
    )
    chin_bottom: float = Field(
        default=1.35, gt=0.0, le=3.0, description="Lower edge of the chin area, in the same unit."
    )
    chin_side: float = Field(
        default=0.25,
        ge=0.0,
        le=2.0,
        description="Width of the chin area beyond each side of the face, in face widths.",
    )
    at_chin_share: float = Field(
        default=0.3,
        gt=0.0,
        le=1.0,
        description="Share of a hand's box in the chin area from which the hand is at the face.",
    )
    hiding_share: float = Field(
        default=0.25,
        gt=0.0,
        le=1.0,
        description="Share of a hand's box over a face that is no longer detected from which the hand may hide it.",
    )
    hidden_s: float = Field(
        default=1.0,
        ge=0.0,
        le=60.0,
        description="Seconds for which a face that is no longer detected is remembered without a hand over it.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.chin_bottom <= self.chin_top:
            raise ValueError(
                f"expected chin_bottom to be over chin_top, {self.chin_top}, got {self.chin_bottom}"
            )
        return self


class TrackSettings(BaseModel):
    """Which detections are followed from frame to frame, and for how long."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_score: float = Field(
        default=0.3, ge=0.0, le=1.0, description="Detection score from which a face or hand is followed."
    )
    min_score_at_face: float = Field(
        default=0.02,
        ge=0.0,
        le=1.0,
        description="Detection score from which a hand counts for `hand_at_face`: in front of a face, hands are "
        "detected with less certainty.",
    )
    lost_after_s: float = Field(
        default=0.7, gt=0.0, description="Seconds without a detection after which a track ends."
    )


class ReactionSettings(BaseModel):
    """The policy of one participant.

    What is given is laid over the preset's values, label by label and field by field. `careful` with a slower smile
    and one more gesture is

        {"preset": "careful", "labels": {"smile": {"dwell_s": 2.0}, "victory": {"kind": "hand"}}}

    Any label that the model knows as an attribute of a face or a hand can be added like that.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: PresetName = Field(
        default="normal",
        description="Values of what is not given: careful (fewer false reactions), normal, or playful (faster).",
    )
    labels: dict[str, LabelSettings] = Field(default_factory=dict, description="The reactions, by label.")
    subject: SubjectPolicy = Field(
        default=SubjectPolicy.ALL,
        description="Whose reactions count where several people share a camera: the largest face's, those of the one "
        "nearest to the centre, or all.",
    )
    speaking_suppresses_hands: bool = Field(
        default=False, description="True: no hand gesture begins while the participant speaks."
    )
    swings: Annotated[SwingSettings, EXPERT] = Field(
        default_factory=SwingSettings, description="Side-to-side motion."
    )
    tracks: Annotated[TrackSettings, EXPERT] = Field(
        default_factory=TrackSettings, description="How faces and hands are followed."
    )
    placement: Annotated[PlacementSettings, EXPERT] = Field(
        default_factory=PlacementSettings, description="Where hands are in relation to faces."
    )
    subject_takeover: Annotated[float, EXPERT] = Field(
        default=1.3,
        ge=1.0,
        le=10.0,
        description="How many times larger, or nearer to the centre, another face must be to become the subject. At 1, "
        "two faces of one size would take turns.",
    )
    min_votes: Annotated[int, EXPERT] = Field(
        default=3, ge=1, le=100, description="Frames that must show the pose before the reaction starts."
    )
    min_analysed_votes: Annotated[int, EXPERT] = Field(
        default=2, ge=1, le=100, description="How many of them must have been analysed, not skipped."
    )
    min_vote_share: Annotated[float, EXPERT] = Field(
        default=0.6, ge=0.0, le=1.0, description="Share of a hold's frames that must show the pose."
    )
    holding_votes: Annotated[int, EXPERT] = Field(
        default=2, ge=1, le=100, description="Frames that must show the pose before HOLDING is sent."
    )
    nearly_s: Annotated[float, EXPERT] = Field(
        default=1.5,
        ge=0.0,
        le=60.0,
        description="Seconds for which no frame is skipped while a pose is shown from `stay` up and no hold has begun.",
    )
    stale_dwells: Annotated[float, EXPERT] = Field(
        default=2.0,
        ge=1.0,
        description="A hold that has not started a reaction after so many dwell times is dropped: a face that always "
        "half smiles must not be held for ever.",
    )
    stale_after_dwell_s: Annotated[float, EXPERT] = Field(
        default=1.0,
        ge=0.0,
        description="The same in seconds after the dwell time; the later of the two counts.",
    )
    max_gap_s: Annotated[float, EXPERT] = Field(
        default=2.0,
        gt=0.0,
        description="Seconds without a frame after which every hold and reaction ends.",
    )

    # What was given, without the name of the preset: laid over another preset by `with_preset`.
    _changes: dict[str, Any] = PrivateAttr(default_factory=dict)

    @model_validator(mode="wrap")
    @classmethod
    def _over_preset(cls, given: Any, build: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(given, Mapping):
            return build(given)
        name = given.get("preset", "normal")
        # A name that is no preset's is refused by `build`.
        values = PRESET_VALUES.get(name, {}) if isinstance(name, str) else {}
        extra = _extra_values(values and EXTRA_VALUES[name], given.get("labels"))
        built = build(overlay(overlay(values, extra), given))
        built._changes = {key: value for key, value in given.items() if key != "preset"}
        return built

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.min_analysed_votes > self.min_votes:
            raise ValueError(
                f"expected min_analysed_votes to be at most min_votes, {self.min_votes}, "
                f"got {self.min_analysed_votes}"
            )
        return self

    @property
    def reaction_labels(self) -> tuple[str, ...]:
        """The labels that may be allowed, in order."""
        return tuple(label for label, settings in self.labels.items() if settings.enabled)

    @property
    def changed_labels(self) -> tuple[str, ...]:
        """The labels for which something was given, beside what the preset says."""
        return tuple(self._changes.get("labels", {}))

    def with_preset(self, preset: str) -> ReactionSettings:
        """The same changes over another preset.

        Raises:
            ConfigError: there is no such preset, or the changes contradict its values; the message names both.
        """
        if preset not in PRESET_VALUES:
            raise ConfigError(f"preset: expected one of {', '.join(PRESETS)}, got {preset!r}")
        try:
            return ReactionSettings.model_validate({**self._changes, "preset": preset})
        except ValidationError as error:
            first = error.errors()[0]
            where = [f"preset {preset}", ".".join(str(part) for part in first["loc"])]
            message = first["msg"].removeprefix("Value error, ")
            raise ConfigError(": ".join([*filter(None, where), message])) from None

    def with_extra_gestures(self, labels: Iterable[str]) -> ReactionSettings:
        """The same with extra gestures, which get the values of the preset. A label that is set keeps its settings."""
        return self._with_labels({label: EXTRA_VALUES[self.preset][label] for label in labels})

    def with_gestures(self, labels: Iterable[str]) -> ReactionSettings:
        """The same with custom gestures, which get the values of the preset. A label that is set keeps its settings."""
        return self._with_labels(dict.fromkeys(labels, PRESET_VALUES[self.preset]["labels"][LIKE_A_GESTURE]))

    def _with_labels(self, values: Mapping[str, Mapping[str, Any]]) -> ReactionSettings:
        new = {label: LabelSettings(**each) for label, each in values.items() if label not in self.labels}
        return self.model_copy(update={"labels": {**self.labels, **new}}) if new else self

    def for_stream(
        self, *, speaking_suppresses_hands: bool | None = None, subject: SubjectPolicy | None = None
    ) -> ReactionSettings:
        """The same with what a stream asks for; None keeps what is set here."""
        asked = {"speaking_suppresses_hands": speaking_suppresses_hands, "subject": subject}
        return self.model_copy(update={field: value for field, value in asked.items() if value is not None})


def policy_preset(name: str) -> ReactionSettings:
    """A preset as it is. Raises ConfigError where there is none of that name."""
    return ReactionSettings().with_preset(name)


def _extra_values(values: Mapping[str, Any], given: Any) -> dict[str, Any]:
    """The values of those extra gestures whose settings are given, so that a part of them can be."""
    named = [label for label in values if label in given] if isinstance(given, Mapping) else []
    return {"labels": {label: values[label] for label in named}} if named else {}
