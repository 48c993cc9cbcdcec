"""The files of the web pages, read once from the package."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

STATIC = Path(__file__).parent / "static"
# What is served, by the end of a name. Other files are not read.
CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file. `packed` is its body in gzip, `etag` names its content."""

    body: bytes
    packed: bytes
    content_type: str
    etag: str


def read_assets(folder: Path = STATIC) -> Mapping[str, Asset]:
    """The files below `folder` by their path in it, such as "js/stream.js".

    The table is the list of what is served: a path that is not in it is not found, wherever it leads.
    """
    return {
        path.relative_to(folder).as_posix(): _asset(path)
        for path in sorted(folder.rglob("*"))
        if path.suffix in CONTENT_TYPES and path.is_file()
    }


def _asset(path: Path) -> Asset:
    body = path.read_bytes()
    # Without a time, so that the bytes depend on the content alone.
    packed = gzip.compress(body, mtime=0)
    return Asset(body, packed, CONTENT_TYPES[path.suffix], hashlib.sha256(body).hexdigest()[:32])
