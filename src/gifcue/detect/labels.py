"""Labels and their ids, in the `label_map.pbtxt` format of TensorFlow's Object Detection API."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gifcue.errors import ModelError

_ITEM = re.compile(r"item\s*\{([^{}]*)\}")
_COMMENT = re.compile(r"#[^\n]*")
_ID = re.compile(r"\bid\s*:\s*(\d+)")
_NAME = re.compile(r"\bname\s*:\s*(?:\"([^\"]*)\"|'([^']*)')")


@dataclass(frozen=True, slots=True)
class LabelMap:
    """Labels by id. Ids start at 1; id 0 is the background and is never listed."""

    by_id: dict[int, str]

    @property
    def names(self) -> tuple[str, ...]:
        """The labels, in the order of their ids."""
        return tuple(self.by_id[number] for number in sorted(self.by_id))

    def id_of(self, name: str) -> int:
        """The id of a label.

        Raises:
            KeyError: the map has no such label.
        """
        for number, known in self.by_id.items():
            if known == name:
                return number
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.by_id)


def parse_label_map(text: str, source: str = "label map") -> LabelMap:
    """Reads the text of a label map; `source` is used in messages.

    Raises:
        ModelError: there are no items, an item lacks its id or name, or an id or name occurs twice.
    """
    by_id: dict[int, str] = {}
    for body in _ITEM.findall(_COMMENT.sub("", text)):
        number, name = _ID.search(body), _NAME.search(body)
        if number is None or name is None:
            raise ModelError(f"{source}: expected an item with id and name, got {{{' '.join(body.split())}}}")
        key, label = int(number.group(1)), name.group(1) or name.group(2) or ""
        if key < 1 or not label:
            raise ModelError(f"{source}: expected an id of 1 or more and a name, got {key} {label!r}")
        if key in by_id or label in by_id.values():
            raise ModelError(f"{source}: expected each id and name once, got {key} {label!r} again")
        by_id[key] = label
    if not by_id:
        raise ModelError(f"{source}: expected items, got none")
    return LabelMap(by_id)


def read_label_map(path: Path) -> LabelMap:
    """Reads the file of a label map.

    Raises:
        ModelError: the file is missing or malformed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: expected a label map, got {error}") from error
    return parse_label_map(text, str(path))


def write_label_map(labels: LabelMap) -> str:
    """The text of a label map, which `parse_label_map` reads."""
    return "".join(
        f'item {{\n  id: {number}\n  name: "{labels.by_id[number]}"\n}}\n' for number in sorted(labels.by_id)
    )
