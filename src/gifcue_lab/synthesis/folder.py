"""The folder of a composition: its script, the clips that are finished, and events.json, which lists these.

The script is written first and never changes. A clip is written under another name and gets its own once it is whole.
So a run can be cut at any time and goes on with the clips that are missing. Several processes may render clips of one
folder: each holds a lock on the clip that it writes, and the system releases the lock of a process that ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from gifcue.errors import ConfigError
from gifcue_lab.datasets.annotation import DatasetError
from gifcue_lab.evaluation.clips.truth import EVENTS_FILE
from gifcue_lab.synthesis.encode import SUFFIXES
from gifcue_lab.synthesis.events import events_json
from gifcue_lab.synthesis.script import Sequence

SCRIPT_FILE = "script.json"
SCRIPT_FORMAT = "gifcue-compose/1"
PART_SUFFIX = ".part"
_LOCK_FILE = ".lock"


@dataclass(frozen=True, slots=True)
class Arguments:
    """What determines a script, besides the photographs. `groups` are patterns of names; none means all groups."""

    split: str
    minutes: float
    seed: int
    mix: str
    groups: tuple[str, ...] = ()


class Composition:
    """The folder of one composition.

    Attributes:
        sequences: by the names of their files, in the order in which they are rendered.
    """

    def __init__(self, path: Path, sequences: Mapping[str, Sequence]) -> None:
        self.path = path
        self.sequences = dict(sequences)

    @classmethod
    def create(cls, path: Path, arguments: Arguments, sequences: list[Sequence]) -> Composition:
        """Writes the script into a folder, which is created."""
        path.mkdir(parents=True, exist_ok=True)
        named = {each.name + SUFFIXES[each.video.codec]: each for each in sequences}
        content = {
            "format": SCRIPT_FORMAT,
            **asdict(arguments),
            "sequences": {name: each.to_json() for name, each in named.items()},
        }
        _replace(path / SCRIPT_FILE, json.dumps(content, indent=1))
        return cls(path, named)

    @classmethod
    def resume(cls, path: Path, arguments: Arguments) -> Composition | None:
        """The composition of a folder; None where the folder is empty or missing.

        Raises:
            ConfigError: the folder holds something else, or a composition with other arguments.
            DatasetError: the script cannot be read.
        """
        script = path / SCRIPT_FILE
        if not script.is_file():
            if path.exists() and any(path.iterdir()):
                raise ConfigError(
                    f"OUT: expected an empty directory, none, or one with a {SCRIPT_FILE}, got {path}, which holds "
                    "other files"
                )
            return None
        try:
            content = json.loads(script.read_bytes())
            written = TypeAdapter(Arguments).validate_python(content)
            sequences = {name: Sequence.from_json(each) for name, each in content["sequences"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
            first = str(error).splitlines()[0]
            raise DatasetError(f"{script}: expected the script of a composition, got: {first}") from None
        for field, there in asdict(written).items():
            if (here := getattr(arguments, field)) != there:
                raise ConfigError(
                    f"OUT: expected the arguments with which {path} was begun, {field} {there!r}, got {here!r}"
                )
        return cls(path, sequences)

    @property
    def missing(self) -> list[str]:
        """The names of the clips that are not finished."""
        return [name for name in self.sequences if not (self.path / name).exists()]

    @property
    def most_bytes(self) -> int:
        """The most bytes that the missing clips take. The encoders keep to their rate within a tenth."""
        missing = (self.sequences[name] for name in self.missing)
        return round(sum(1.1 * each.seconds * each.video.bits_per_s / 8 for each in missing))

    @contextlib.contextmanager
    def claim(self, name: str) -> Iterator[Path | None]:
        """The file that the clip is to be written to, under this process's lock; None where there is nothing to do.

        That is the case if the clip is finished, or if another process writes it. When the block ends without an
        error, the file gets the clip's name and the clip is published.
        """
        final, part = self.path / name, self.path / (name + PART_SUFFIX)
        with part.open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield None
                return
            # Another process may have finished it between the look at the list and the lock, and this file is new then.
            if final.exists():
                part.unlink(missing_ok=True)
                yield None
                return
            yield part
            part.replace(final)
        self.publish()

    def publish(self) -> None:
        """Writes events.json with the clips that are finished."""
        with (self.path / _LOCK_FILE).open("ab") as file:
            # Two processes that list the clips at the same time would forget each other's.
            fcntl.flock(file, fcntl.LOCK_EX)
            missing = set(self.missing)
            finished = {name: each for name, each in self.sequences.items() if name not in missing}
            _replace(self.path / EVENTS_FILE, json.dumps(events_json(finished), indent=1))


def _replace(path: Path, text: str) -> None:
    """Writes a file such that a reader finds the old content or the new one."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
