"""Follows the keys file, so that a key is rotated without a restart."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

import structlog

from gifcue.access.keys import MAX_FILE_BYTES, KeySet, parse_keys
from gifcue.errors import ConfigError

log = structlog.get_logger(__name__)


class KeysWatcher:
    """Owns the keys in force. A file with mistakes is refused, the old keys stay in force, and it is logged once.

    Raises:
        ConfigError: the file cannot be read, or has mistakes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._problem: str | None = None
        try:
            data = self._read()
            self.keys = parse_keys(data)
        except (OSError, ConfigError) as error:
            raise ConfigError(f"access.keys: {path}: {_what(error)}") from None
        self._seen = hashlib.sha256(data).digest()
        if path.stat().st_mode & stat.S_IRWXO:
            log.warning("the keys file can be read by every user of this machine", setting="access.keys")

    def look(self) -> KeySet | None:
        """Reads the file; the new keys where it has changed and is sound, otherwise None."""
        try:
            data = self._read()
            seen = hashlib.sha256(data).digest()
            if seen == self._seen:
                self._problem = None
                return None
            keys = parse_keys(data)
        except (OSError, ConfigError) as error:
            problem = _what(error)
            if problem != self._problem:
                self._problem = problem
                log.warning("keys not taken, the old ones stay in force", problem=problem)
            return None
        self._problem = None
        self._seen = seen
        self.keys = keys
        log.info("keys taken", keys=sorted(keys.keys), tokens=len(keys.tokens))
        return keys

    def _read(self) -> bytes:
        with self._path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)


def _what(error: OSError | ConfigError) -> str:
    # Messages of parse_keys quote no value.
    return f"expected a readable file: {error.strerror}" if isinstance(error, OSError) else str(error)
