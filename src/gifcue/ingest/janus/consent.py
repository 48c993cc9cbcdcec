"""Which publisher is forwarded, and for which labels: a rule on what the publisher says of itself."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass

from gifcue.errors import ConfigError
from gifcue.ingest.janus.videoroom import Publisher, VideoStream

_METADATA = "metadata."
_ATTRIBUTES = ("id", "display", "description")


@dataclass(frozen=True, slots=True)
class ConsentRule:
    """An attribute, and the pattern that its text has to match as a whole. Case counts; `*`, `?` and `[…]` are those of
    file names. Without a pattern the attribute is itself the list of allowed labels, separated by commas.

    Attributes: `id`, `display`, `metadata.NAME` of the publisher, and `description` of the video.
    """

    attribute: str
    pattern: str | None

    def labels(self, publisher: Publisher, video: VideoStream, labels: Sequence[str]) -> Sequence[str]:
        """Those of `labels` that the publisher agrees to; none where the attribute is absent or does not match."""
        text = _value(self.attribute, publisher, video)
        if text is None:
            return ()
        if self.pattern is not None:
            return tuple(labels) if fnmatch.fnmatchcase(text, self.pattern) else ()
        wanted = {each.strip() for each in text.split(",")}
        return tuple(label for label in labels if label in wanted)


def parse_rule(text: str) -> ConsentRule:
    """Reads `ATTRIBUTE=PATTERN` or `ATTRIBUTE`.

    Raises:
        ConfigError: there is no such attribute, or the pattern is empty.
    """
    attribute, equals, pattern = text.partition("=")
    attribute = attribute.strip()
    is_metadata = attribute.startswith(_METADATA) and len(attribute) > len(_METADATA)
    if not (is_metadata or attribute in _ATTRIBUTES) or (equals and not pattern):
        known = ", ".join((*_ATTRIBUTES, f"{_METADATA}NAME"))
        raise ConfigError(
            f"--consent: expected ATTRIBUTE=PATTERN such as 'display=* (reactions)' with an attribute of {known}, "
            f"got {text!r}"
        )
    return ConsentRule(attribute, pattern if equals else None)


def consented(
    rules: Sequence[ConsentRule], publisher: Publisher, labels: Sequence[str]
) -> tuple[VideoStream, Sequence[str]] | None:
    """The first video for which a rule allows labels, with all labels that the rules allow for it; None: none."""
    for video in publisher.videos:
        allowed = {label for rule in rules for label in rule.labels(publisher, video, labels)}
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
    value = publisher.metadata.get(attribute.removeprefix(_METADATA))
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(each for each in value if isinstance(each, str))
    return str(value) if isinstance(value, str | int | float) else None
