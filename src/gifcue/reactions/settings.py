"""Every number of the reaction policy, in three presets.

The reasons: docs/decisions/0030-reaction-policy.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)

from gifcue.errors import ConfigError
from gifcue.protocol.subjects import SubjectPolicy
from gifcue.reactions.presets import PRESET_VALUES, PRESETS, PresetName
from gifcue.tables import merge


class LabelSettings(BaseModel):
    """When one label becomes a reaction. From `start` up it begins a hold; below `stay` it is not shown."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["face", "hand"] = Field(description="What shows it.")
    enabled: bool = Field(
        default=True, description="False takes it out of the reactions that may be allowed."
    )
    start: float = Field(
        default=0.7, gt=0.0, le=1.0, description="Probability from which a frame speaks for the pose."
    )
    stay: float = Field(
        default=0.45, ge=0.0, le=1.0, description="Probability below which a frame speaks against it."
    )
    dwell_s: float = Field(default=0.5, ge=0.0, le=10.0, description="How long it is held before it fires.")
    release_s: float = Field(
        default=0.35, ge=0.0, le=5.0, description="How long it must be gone before it is over."
    )
    cooldown_s: float = Field(
        default=4.0, ge=0.0, le=600.0, description="From ENDED until it may be held again."
    )
    motion: Literal["none", "side_to_side"] = Field(
        default="none", description="Motion that must come with the pose, judged by `swings`."
    )
    max_speed: float | None = Field(
        default=1.5,
        gt=0.0,
        description="Hand or face sizes a second over which a frame does not count; null: any speed.",
    )
    max_face_cover: float = Field(
        default=0.5,
        ge=0.0,
        le=1.0,
        description="Share of the hand that may lie over a face; hands only, 1: all of it.",
    )
    min_vote_share: float | None = Field(
        default=None,
        ge=0.0,
        le=1.0,
        description="Share of a hold's frames that must show it; null: the policy's own.",
    )
    hand_at_face: bool = Field(
        default=False, description="Counts only with a hand at chin or cheek; faces only."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.stay > self.start:
            raise ValueError(f"expected stay to be at most start, {self.start}, got {self.stay}")
        if self.hand_at_face and self.kind != "face":
            raise ValueError("expected hand_at_face only on a label of kind face")
        return self


class SwingSettings(BaseModel):
    """What counts as moving from side to side.

    Lengths are in hand widths, so that distance does not matter.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_swings: int = Field(
        default=3, ge=1, le=20, description="Swings in a row, each opposite to the one before."
    )
    min_travel: float = Field(
        default=0.25, gt=0.0, le=5.0, description="Hand widths from turning point to turning point."
    )
    min_speed: float = Field(default=0.8, ge=0.0, le=20.0, description="Hand widths a second in a swing.")
    max_swing_s: float = Field(default=2.6, gt=0.0, le=10.0, description="Seconds of one swing.")
    max_rest_s: float = Field(
        default=0.8, gt=0.0, le=5.0, description="Seconds of stillness that end the motion."
    )
    turning_share: float = Field(
        default=0.3,
        ge=0.0,
        le=1.0,
        description="Share of the least travel from which a hand has left its turning point.",
    )
    under_way_share: float = Field(
        default=0.6,
        gt=0.0,
        le=1.0,
        description="Share of the least travel from which the last swing, still under way, counts.",
    )
    under_way_of_last: float = Field(
        default=0.25, ge=0.0, le=1.0, description="And share of the way of the swing before."
    )
    expect_s: float = Field(
        default=1.5,
        ge=0.0,
        le=10.0,
        description="Seconds for which a palm that has just appeared is watched in every frame.",
    )


class PlacementSettings(BaseModel):
    """How hands lie to faces. Chin and cheeks are part of a face's box, and of what is below and beside it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    chin_top: float = Field(
        default=0.45,
        ge=0.0,
        le=1.0,
        description="Where chin and cheeks begin, in face heights from its upper edge.",
    )
    chin_bottom: float = Field(default=1.35, gt=0.0, le=3.0, description="Where they end, in the same.")
    chin_side: float = Field(
        default=0.25, ge=0.0, le=2.0, description="How far they go beyond the face, in face widths."
    )
    at_chin_share: float = Field(
        default=0.3,
        gt=0.0,
        le=1.0,
        description="Share of a hand's box in there from which it is at chin or cheek.",
    )
    hiding_share: float = Field(
        default=0.25,
        gt=0.0,
        le=1.0,
        description="Share of a hand's box over a face that is no longer found from which it may be what hides it.",
    )
    hidden_s: float = Field(
        default=1.0,
        ge=0.0,
        le=60.0,
        description="Seconds for which a face that is no longer found counts as hidden with no hand found over it.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.chin_bottom <= self.chin_top:
            raise ValueError(
                f"expected chin_bottom to be over chin_top, {self.chin_top}, got {self.chin_bottom}"
            )
        return self


class TrackSettings(BaseModel):
    """How a face or a hand is followed from frame to frame."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_score: float = Field(
        default=0.3, ge=0.0, le=1.0, description="A region that scores less is not looked at."
    )
    min_score_at_face: float = Field(
        default=0.02,
        ge=0.0,
        le=1.0,
        description="Score from which a hand counts for labels that ask for one at the face: before a cheek, hands are "
        "found with less certainty.",
    )
    min_iou: float = Field(
        default=0.15, gt=0.0, lt=1.0, description="Overlap at which two boxes are the same thing."
    )
    max_jump: float = Field(
        default=1.5,
        gt=0.0,
        description="Sizes that the centre may move between frames where boxes do not overlap.",
    )
    max_scale: float = Field(
        default=3.0, gt=1.0, description="How many times larger the area may become between two frames."
    )
    lost_after_s: float = Field(default=0.7, gt=0.0, description="Seconds unseen after which a track ends.")
    speed_over_s: float = Field(
        default=0.15, gt=0.0, le=0.5, description="Seconds that speed is measured over, at least."
    )


class ReactionSettings(BaseModel):
    """The policy of one participant.

    What is given is laid over the preset's own values, label by label and field by field. So `careful` with a
    slower smile and one more gesture is

        {"preset": "careful", "labels": {"smile": {"dwell_s": 2.0}, "victory": {"kind": "hand"}}}

    Any label that the model brings as an attribute of a face or a hand can be added like that. Only what was
    given counts as set, so `model_dump(exclude_unset=True)` gives it back.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: PresetName = Field(default="normal", description="Where the values come from that are not given.")
    labels: dict[str, LabelSettings] = Field(default_factory=dict, description="The reactions, by label.")
    swings: SwingSettings = Field(default_factory=SwingSettings, description="Side-to-side motion.")
    tracks: TrackSettings = Field(
        default_factory=TrackSettings, description="How faces and hands are followed."
    )
    placement: PlacementSettings = Field(
        default_factory=PlacementSettings, description="How hands lie to faces."
    )
    subject: SubjectPolicy = Field(
        default=SubjectPolicy.ALL, description="Whose reactions count where several people share a camera."
    )
    subject_takeover: float = Field(
        default=1.3,
        ge=1.0,
        le=10.0,
        description="How many times larger, or nearer to the centre, another face must be to become the subject: two "
        "of one size would take turns from frame to frame.",
    )
    speaking_suppresses_hands: bool = Field(
        default=False, description="True: no hand gesture begins while the participant speaks."
    )
    min_votes: int = Field(default=3, ge=1, le=100, description="Frames that show the pose before it fires.")
    min_analysed_votes: int = Field(
        default=2, ge=1, le=100, description="Of these, frames that were really analysed."
    )
    min_vote_share: float = Field(
        default=0.6, ge=0.0, le=1.0, description="Share of a hold's frames that must show it."
    )
    min_misses: int = Field(
        default=2, ge=1, le=100, description="Analysed frames in a row without the pose that end it."
    )
    telling_votes: int = Field(
        default=2, ge=1, le=100, description="Frames that must speak for a pose before HOLDING is told."
    )
    nearly_s: float = Field(
        default=1.5,
        ge=0.0,
        le=60.0,
        description="Seconds for which no frame is skipped while a pose is shown from `stay` up and none is held.",
    )
    stale_dwells: float = Field(
        default=2.0,
        ge=1.0,
        description="A hold that has not fired by so many dwells is dropped: a face that always half smiles must not "
        "be in the making for ever.",
    )
    stale_after_dwell_s: float = Field(
        default=1.0, ge=0.0, description="And so many seconds after its dwell, at least."
    )
    max_gap_s: float = Field(
        default=2.0, gt=0.0, description="Seconds without a frame after which nothing is believed."
    )
    max_backstep_s: float = Field(
        default=0.5,
        ge=0.0,
        description="A result older than the last by up to this is ignored; by more, time jumped.",
    )

    @model_validator(mode="wrap")
    @classmethod
    def _over_preset(cls, given: Any, build: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(given, Mapping):
            return build(given)
        name = given.get("preset", "normal")
        base = PRESET_VALUES.get(name) if isinstance(name, str) else None
        built = build(given if base is None else merge(base, _plain(given)))
        _keep_set(built, given)
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

    def with_preset(self, preset: str) -> ReactionSettings:
        """The same changes over another preset.

        Raises:
            ConfigError: there is no such preset, or the changes do not go with its values; the message names both.
        """
        policy_preset(preset)
        try:
            return ReactionSettings.model_validate({**self.model_dump(exclude_unset=True), "preset": preset})
        except ValidationError as error:
            first = error.errors()[0]
            where = [f"preset {preset}", ".".join(str(part) for part in first["loc"])]
            message = first["msg"].removeprefix("Value error, ")
            raise ConfigError(": ".join([*filter(None, where), message])) from None

    def for_stream(
        self, *, speaking_suppresses_hands: bool | None = None, subject: SubjectPolicy | None = None
    ) -> ReactionSettings:
        """The same with what a stream asks for itself; None leaves what is set here."""
        asked = {"speaking_suppresses_hands": speaking_suppresses_hands, "subject": subject}
        return self.model_copy(update={field: value for field, value in asked.items() if value is not None})


def policy_preset(name: str) -> ReactionSettings:
    """A preset as it is. Raises ConfigError where there is none of that name."""
    if name not in PRESET_VALUES:
        raise ConfigError(f"preset: expected one of {', '.join(PRESETS)}, got {name!r}")
    return ReactionSettings.model_validate({"preset": name})


def _plain(value: Any) -> Any:
    """Without models in it: of those, what was given."""
    if isinstance(value, BaseModel):
        return value.model_dump(exclude_unset=True)
    return {key: _plain(each) for key, each in value.items()} if isinstance(value, Mapping) else value


def _keep_set(built: ReactionSettings, given: Mapping[str, Any]) -> None:
    """Takes the preset's own values out of what counts as set."""
    built.model_fields_set.intersection_update(given)
    labels = given.get("labels", {})
    for label, settings in built.labels.items():
        own = labels.get(label, {})
        settings.model_fields_set.intersection_update(
            own.model_fields_set if isinstance(own, BaseModel) else own
        )
    if isinstance(given.get("swings"), Mapping):
        built.swings.model_fields_set.intersection_update(given["swings"])
