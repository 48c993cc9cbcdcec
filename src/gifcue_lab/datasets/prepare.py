"""Makes pictures with labels of one's own trainable: copies in which every label has the box of a face or hand.

The shipped model finds the faces and hands. What it says of those without a label of one's own (smile, wave, ...) is
kept as a proposal, so that a network that learns the new label does not forget the others.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gifcue.detect.detector import Detector
from gifcue.detect.regions import DEFAULT_THRESHOLD
from gifcue.media.files import scale_to_fit
from gifcue.media.settings import MediaSettings
from gifcue.media.stills import UPRIGHT, exif_orientation
from gifcue_lab.datasets.annotation import Annotation, DatasetError, LabelledObject
from gifcue_lab.datasets.autolabel import propose
from gifcue_lab.datasets.check import Problem, box_problems, size_problem
from gifcue_lab.datasets.pictures import FORMATS, decode_rgb, find_pictures, unread_pictures, write_jpeg
from gifcue_lab.datasets.placing import OwnLabel, Placed, place
from gifcue_lab.datasets.progress import Track, quiet
from gifcue_lab.datasets.regions import FACE, HAND, LABELS
from gifcue_lab.datasets.voc import read_voc, write_voc

# Pictures that lie in no folder become groups of this many, in the order of their names: frames of one recording follow
# one another and look alike.
LOOSE_GROUP = 5
# Problems of files that an error lists; `gifcue-lab dataset check` lists all.
SHOWN_PROBLEMS = 5
# What makes a box or a label useless. The rest of what `check` finds does no harm here.
_FATAL = (Problem.UNKNOWN_LABEL, Problem.BOX_INVERTED, Problem.BOX_EMPTY, Problem.BOX_OUTSIDE)

Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What `prepare` did.

    Attributes:
        pictures: how many were written.
        without_labels: how many of them have no XML file. They count as showing none of the labels.
        groups: how many groups they are.
        labels: how many faces and hands show each label, the shipped model's proposals included.
        unplaced: file and label of each box that lies on no face or hand; they were left out.
        doubled: file and labels of each face or hand with two labels; they count as unknown.
        turned: the files that are turned when they are shown (EXIF). They are copied as stored, so people lie on the
            side in them or stand on their heads.
        unread: files of pictures that were left out, because their format is not read.
    """

    pictures: int
    without_labels: int
    groups: int
    labels: Mapping[str, int]
    unplaced: Sequence[tuple[str, str]] = field(default_factory=tuple)
    doubled: Sequence[tuple[str, tuple[str, ...]]] = field(default_factory=tuple)
    turned: Sequence[str] = field(default_factory=tuple)
    unread: Sequence[str] = field(default_factory=tuple)


def prepare(
    detector: Detector, source: Path, out: Path, own: Mapping[str, OwnLabel], *, track: Track = quiet
) -> Prepared:
    """Writes a copy of labelled pictures in which every label has the box of a face or hand.

    Pictures larger than served frames are scaled down to their size. Nothing is written before all files are read.

    Args:
        detector: finds faces and hands, and proposes the labels that it knows.
        source: pictures with LabelImg's XML beside them, a folder for each person or recording.
        out: a new or empty folder for the copies.
        own: labels of one's own, by what they are called in the files.
        track: shows progress.

    Raises:
        DatasetError: `out` is not empty, or lies in `source`; two pictures would get one place in it; there are no
            pictures or no labels; a file cannot be read or has a wrong box; a label is in neither `own` nor gifcue's
            labels; one of `own` occurs nowhere, or never on a face or hand.
    """
    if out.exists() and any(out.iterdir()):
        raise DatasetError(
            f"{out}: expected a new or empty folder, got one with files; remove it or name another"
        )
    if out.resolve().is_relative_to(source.resolve()):
        raise DatasetError(f"{out}: expected a folder outside {source}, got one in it")
    drawn = _read(source, own)
    folders = _folders(list(drawn), source)
    detector.warm()
    placed: dict[Path, Placed] = {}
    turned: list[str] = []
    for path, labels in track(list(drawn.items()), "preparing"):
        encoded = path.read_bytes()
        placed[path] = _placed(detector, path, encoded, labels, own)
        if exif_orientation(encoded) != UPRIGHT:
            turned.append(str(path.relative_to(source)))
    counted = Counter(each.label for one in placed.values() for each in one.objects)
    _check_placed(drawn, placed, own)
    for path, one in track(list(placed.items()), "writing"):
        folder = out / folders[path]
        folder.mkdir(parents=True, exist_ok=True)
        _write(path, folder, one.objects)
    return Prepared(
        pictures=len(placed),
        without_labels=sum(labels is None for labels in drawn.values()),
        groups=len(set(folders.values())),
        labels=dict(counted),
        unplaced=[
            (str(path.relative_to(source)), label) for path, one in placed.items() for label in one.unplaced
        ],
        doubled=[
            (str(path.relative_to(source)), labels) for path, one in placed.items() for labels in one.doubled
        ],
        turned=turned,
        unread=[str(path.relative_to(source)) for path in unread_pictures(source)],
    )


def _read(source: Path, own: Mapping[str, OwnLabel]) -> dict[Path, Annotation | None]:
    """The labels of every picture, None where it has no XML file."""
    pictures = find_pictures(source)
    if not pictures:
        raise DatasetError(f"{source}: expected pictures ({FORMATS}), got none")
    files = {path: path.with_suffix(".xml") for path in pictures}
    if twice := [str(xml) for xml, count in Counter(files.values()).items() if count > 1]:
        raise DatasetError(f"expected one picture for each XML file, got two for {twice[0]}")
    if alone := sorted(set(source.rglob("*.xml")) - set(files.values())):
        raise DatasetError(
            f"{source}: expected each XML file beside its picture ({FORMATS}), got {len(alone)} without one: "
            f"{alone[0]} …"
        )
    read = {path: read_voc(xml) if xml.exists() else None for path, xml in files.items()}
    if not any(read.values()):
        raise DatasetError(
            f"{source}: expected LabelImg's XML files beside the pictures, got {len(pictures)} pictures without"
        )
    known = (*LABELS, *own)
    problems = [
        (problem, f"{files[path]}: {message}")
        for path, annotation in read.items()
        if annotation is not None
        for problem, message in box_problems(annotation, known)
        if problem in _FATAL
    ]
    if problems:
        texts = [text for _, text in problems]
        more = f" and {len(texts) - SHOWN_PROBLEMS} more" if len(texts) > SHOWN_PROBLEMS else ""
        hint = (
            "; name each of your labels with --face LABEL or --hand LABEL"
            if any(problem == Problem.UNKNOWN_LABEL for problem, _ in problems)
            else ""
        )
        raise DatasetError("; ".join(texts[:SHOWN_PROBLEMS]) + more + hint)
    found = Counter(each.label for labels in read.values() if labels is not None for each in labels.objects)
    if missing := [label for label in own if not found[label]]:
        raise DatasetError(
            f"{source}: expected boxes of {', '.join(missing)}, got none; the files have "
            + (", ".join(f"{count} {label}" for label, count in sorted(found.items())) or "no boxes")
        )
    return read


def _placed(
    detector: Detector,
    path: Path,
    encoded: bytes,
    annotation: Annotation | None,
    own: Mapping[str, OwnLabel],
) -> Placed:
    stored = decode_rgb(encoded, str(path))
    if annotation is not None and (problem := size_problem(annotation, stored.shape[1], stored.shape[0])):
        raise DatasetError(f"{path.with_suffix('.xml')}: {problem}")
    rgb = _as_served(stored)
    height, width = rgb.shape[:2]
    wide, tall = width / stored.shape[1], height / stored.shape[0]
    drawn = [
        each._replace(
            xmin=round(each.xmin * wide),
            ymin=round(each.ymin * tall),
            xmax=round(each.xmax * wide),
            ymax=round(each.ymax * tall),
        )
        for each in (annotation.objects if annotation is not None else ())
    ]
    thresholds = detector.info.thresholds
    found = [
        propose(region, width, height, thresholds)
        for region in detector.detect([rgb])[0]
        if region.score >= thresholds.get(region.kind, DEFAULT_THRESHOLD)
    ]
    return place(drawn, found, own)


def _check_placed(
    drawn: Mapping[Path, Annotation | None], placed: Mapping[Path, Placed], own: Mapping[str, OwnLabel]
) -> None:
    """Raises where none of a label's boxes lies on a face or hand, which hardly is the intention."""
    shown = {each.label for one in placed.values() for each in one.objects}
    shown |= {label for one in placed.values() for labels in one.doubled for label in labels}
    for label, one in own.items():
        if one.name in shown:
            continue
        boxes = sum(each.label == label for labels in drawn.values() if labels for each in labels.objects)
        other = HAND if one.kind == FACE else FACE
        raise DatasetError(
            f"{label}: expected boxes over {one.kind}s, got none among {boxes} boxes that covers one that the model "
            f"finds; if {other}s show it, use --{other} {label}; otherwise draw a box {one.kind!r} in its pictures too"
        )


def _folders(pictures: Sequence[Path], source: Path) -> dict[Path, str]:
    """The group of each picture: its folder, or for loose pictures a set of a few."""
    folders: dict[Path, str] = {}
    loose = 0
    for path in pictures:
        if path.parent == source:
            folders[path] = f"set-{loose // LOOSE_GROUP + 1:02d}"
            loose += 1
        else:
            folders[path] = path.parent.relative_to(source).as_posix().replace("/", "-")
    taken: dict[tuple[str, str], Path] = {}
    for path, folder in folders.items():
        other = taken.setdefault((folder, path.stem), path)
        if other != path:
            raise DatasetError(
                f"{path}: expected another place in the copy than that of {other}, got {folder}/{path.stem} for both; "
                "rename one of the folders"
            )
    return folders


def _write(path: Path, folder: Path, objects: Sequence[LabelledObject]) -> None:
    stored = decode_rgb(path.read_bytes(), str(path))
    rgb = _as_served(stored)
    name = path.name
    if rgb is stored:
        shutil.copyfile(path, folder / name)
    else:
        name = f"{path.stem}.jpg"
        write_jpeg(folder / name, rgb)
    height, width = rgb.shape[:2]
    write_voc(folder / f"{path.stem}.xml", Annotation(name, width, height, tuple(objects)))


def _as_served(rgb: Picture) -> Picture:
    """Scaled down as decode workers do. Training holds all pictures in memory, and large ones need not be there."""
    media = MediaSettings()
    return scale_to_fit(rgb, media.long_side, media.short_side)
