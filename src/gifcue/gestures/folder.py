"""The folder of custom gestures: one file for each, read again when it changes, and written in one step.

Several servers may share a folder. Whoever writes a file replaces it as a whole, so that no reader sees half of one.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from gifcue.errors import ConfigError, ModelError
from gifcue.gestures.taught import TaughtGesture, read_gesture

# Each costs every detector worker memory, and time for every hand.
MAX_GESTURES = 64
SUFFIX = ".json"


class FolderState(NamedTuple):
    """What a folder holds: gestures by the name of their file, and for each file that is not as it should be, why."""

    gestures: dict[str, TaughtGesture]
    problems: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Known:
    """A file as it was last read. `gesture` is the last sound one, None for none."""

    signature: tuple[int, int, int]
    gesture: TaughtGesture | None
    problem: str | None


class GestureFolder:
    """One call at a time, in any thread.

    A file that changes and is then damaged is reported, and its last sound version stays in service until the server
    stops.

    Args:
        path: the folder.
        reserved: labels that extra gestures have. A file with one of them is reported and not served.

    Raises:
        ConfigError: there is no such folder.
    """

    def __init__(self, path: Path, reserved: Collection[str] = ()) -> None:
        if not path.is_dir():
            raise ConfigError(f"gestures_dir: expected a folder of gesture classifiers, got none at {path}")
        self.path = path
        self._reserved = frozenset(reserved)
        self._files: dict[str, _Known] = {}
        self._unreadable: str | None = None

    @property
    def is_writable(self) -> bool:
        """Whether gestures can be written, as far as permissions and the file system say."""
        return os.access(self.path, os.W_OK | os.X_OK)

    def look(self) -> FolderState:
        """Reads the files that are new or have changed."""
        try:
            paths = sorted(path for path in self.path.iterdir() if path.suffix == SUFFIX)
        except OSError as error:
            # A share that is away for a moment must not take the gestures away.
            self._unreadable = f"expected a readable folder: {error.strerror}"
        else:
            self._unreadable = None
            self._files = {path.name: self._read(path) for path in paths[:MAX_GESTURES]}
        return self._state(() if self._unreadable else paths[MAX_GESTURES:])

    def clash(self) -> tuple[str, str] | None:
        """A file of the last look that has a reserved label, and that label; None where there is none."""
        return next(
            (
                (name, label)
                for name, known in self._files.items()
                if known.gesture is not None
                for label in known.gesture.labels
                if label in self._reserved
            ),
            None,
        )

    def write(self, name: str, gesture: TaughtGesture) -> None:
        """Writes the file `name`, in place of one that is there.

        Raises:
            OSError: the folder cannot be written to.
        """
        # A name of its own: servers that share the folder may have the same process id in their containers. Readers
        # pass over it because of its suffix.
        part = self.path / f".{name}.{secrets.token_hex(4)}.part"
        try:
            with part.open("wb") as file:
                file.write(gesture.as_json())
                file.flush()
                os.fsync(file.fileno())
            part.replace(self.path / name)
        finally:
            with contextlib.suppress(OSError):
                part.unlink()

    def delete(self, name: str) -> None:
        """Deletes the file `name`; one that is gone already is no error.

        Raises:
            OSError: the folder cannot be written to.
        """
        (self.path / name).unlink(missing_ok=True)

    def _read(self, path: Path) -> _Known:
        before = self._files.get(path.name)
        try:
            status = path.stat()
            signature = (status.st_ino, status.st_size, status.st_mtime_ns)
            if before is not None and before.signature == signature:
                return before
            if not path.is_file():
                raise ModelError(f"{path}: expected a file, got something else")
            return _Known(signature, read_gesture(path), None)
        except OSError as error:
            signature, problem = (0, 0, 0), f"expected a readable file: {error.strerror}"
        except ModelError as error:
            problem = str(error).removeprefix(f"{path}: ")
        return _Known(signature, before.gesture if before is not None else None, problem)

    def _state(self, too_many: tuple[()] | list[Path]) -> FolderState:
        gestures: dict[str, TaughtGesture] = {}
        problems: dict[str, str] = {} if self._unreadable is None else {"": self._unreadable}
        owners = dict.fromkeys(self._reserved, "detect.extra_gestures")
        for name, known in self._files.items():
            if known.problem is not None:
                problems[name] = known.problem
            if known.gesture is None:
                continue
            taken = [label for label in known.gesture.labels if label in owners]
            if taken:
                problems[name] = f"expected a label of its own, got {taken[0]}, which {owners[taken[0]]} has"
                continue
            owners.update(dict.fromkeys(known.gesture.labels, name))
            gestures[name] = known.gesture
        for path in too_many:
            problems[path.name] = f"expected at most {MAX_GESTURES} gestures, got more"
        return FolderState(gestures, problems)
