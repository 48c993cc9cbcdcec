"""Splits a dataset into sides that share no person."""

from __future__ import annotations

import csv
import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gifcue_lab.datasets.annotation import DatasetError
from gifcue_lab.datasets.pictures import LabelledPicture, content_hash
from gifcue_lab.datasets.progress import Track, quiet
from gifcue_lab.datasets.voc import write_voc

# A key beside the labels, so that each side also gets its share of pictures.
_PICTURES = "\0pictures"
# Random orders that are tried. Twice as many change the result by less than one percent.
_ORDERS = 200

Table = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Split:
    """The result: `sides` maps the name of a side to its pictures, `groups` the name of a group to its side."""

    seed: int
    sides: Mapping[str, tuple[LabelledPicture, ...]]
    groups: Mapping[str, str]

    def to_json(self) -> dict[str, object]:
        """`{"seed", "sides": {side: {"pictures", "groups": [...]}}}`."""
        sides = {
            side: {
                "pictures": len(pictures),
                "groups": sorted(group for group, where in self.groups.items() if where == side),
            }
            for side, pictures in self.sides.items()
        }
        return {"seed": self.seed, "sides": sides}


def groups_by_regex(pattern: str) -> Callable[[LabelledPicture], str]:
    """Groups by the first capture of a pattern in `folder/filename`.

    Raises `DatasetError` for a wrong pattern. The returned function raises it if the pattern does not match.
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise DatasetError(f"expected a regular expression for groups, got {pattern!r}: {error}") from error
    if expression.groups < 1:
        raise DatasetError(
            f"expected a capture (in parentheses) in the expression for groups, got {pattern!r}"
        )

    def group(picture: LabelledPicture) -> str:
        found = expression.search(picture.name)
        if found is None or not found.group(1):
            raise DatasetError(f"{picture.name}: expected {pattern!r} to find a group, it found none")
        return found.group(1)

    return group


def groups_by_csv(path: Path) -> Callable[[LabelledPicture], str]:
    """Groups by a CSV file with two columns, `folder/filename` and the group.

    Raises `DatasetError` if the file cannot be read. The returned function raises it for a picture without a line.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path}: expected a CSV file of file,group, got {error}") from error
    wrong = next((row for row in rows if len(row) != 2), None)
    if wrong is not None:
        raise DatasetError(f"{path}: expected two columns, file,group, got {wrong}")
    known = {file.strip(): group.strip() for file, group in rows}

    def group(picture: LabelledPicture) -> str:
        if picture.name not in known:
            raise DatasetError(f"{picture.name}: expected a line in {path}, got none")
        return known[picture.name]

    return group


def split_by_group(
    pictures: Sequence[LabelledPicture],
    shares: Mapping[str, float],
    *,
    seed: int,
    group_of: Callable[[LabelledPicture], str] = lambda picture: picture.group,
    track: Track = quiet,
) -> Split:
    """Assigns whole groups to sides, so that each side gets its share of the pictures and of every label.

    The same pictures, shares and seed give the same split, whatever the order of `pictures`. Groups that hold an
    identical picture stay together.

    Raises:
        DatasetError: a share is not positive, or there are fewer groups than sides.
    """
    if len(shares) < 2 or any(not share > 0 for share in shares.values()):
        raise DatasetError(f"expected two or more sides with shares over 0, got {dict(shares)}")
    members: dict[str, list[LabelledPicture]] = defaultdict(list)
    for picture in sorted(pictures, key=lambda picture: picture.name):
        members[group_of(picture)].append(picture)
    sources = _same_source(members, track)
    if len(sources) < len(shares):
        raise DatasetError(f"expected at least {len(shares)} groups for {list(shares)}, got {len(sources)}")
    side_of = _deal(sources, members, shares, random.Random(seed))
    sides = {
        side: tuple(
            picture for group in sorted(members) if side_of[group] == side for picture in members[group]
        )
        for side in shares
    }
    return Split(seed, sides, side_of)


def copy_sides(split: Split, out: Path, track: Track = quiet) -> None:
    """Copies pictures and their XML to `out/side/folder/`.

    Raises:
        DatasetError: a side has files already, which may show a person who is in another side of this split; or two
            pictures share an XML file. Nothing is copied then.
    """
    for side, pictures in split.sides.items():
        folder = out / side
        if folder.exists() and any(folder.iterdir()):
            raise DatasetError(f"{folder}: expected a new or empty folder, got one with files; remove it or name another")
        stems = Counter((folder / picture.name).with_suffix(".xml") for picture in pictures)
        if twice := [str(xml) for xml, count in stems.items() if count > 1]:
            raise DatasetError(f"expected one picture for each XML file, got two for {twice[0]}")
    for side, pictures in split.sides.items():
        for picture in track(pictures, f"copying {side}"):
            target = out / side / picture.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(picture.encoded())
            write_voc(target.with_suffix(".xml"), picture.annotation)


def _same_source(members: Mapping[str, Sequence[LabelledPicture]], track: Track) -> list[tuple[str, ...]]:
    """The groups, merged if they share a picture."""
    parent = {group: group for group in members}

    def root(group: str) -> str:
        while parent[group] != group:
            group = parent[group]
        return group

    first: dict[str, str] = {}
    for group in track(sorted(members), "hashing pictures"):
        for picture in members[group]:
            earlier = first.setdefault(content_hash(picture.encoded()), group)
            parent[root(group)] = root(earlier)
    joined: dict[str, list[str]] = defaultdict(list)
    for group in sorted(members):
        joined[root(group)].append(group)
    return [tuple(groups) for groups in joined.values()]


def _deal(
    sources: Sequence[tuple[str, ...]],
    members: Mapping[str, Sequence[LabelledPicture]],
    shares: Mapping[str, float],
    rng: random.Random,
) -> dict[str, str]:
    """Assigns in many random orders and keeps the best result, because the order matters for rare labels."""
    counts = [Counter[str]() for _ in sources]
    for count, groups in zip(counts, sources, strict=True):
        for picture in (p for group in groups for p in members[group]):
            count[_PICTURES] += 1
            count.update(o.label for o in picture.annotation.objects)
    total = sum(counts, Counter[str]())
    parts = np.array([[count[key] / total[key] for key in sorted(total)] for count in counts])
    wanted = np.array([share / sum(shares.values()) for share in shares.values()])
    best, least = np.zeros(len(parts), np.intp), np.inf
    for _ in range(_ORDERS):
        side_of, cost = _deal_once(parts, wanted, rng.sample(range(len(parts)), len(parts)))
        if cost < least:
            best, least = side_of, cost
    names = list(shares)
    return {group: names[side] for groups, side in zip(sources, best, strict=True) for group in groups}


def _deal_once(parts: Table, wanted: Table, order: Sequence[int]) -> tuple[npt.NDArray[np.intp], float]:
    """Assigns each source to the side whose shares it improves most.

    Args:
        parts: float64 [sources, labels], the share of a label's boxes that each source has.
        wanted: float64 [sides], the shares of the sides.
        order: the order of the sources.

    Returns:
        The side of each source [sources], and the squared relative error.
    """
    side_of = np.zeros(len(parts), np.intp)
    missing = np.repeat(wanted[:, None], parts.shape[1], axis=1)
    empty = set(range(len(wanted)))
    for place, source in enumerate(order):
        gain = (missing**2 - (missing - parts[source]) ** 2).sum(axis=1)
        if len(order) - place <= len(empty):
            # The last sources go to sides without any, because no side may stay empty.
            gain[[side for side in range(len(wanted)) if side not in empty]] = -np.inf
        side = int(np.argmax(gain))
        side_of[source] = side
        missing[side] -= parts[source]
        empty.discard(side)
    # Relative to the share, so that small and large sides count alike.
    return side_of, float(((missing / wanted[:, None]) ** 2).sum())
