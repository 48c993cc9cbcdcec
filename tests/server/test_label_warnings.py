"""Reactions that the settings describe and the model never shows."""

from __future__ import annotations

from structlog.testing import capture_logs

from gifcue.detect.detector import ServedModel
from gifcue.reactions.settings import ReactionSettings
from gifcue.server.label_warnings import warn_of_labels

# It has none of gifcue's own labels but one.
LABELS = ("face", "hand", "smile", "drinking")
MODEL = ServedModel("own", "1", "litert", LABELS, {}, 64, 64, {"face": ("smile", "drinking"), "hand": ()})


def warnings(model: ServedModel = MODEL, /, **labels: dict[str, object]) -> list[str]:
    with capture_logs() as logs:
        warn_of_labels(model, ReactionSettings.model_validate({"labels": labels} if labels else {}))
    return [entry["setting"] for entry in logs]


def test_only_what_the_operator_set_is_doubted() -> None:
    assert warnings() == []
    assert warnings(drinking={"kind": "face"}, smile={"dwell_s": 2.0}) == []
    assert warnings(drinkin={"kind": "face"}) == ["reactions.labels.drinkin"]
    assert warnings(drinking={"kind": "hand"}) == ["reactions.labels.drinking.kind"]
    assert warnings(wave={"dwell_s": 2.0}) == ["reactions.labels.wave"]


def test_a_model_that_does_not_say_what_shows_its_labels_is_judged_by_their_names() -> None:
    model = ServedModel("other", "1", "savedmodel", LABELS, {}, 64, 64)
    assert warnings(model, drinking={"kind": "hand"}, smile={"dwell_s": 2.0}) == []
    assert warnings(model, drinkin={"kind": "hand"}) == ["reactions.labels.drinkin"]
