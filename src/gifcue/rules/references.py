"""References of a rule book to what is outside of it: reactions, and files that gifcue serves.

Most functions take a book's plain values before they are validated, and pass over those of the wrong type.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from gifcue.errors import ConfigError
from gifcue.rules.book import Location, RuleBook, room_tables, rule_lists

# The path of the folder of GIFs on the server's HTTP port.
SERVED_UNDER = "/gifs/"
# The site of an address. An address with a name and a password, or with a strange host, has none.
_ORIGIN = re.compile(r"(https?://(?:[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?)(?:[/?#]|$)")


def gifs_folder(folder: Path | None = None) -> Path:
    """The folder of GIFs that is served: `folder`, or the one that comes with gifcue.

    Raises:
        ConfigError: it is not a folder.
    """
    folder = folder or Path(str(files("gifcue.rules") / "default" / "gifs"))
    if not folder.is_dir():
        raise ConfigError(f"rules.gifs: expected a folder, got {folder}")
    return folder


def unknown_labels(values: Any, labels: Collection[str]) -> Iterator[tuple[Location, str]]:
    """The labels of a book that are not among `labels`, each with its location."""
    for location, rules in rule_lists(values):
        for number, rule in enumerate(rules):
            label = rule.get("label") if isinstance(rule, Mapping) else None
            if isinstance(label, str) and label not in labels:
                yield (*location, number, "label"), label
    for location, room in room_tables(values):
        without = room.get("without")
        for index, label in enumerate(without if isinstance(without, list) else []):
            if isinstance(label, str) and label not in labels:
                yield (*location, "without", index), label


def missing_files(values: Any, folder: Path) -> Iterator[tuple[Location, str]]:
    """The addresses of a book under `/gifs/` that are not files of the folder, each with its location."""
    gifs = values.get("gifs") if isinstance(values, Mapping) else None
    for name, gif in gifs.items() if isinstance(gifs, Mapping) else ():
        for key in ("url", "video_url"):
            url = gif.get(key) if isinstance(gif, Mapping) else None
            if isinstance(url, str) and url.startswith(SERVED_UNDER) and not _is_served(url, folder):
                yield ("gifs", name, key), url


def origins_of(book: RuleBook) -> frozenset[str]:
    """The sites that the GIFs of a book come from, such as "https://gifs.example.org"; without the server's own."""
    sites = (_ORIGIN.match(gif.url) for gif in book.gifs.values())
    return frozenset(site[1].lower() for site in sites if site is not None)


def _is_served(url: str, folder: Path) -> bool:
    """Follows aiohttp's rules for static files: a link that leads out of the folder is not served."""
    path = url.partition("#")[0].partition("?")[0]
    try:
        file = (folder / unquote(path.removeprefix(SERVED_UNDER))).resolve()
        return file.is_relative_to(folder.resolve()) and file.is_file()
    except (OSError, RuntimeError, ValueError):
        return False  # a name that is too long, a loop of links, a zero byte
