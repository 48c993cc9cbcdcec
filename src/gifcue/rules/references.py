"""What a rule book names outside of itself: reactions, and files that gifcue serves.

Both look past values of the wrong shape, as a book may hold that is yet to be checked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from importlib.resources import files
from pathlib import Path as FilePath
from typing import Any
from urllib.parse import unquote

from gifcue.errors import ConfigError
from gifcue.rules.book import Path, room_tables, rule_lists

# Where the server's HTTP port has the folder of GIFs.
SERVED_UNDER = "/gifs/"


def gifs_folder(folder: FilePath | None = None) -> FilePath:
    """The folder of GIFs that is served; the default pack's if none is given.

    Raises:
        ConfigError: it is no folder.
    """
    folder = folder or FilePath(str(files("gifcue.rules") / "default" / "gifs"))
    if not folder.is_dir():
        raise ConfigError(f"rules.gifs: expected a folder, got {folder}")
    return folder


def unknown_labels(values: Any, labels: Collection[str]) -> Iterator[tuple[Path, str]]:
    """Labels that are none of these, each with its place in a book's plain values."""
    for path, rules in rule_lists(values):
        for place, rule in enumerate(rules):
            label = rule.get("label") if isinstance(rule, Mapping) else None
            if isinstance(label, str) and label not in labels:
                yield (*path, place, "label"), label
    for path, room in room_tables(values):
        without = room.get("without")
        for place, label in enumerate(without if isinstance(without, list) else []):
            if isinstance(label, str) and label not in labels:
                yield (*path, "without", place), label


def missing_files(values: Any, folder: FilePath) -> Iterator[tuple[Path, str]]:
    """Addresses in a book's plain values that this folder would have to answer and cannot, each with its place."""
    gifs = values.get("gifs") if isinstance(values, Mapping) else None
    for name, gif in gifs.items() if isinstance(gifs, Mapping) else ():
        for key in ("url", "video_url"):
            url = gif.get(key) if isinstance(gif, Mapping) else None
            if isinstance(url, str) and url.startswith(SERVED_UNDER) and not _is_served(url, folder):
                yield ("gifs", name, key), url


def _is_served(url: str, folder: FilePath) -> bool:
    """Goes by aiohttp's rules for static files: a link that leads out of the folder is not followed."""
    path = url.partition("#")[0].partition("?")[0]
    try:
        file = (folder / unquote(path.removeprefix(SERVED_UNDER))).resolve()
        return file.is_relative_to(folder.resolve()) and file.is_file()
    except (OSError, RuntimeError, ValueError):
        return False  # too long a name, links in a circle, a zero byte
