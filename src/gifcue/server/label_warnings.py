"""Warns of reactions that the settings describe and the model never shows."""

from __future__ import annotations

import structlog

from gifcue.detect.detector import ServedModel
from gifcue.reactions.settings import ReactionSettings

log = structlog.get_logger()


def warn_of_labels(model: ServedModel, reactions: ReactionSettings) -> None:
    """Warns of labels that the operator has set, and that the model does not know or shows on the other kind.

    The presets' own labels are no mistake of the operator: a model of one's own may lack some of them. A model that
    does not say what shows its labels is not judged by kinds.
    """
    shown_by = {label: kind for kind, labels in model.attributes.items() for label in labels}
    for label in reactions.changed_labels:
        kind, expected = reactions.labels[label].kind, shown_by.get(label)
        if label not in model.labels:
            log.warning(
                "a reaction is set for a label that the model does not show",
                setting=f"reactions.labels.{label}",
                labels=sorted(model.labels),
            )
        elif expected is not None and kind != expected:
            log.warning(
                "a reaction is set for another kind than the model's, so it never starts",
                setting=f"reactions.labels.{label}.kind",
                expected=expected,
                got=kind,
            )
