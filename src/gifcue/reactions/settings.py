"""Settings of the reaction policy, in three presets.

The reasons for the values: docs/decisions/0030-reaction-policy.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Self

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
from gifcue.reactions.label_settings import LabelSettings, SwingSettings
from gifcue.reactions.preset_values import (
    EXTRA_VALUES,
    LIKE_A_GESTURE,
    PRESET_VALUES,
    PRESETS,
    PresetName,
    overlay,
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
