"""Which participant is subscribed to, and for which labels: a rule on what is known of the participant."""

from __future__ import annotations

from collections.abc import Sequence

from gifcue.ingest.consent import ConsentRule, read_rule, text_of
from gifcue.ingest.livekit.room import MAX_TEXT, Participant

_ATTRIBUTE, _METADATA = "attributes.", "metadata."
_PLAIN = ("identity", "name")


def parse_rule(text: str) -> ConsentRule:
    """Reads `ATTRIBUTE=PATTERN` or `ATTRIBUTE`: `identity`, `name`, `attributes.NAME`, or `metadata.NAME` where the
    metadata are a JSON object.

    Raises:
        ConfigError: there is no such attribute, or the pattern is empty.
    """
    return read_rule(text, _PLAIN, (_ATTRIBUTE, _METADATA), "attributes.reactions=yes")


def allowed_labels(
    rules: Sequence[ConsentRule], participant: Participant, labels: Sequence[str]
) -> Sequence[str]:
    """Those of `labels` that any rule allows for the participant; none: it has not consented."""
    allowed = {label for rule in rules for label in rule.labels(_value(rule.attribute, participant), labels)}
    return tuple(label for label in labels if label in allowed)


def _value(attribute: str, participant: Participant) -> str | None:
    if attribute == "identity":
        return participant.identity
    if attribute == "name":
        return participant.name
    if attribute.startswith(_ATTRIBUTE):
        return participant.attributes.get(attribute.removeprefix(_ATTRIBUTE))
    text = text_of(participant.metadata.get(attribute.removeprefix(_METADATA)))
    return text if text is not None and len(text) <= MAX_TEXT else None
