"""Who is received, and for which labels: a rule on what a publisher says of itself."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass

from gifcue.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ConsentRule:
    """An attribute, and the pattern that its text has to match as a whole. Case counts; `*`, `?` and `[…]` are those of
    file names. Without a pattern the attribute is itself the list of allowed labels, separated by commas.
    """

    attribute: str
    pattern: str | None

    def labels(self, text: str | None, labels: Sequence[str]) -> Sequence[str]:
        """Those of `labels` that a publisher agrees to whose attribute is `text`; none where it is absent (None) or
        does not match.
        """
        if text is None:
            return ()
        if self.pattern is not None:
            return tuple(labels) if fnmatch.fnmatchcase(text, self.pattern) else ()
        wanted = {each.strip() for each in text.split(",")}
        return tuple(label for label in labels if label in wanted)


def read_rule(text: str, plain: Sequence[str], prefixes: Sequence[str], example: str) -> ConsentRule:
    """Reads `ATTRIBUTE=PATTERN` or `ATTRIBUTE`. An attribute is one of `plain`, or one of `prefixes` and a name.

    Raises:
        ConfigError: there is no such attribute, or the pattern is empty.
    """
    attribute, equals, pattern = text.partition("=")
    attribute = attribute.strip()
    is_named = any(attribute.startswith(each) and len(attribute) > len(each) for each in prefixes)
    if not (is_named or attribute in plain) or (equals and not pattern):
        known = ", ".join((*plain, *(f"{each}NAME" for each in prefixes)))
        raise ConfigError(
            f"--consent: expected ATTRIBUTE=PATTERN such as {example!r} with an attribute of {known}, got {text!r}"
        )
    return ConsentRule(attribute, pattern if equals else None)


def text_of(value: object) -> str | None:
    """The text that rules compare of a value from JSON; None where it has none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(each for each in value if isinstance(each, str))
    return str(value) if isinstance(value, str | int | float) else None
