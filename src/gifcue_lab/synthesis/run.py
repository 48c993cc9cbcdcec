"""Composes a directory of sequences from a directory of labelled photographs.

In: DATA/SPLIT with photographs, labels and landmarks.npz, the length and a seed. Out: videos, events.json and
script.json.
"""

from __future__ import annotations

import multiprocessing
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Sequence as Many
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import cv2

from gifcue.errors import ConfigError
from gifcue.reactions.settings import policy_preset
from gifcue_lab.datasets.annotation import DatasetError
from gifcue_lab.datasets.progress import Track, quiet
from gifcue_lab.synthesis.encode import write_video
from gifcue_lab.synthesis.folder import Arguments, Composition
from gifcue_lab.synthesis.mixes import mix_of
from gifcue_lab.synthesis.participants import find_subjects
from gifcue_lab.synthesis.plan import schedule_sequences
from gifcue_lab.synthesis.renderer import Renderer
from gifcue_lab.synthesis.script import Sequence
from gifcue_lab.synthesis.subjects import Still, read_stills
from gifcue_lab.synthesis.talking_clips import read_talking_clips
from gifcue_lab.synthesis.video import VideoReader
from gifcue_lab.training.samples import Image, Photo, read_image, read_photos


@dataclass(frozen=True, slots=True)
class Composed:
    """What the folder holds.

    Attributes:
        sequences: by file name.
        finished: the names of the clips that are there. Others are missing only if another process writes them.
    """

    sequences: Mapping[str, Sequence]
    finished: frozenset[str]

    @property
    def seconds(self) -> float:
        return sum(self.sequences[name].seconds for name in self.finished)

    @property
    def expected(self) -> Counter[str]:
        """The number of expected reactions of the finished clips by label."""
        return Counter(span.label for name in self.finished for span in self.sequences[name].expect)

    @property
    def kinds(self) -> dict[str, float]:
        """The share of each kind of segment in the time of all sequences, 0..1, the largest first."""
        seconds: dict[str, float] = {}
        for sequence in self.sequences.values():
            for segment in sequence.segments:
                seconds[segment.kind] = seconds.get(segment.kind, 0.0) + segment.end_s - segment.start_s
        total = sum(seconds.values())
        return {kind: seconds[kind] / total for kind in sorted(seconds, key=lambda each: -seconds[each])}

    @property
    def people(self) -> int:
        """The number of groups of which a person is shown in the finished clips."""
        return len({self.sequences[name].person.split("/")[0] for name in self.finished})


def compose(
    data: Path,
    out: Path,
    *,
    split: str,
    minutes: float,
    seed: int,
    mix: str = "meant",
    groups: Many[str] = (),
    jobs: int = 1,
    track: Track = quiet,
    say: Callable[[str], None] = lambda _: None,
) -> Composed:
    """Writes videos of `minutes` in all, events.json and script.json to `out`, or goes on with a run that was cut.

    Args:
        data: the directory of the splits.
        out: an empty directory, none, or one that was begun with the same arguments.
        split: the split of the photographs.
        minutes: length in all.
        seed: the same seed gives the same scripts.
        mix: what happens in the sequences, see `mixes`.
        groups: patterns of the names of groups; empty for all groups of the split.
        jobs: number of clips that are rendered at the same time, each by a process.
        track: shows progress.
        say: is told what is about to be done.

    Raises:
        ConfigError: there is no such split or mix, `out` holds something else, or the disk is too small.
        DatasetError: there is nobody with enough photographs for a sequence, or a photograph has another size than
            its labels say.
    """
    arguments = Arguments(split, minutes, seed, mix, tuple(groups))
    wanted = mix_of(mix)
    composition = Composition.resume(out, arguments)
    stills = _read_stills(data, split, groups)
    if composition is None:
        labels = policy_preset("normal").labels
        subjects = find_subjects(stills, labels, _read, lambda each: track(each, "looking for people"))
        hands = [label for label, each in labels.items() if each.kind == "hand"]
        clips = read_talking_clips(_clips_of(data, split), hands)
        sequences = schedule_sequences(
            subjects, clips, policy_preset("normal"), minutes=minutes, seed=seed, mix=wanted
        )
        composition = Composition.create(out, arguments, sequences)
    missing = composition.missing
    if missing:
        say(_space(composition))
    by_name = {still.name: still for still in stills}
    _check_photos(composition, by_name)
    for _ in track(_rendered(data, split, composition, by_name, jobs), "clips", len(missing)):
        pass
    composition.publish()
    return Composed(composition.sequences, frozenset(composition.sequences) - frozenset(composition.missing))


def _read_stills(data: Path, split: str, groups: Many[str]) -> list[Still]:
    """Raises ConfigError where there is no such split, or no group of it fits `groups`."""
    if not (data / split).is_dir():
        splits = sorted(path.parent.name for path in data.glob("*/*/") if any(path.glob("*.xml")))
        known = ", ".join(dict.fromkeys(splits)) or "no split at all"
        raise ConfigError(
            f"--split: expected a directory of {data} with photographs ({known}), got {split!r}"
        )
    chosen = None
    if groups:
        names = (each.name for each in (data / split).iterdir() if each.is_dir())
        chosen = [name for name in names if any(fnmatchcase(name, pattern) for pattern in groups)]
        if not chosen:
            raise ConfigError(
                f"--group: expected the name of a group of {data / split}, got {', '.join(groups)}"
            )
    return read_stills(read_photos(data, split, groups=chosen), policy_preset("normal").labels)


def _space(composition: Composition) -> str:
    """Says what the missing clips may take. Raises ConfigError where the disk has less."""
    most, free = composition.most_bytes, shutil.disk_usage(composition.path).free
    if most > free:
        raise ConfigError(
            f"OUT: expected {most / 1e9:.1f} GB of free space for the clips at {composition.path}, "
            f"got {free / 1e9:.1f} GB"
        )
    there, missing = len(composition.sequences), len(composition.missing)
    return f"{missing} of {there} clips to render, at most {most / 1e9:.2f} GB"


def _check_photos(composition: Composition, stills: Mapping[str, Still]) -> None:
    for name, sequence in composition.sequences.items():
        if lacking := sorted(sequence.photos - set(stills)):
            raise DatasetError(f"{name}: expected the photograph {lacking[0]} in DATA, got none")


def _rendered(
    data: Path, split: str, composition: Composition, stills: Mapping[str, Still], jobs: int
) -> Iterator[str]:
    """Renders the missing clips, and yields the name of each when this process is done with it."""
    task = _Rendering(data, split, composition, stills)
    missing = composition.missing
    if jobs == 1:
        for name in missing:
            task(name)
            yield name
        return
    # Forked processes would inherit OpenCV's threads in an unknown state.
    context = multiprocessing.get_context("spawn")
    needed = {photo for name in missing for photo in composition.sequences[name].photos}
    few = _Rendering(data, split, composition, {name: stills[name] for name in needed})
    with ProcessPoolExecutor(
        min(jobs, max(1, len(missing))), context, initializer=_begin, initargs=(few,)
    ) as pool:
        futures = {pool.submit(_render, name): name for name in missing}
        try:
            for future in as_completed(futures):
                future.result()
                yield futures[future]
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


@dataclass(frozen=True, slots=True)
class _Rendering:
    """Renders clips of one composition."""

    data: Path
    split: str
    composition: Composition
    stills: Mapping[str, Still]

    def __call__(self, name: str) -> None:
        sequence, directory = self.composition.sequences[name], _clips_of(self.data, self.split)
        # Threads of OpenCV cost more than they gain at this size, and clips are rendered side by side.
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)
        try:
            with self.composition.claim(name) as path:
                if path is not None:
                    renderer = Renderer(
                        sequence, self.stills, _read, lambda clip: VideoReader(directory / clip)
                    )
                    write_video(renderer.frames(), path, sequence.video)
        finally:
            cv2.setNumThreads(threads)


_task: _Rendering | None = None


def _begin(task: _Rendering) -> None:
    global _task
    _task = task


def _render(name: str) -> None:
    assert _task is not None
    _task(name)


def _clips_of(data: Path, split: str) -> Path:
    return data / "clips" / split


def _read(photo: Photo) -> Image:
    """Decodes a photograph. Raises `DatasetError` if its size is not that of its labels."""
    image = read_image(photo.path)
    if image.shape[:2] != (photo.height, photo.width):
        got = f"{image.shape[1]} x {image.shape[0]}"
        raise DatasetError(f"{photo.path}: expected {photo.width} x {photo.height} pixels, got {got}")
    return image
