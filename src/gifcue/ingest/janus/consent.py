"""Which publisher is forwarded, and for which labels: a rule on what the publisher says of itself."""

from __future__ import annotations

from collections.abc import Sequence

from gifcue.ingest.consent import ConsentRule, read_rule, text_of
from gifcue.ingest.janus.videoroom import Publisher, VideoStream

_METADATA = "metadata."
_ATTRIBUTES = ("id", "display", "description")


def parse_rule(text: str) -> ConsentRule:
    """Reads `ATTRIBUTE=PATTERN` or `ATTRIBUTE`: `id`, `display`, `metadata.NAME` of the publisher, `description` of the
    video.

    Raises:
        ConfigError: there is no such attribute, or the pattern is empty.
    """
    return read_rule(text, _ATTRIBUTES, (_METADATA,), "display=* (reactions)")


def consented(
    rules: Sequence[ConsentRule], publisher: Publisher, labels: Sequence[str]
) -> tuple[VideoStream, Sequence[str]] | None:
    """The first video for which a rule allows labels, with all labels that the rules allow for it; None: none."""
    for video in publisher.videos:
        allowed = {
            label for rule in rules for label in rule.labels(_value(rule.attribute, publisher, video), labels)
        }
        if allowed:
            return video, tuple(label for label in labels if label in allowed)
    return None


def _value(attribute: str, publisher: Publisher, video: VideoStream) -> str | None:
    match attribute:
        case "id":
            return str(publisher.id)
        case "display":
            return publisher.display
        case "description":
            return video.description
    return text_of(publisher.metadata.get(attribute.removeprefix(_METADATA)))
