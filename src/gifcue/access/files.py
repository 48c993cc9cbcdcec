"""Writes keys and tokens to files that only their owner can read."""

from __future__ import annotations

import os
import tempfile
import tomllib
from pathlib import Path

from gifcue.access.keys import parse_keys
from gifcue.errors import ConfigError

_OWNER_ONLY = 0o600


def write_secret(path: Path, text: str) -> None:
    """Writes a new file.

    Raises:
        ConfigError: there is one already, or it cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123  a descriptor has no path
            file.write(text)
    except FileExistsError:
        raise ConfigError(f"expected a file that does not exist yet, got {path}") from None
    except OSError as error:
        raise ConfigError(f"expected a file that can be written, got {path}: {error.strerror}") from None


def add_entry(path: Path, entry: str) -> None:
    """Adds a table to a keys file, which is made where there is none. A server that watches it sees old or new, whole.
    The file keeps its owner, group and mode.

    Raises:
        ConfigError: the name is taken, or the file has mistakes or cannot be written.
    """
    try:
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        added = f"{before.rstrip()}\n\n{entry}" if before.strip() else entry
        _check_name(before, entry)
        parse_keys(added.encode())
        known = path.stat() if before else None
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        written = Path(name)
        try:
            with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123  a descriptor has no path
                file.write(added)
            if known is not None and (known.st_uid, known.st_gid) != _owner_of(written):
                # The server may run as another user than whoever adds a key.
                os.chown(written, known.st_uid, known.st_gid)
            written.chmod(_OWNER_ONLY if known is None else known.st_mode & 0o777)
            written.replace(path)
        finally:
            written.unlink(missing_ok=True)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ConfigError(f"expected a keys file that can be written, got {path}: {reason}") from None


def _owner_of(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_uid, found.st_gid


def _check_name(before: str, entry: str) -> None:
    try:
        tables = tomllib.loads(before)
    except tomllib.TOMLDecodeError:
        return  # `parse_keys` says where
    for table, entries in tomllib.loads(entry).items():
        for name in entries:
            if name in tables.get(table, {}):
                raise ConfigError(f"expected a name that is free, got {table}.{name}")
