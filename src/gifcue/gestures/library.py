"""The custom gestures in service: those of the folder, and those that are kept in memory until the server stops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from gifcue.errors import ConfigError, WrongState
from gifcue.gestures.folder import MAX_GESTURES, SUFFIX, FolderState, GestureFolder
from gifcue.gestures.samples import GestureError
from gifcue.gestures.taught import TaughtGesture


@dataclass(frozen=True, slots=True)
class ReloadedGestures:
    """What became of a reload: the labels in service, and for each file that is not served as it stands, why. The
    problem of the folder itself has the name "".
    """

    labels: tuple[str, ...]
    problems: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ServedGesture:
    """A gesture in service. `file` is the name of its file, None where it is in memory alone."""

    gesture: TaughtGesture
    file: str | None


class GestureLibrary:
    """Owned by the event loop. Files are read and written in a thread, one access at a time.

    Args:
        path: the folder; None: gestures are in memory alone.
        on_change: called with all gestures whenever they have changed.
        reserved: labels of the extra gestures, which no custom gesture may have.

    Raises:
        ConfigError: there is no such folder, or one of its gestures has a reserved label.
    """

    def __init__(
        self,
        path: Path | None,
        on_change: Callable[[tuple[TaughtGesture, ...]], None] = lambda _: None,
        reserved: Collection[str] = (),
    ) -> None:
        self._reserved = frozenset(reserved)
        self._folder = None if path is None else GestureFolder(path, self._reserved)
        self._state = FolderState({}, {}) if self._folder is None else self._folder.look()
        clash = None if self._folder is None else self._folder.clash()
        if clash is not None:
            file, label = clash
            raise ConfigError(
                f"detect.extra_gestures: expected labels that no custom gesture has, got {label}, which {file} in "
                f"{path} has: remove one of them, or train yours under another label"
            )
        self._memory: dict[str, TaughtGesture] = {}
        self._on_change = on_change
        self._access = asyncio.Lock()

    @property
    def served(self) -> tuple[ServedGesture, ...]:
        """The gestures in service. One in memory takes the place of a file with one of its labels."""
        hidden = {label for gesture in self._memory.values() for label in gesture.labels}
        files = [
            ServedGesture(gesture, name)
            for name, gesture in self._state.gestures.items()
            if not hidden.intersection(gesture.labels)
        ]
        return (*files, *(ServedGesture(gesture, None) for gesture in self._memory.values()))

    @property
    def gestures(self) -> tuple[TaughtGesture, ...]:
        """The same without their places."""
        return tuple(each.gesture for each in self.served)

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label in service."""
        return tuple(label for gesture in self.gestures for label in gesture.labels)

    @property
    def problems(self) -> Mapping[str, str]:
        """Files that are not served as they stand, each with the reason."""
        return self._state.problems

    @property
    def has_folder(self) -> bool:
        """Whether a folder is configured."""
        return self._folder is not None

    @property
    def is_writable(self) -> bool:
        """Whether a gesture that is kept now survives a restart."""
        return self._folder is not None and self._folder.is_writable

    def find(self, label: str) -> ServedGesture | None:
        """The gesture with this label; None where none has it."""
        return next((each for each in self.served if label in each.gesture.labels), None)

    async def reload(self) -> ReloadedGestures:
        """Reads the folder again and takes what has changed."""
        async with self._access:
            await self._look()
        return ReloadedGestures(self.labels, self.problems)

    async def keep(self, gesture: TaughtGesture, *, replace: bool = False) -> bool:
        """Serves a gesture of one label. True: it is in the folder and survives a restart; False: there is no folder,
        or it cannot be written to. `replace`: it may take the place of one with the same label.

        Raises:
            WrongState: the label is in service, and `replace` is False.
            GestureError: there are too many gestures, an extra gesture or a file with several labels has this one, its
                file would take the place of another gesture's, or the file was written and is not served.
        """
        async with self._access:
            (label,) = gesture.labels
            if label in self._reserved:
                raise GestureError(f"expected a new label, got {label}, which an extra gesture has")
            # Another server may have written to the folder since the last look.
            await self._look()
            if self.find(label) is not None and not replace:
                raise WrongState(f"expected a new label, got {label}, which is in service: ask to replace it")
            file = self._own_file(label) or self._new_file(label)
            before = self._state.gestures.get(file)
            if self._folder is not None and await _succeeds(self._folder.write, file, gesture):
                await self._look()
                # A file that cannot be served leaves its last sound version in place.
                if self._state.gestures.get(file) is before:
                    problem = self.problems.get(file) or self.problems.get("", "a folder without it")
                    raise GestureError(f"{label}: expected {file} to be served once it is written: {problem}")
                self._forget(label)
                return True
            self._memory[label] = gesture
            self._on_change(self.gestures)
            return False

    async def delete(self, label: str) -> bool:
        """Takes a gesture out of service, and deletes its file; False where there is no such gesture.

        Raises:
            GestureError: its file has other labels as well, or cannot be deleted.
        """
        async with self._access:
            await self._look()
            if self.find(label) is None:
                return False
            # One in memory may hide a file, which would come back in its place.
            file = self._own_file(label)
            if self._folder is not None and file is not None:
                if not await _succeeds(self._folder.delete, file):
                    raise GestureError(
                        f"{label}: expected a folder that can be written to, {file} is still there"
                    )
                await self._look()
            self._forget(label)
            return True

    def _own_file(self, label: str) -> str | None:
        """The file of a label, hidden or not; None where no file has it.

        Raises:
            GestureError: the file has other labels as well.
        """
        for file, gesture in self._state.gestures.items():
            if label in gesture.labels:
                if len(gesture.labels) > 1:
                    raise GestureError(
                        f"{label}: expected a gesture with a file of its own, got {file} with "
                        f"{len(gesture.labels)} labels"
                    )
                return file
        return None

    def _new_file(self, label: str) -> str:
        """The name for the file of a label that no file has.

        Raises:
            GestureError: there are too many gestures, or another one has a file of that name.
        """
        file = f"{label}{SUFFIX}"
        # The folder reads a bounded number of files, sound or not: one more would push out another.
        files = self._state.gestures.keys() | (self.problems.keys() - {""})
        if file in files:
            raise GestureError(
                f"{label}: expected no file of another gesture with the name {file}, got one: rename it first"
            )
        filed = {label, *(each for gesture in self._state.gestures.values() for each in gesture.labels)}
        if len(files) + len(self._memory.keys() - filed) >= MAX_GESTURES:
            raise GestureError(
                f"expected at most {MAX_GESTURES} gestures, damaged files included, got one more: delete one first"
            )
        return file

    def _forget(self, label: str) -> None:
        """Takes a gesture out of memory."""
        if self._memory.pop(label, None) is not None:
            self._on_change(self.gestures)

    async def _look(self) -> None:
        if self._folder is None:
            return
        before, self._state = self._state, await asyncio.to_thread(self._folder.look)
        # The folder returns the same object for a file that has not changed.
        if before.gestures != self._state.gestures:
            self._on_change(self.gestures)


async def _succeeds(step: Callable[..., None], *arguments: object) -> bool:
    try:
        await asyncio.to_thread(step, *arguments)
    except OSError:
        return False
    return True
