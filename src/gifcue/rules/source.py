"""The text of a rule book as plain values, with the line of each value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer, ComposerError, MaxDepthExceededError
from ruamel.yaml.constructor import BaseConstructor
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import AliasEvent
from ruamel.yaml.nodes import Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from gifcue.rules.book import Location, format_location

# A book of 1,000 rules has about 100 kB and 15,000 values: each key, text and number, each table and each list. A value
# takes 50 microseconds to read. The bounds limit what a wrong file can cost.
MAX_BYTES = 256 * 1024
MAX_VALUES = 32_768
# A book needs 7 levels. Parsing time grows with the square of the depth: 20,000 "[" would take most of a minute.
MAX_DEPTH = 16
# Characters of a wrong value that a message repeats.
MAX_SHOWN = 60

YAML_TAG = "tag:yaml.org,2002:"
# The types of scalars, by their tags, with the words for a value that does not fit.
SCALARS = {
    "str": "text",
    "null": "nothing",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "timestamp": "a date",
    "binary": "base64",
    "merge": "no merged table",
    "value": "a value",
}
# Text in YAML 1.2, but truth values in 1.1, which most libraries read. A book needs quotes around them, so that it
# means the same to both.
TRUTH_WORDS = frozenset({"yes", "no", "on", "off"})


@dataclass(frozen=True, slots=True)
class Mistake:
    """A mistake in a book. `line` is 1-based; `where` is a location such as `rules[2].gifs[0].weight`."""

    line: int
    where: str
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.where + ': ' if self.where else ''}{self.message}"


@dataclass(slots=True)
class Source:
    """Plain values and their lines. `mistakes` holds those of the text itself."""

    values: Any = None
    lines: dict[Location, int] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)

    def line(self, location: Location) -> int:
        """The line of a value, or of the closest table or list around it if the value itself is absent."""
        for length in range(len(location), -1, -1):
            if location[:length] in self.lines:
                return self.lines[location[:length]]
        return 1


def shown(value: Any) -> str:
    """A wrong value for a message, shortened to `MAX_SHOWN` characters."""
    try:
        text = repr(value)
    except ValueError:
        # Python reads any number of hexadecimal digits, but prints no more than 4,300 decimal ones.
        return "a number of too many digits to show"
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"


def read_yaml(text: str) -> Source:
    """Reads YAML as plain values: no tags, and no aliases, since a few lines of them can stand for gigabytes."""
    yaml = YAML(typ="safe", pure=True)
    yaml.max_depth = MAX_DEPTH + 1  # ruamel counts the document itself as a level
    yaml.Composer = _Composer
    document, problem = None, None
    try:
        document = yaml.compose(text)
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        problem = Mistake(line, "", f"expected text, got the character U+{error.character:04X}")
    except MaxDepthExceededError as error:
        problem = Mistake(_line(error.problem_mark), "", f"expected at most {MAX_DEPTH} levels, got more")
    except MarkedYAMLError as error:
        message = " ".join(part for part in (error.context, error.problem) if part)
        problem = Mistake(_line(error.problem_mark or error.context_mark), "", f"expected YAML: {message}")
    mistakes = [
        Mistake(_line(alias.start_mark), "", f"expected no alias, got *{alias.anchor}: write the values out")
        for alias in yaml.composer.aliases
    ]
    if problem is not None:
        mistakes.append(problem)
    if mistakes or document is None:
        return Source(mistakes=mistakes)
    reader = _DocumentReader(yaml.constructor)
    reader.source.values = reader.value(document, ())
    return reader.source


class _Composer(Composer):
    """Collects aliases instead of following them, and gives every error a line."""

    def __init__(self, loader: Any = None) -> None:
        super().__init__(loader)
        self.warn_double_anchors = False  # a warning on stderr; without aliases, anchors mean nothing
        self.aliases: list[AliasEvent] = []
        self._values = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self._values += 1
        if self._values > MAX_VALUES:
            # Where the value begins. The reader is ahead of it.
            mark = self.parser.peek_event().start_mark
            raise ComposerError(None, None, f"at most {MAX_VALUES} values, got more", mark)
        if not self.parser.check_event(AliasEvent):
            return super().compose_node(parent, index)
        alias = self.parser.get_event()
        self.aliases.append(alias)
        return ScalarNode(f"{YAML_TAG}null", "", alias.start_mark, alias.end_mark)

    def get_single_node(self) -> Any:
        try:
            return super().get_single_node()
        except (ValueError, OverflowError) as error:
            # ruamel passes on what int() and chr() raise for the digits of a directive or of an escape.
            raise ComposerError(None, None, str(error), self.loader.reader.get_mark()) from None


class _DocumentReader:
    """Turns the nodes of a document into plain values, and continues after a mistake so that all are found.

    ruamel's own constructor would raise at the first one. It is asked for one scalar at a time.
    """

    def __init__(self, constructor: BaseConstructor) -> None:
        self.source = Source()
        self._constructor = constructor

    def value(self, node: Node, location: Location) -> Any:
        """The node's value. The depth of the recursion is that of the document, which the composer bounds."""
        self.source.lines.setdefault(location, _line(node.start_mark))
        if isinstance(node, ScalarNode):
            return self._scalar(node, location)
        if node.tag not in (f"{YAML_TAG}map", f"{YAML_TAG}seq"):
            self._mistake(node, location, f"expected no tag, got {node.tag}")
        if isinstance(node, SequenceNode):
            return [self.value(each, (*location, index)) for index, each in enumerate(node.value)]
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                self._mistake(key_node, location, "expected text as a key, got a list or a table")
                continue
            key = self._scalar(key_node, location)
            if not isinstance(key, str):
                got = shown(key_node.value)
                self._mistake(key_node, location, f"expected text as a key, got {got}: put it in quotes")
                key = str(key_node.value)
            if key in values:
                self._mistake(key_node, (*location, key), "expected this once, got it again")
            self.source.lines[(*location, key)] = _line(key_node.start_mark)
            values[key] = self.value(value_node, (*location, key))
        return values

    def _scalar(self, node: ScalarNode, location: Location) -> Any:
        """A scalar's value, or its text if that does not fit its tag."""
        text = str(node.value).encode("utf-8", "replace").decode()
        if text != node.value:
            self._mistake(node, location, f"expected characters, got half of one: {shown(node.value)}")
            return text
        expected = SCALARS.get(str(node.tag).removeprefix(YAML_TAG))
        if expected is None:
            self._mistake(node, location, f"expected no tag, got {node.tag}")
            return text
        if node.style is None and text.lower() in TRUTH_WORDS:
            node.tag = f"{YAML_TAG}bool"
        try:
            return self._constructor.construct_non_recursive_object(node)
        except Exception:  # any: whatever int(), datetime and the other constructors of tags raise
            self._mistake(node, location, f"expected {expected}, got {shown(text)}: put text in quotes")
            return text

    def _mistake(self, node: Node, location: Location, message: str) -> None:
        self.source.mistakes.append(Mistake(_line(node.start_mark), format_location(location), message))


def _line(mark: Any) -> int:
    return 1 if mark is None else int(mark.line) + 1
