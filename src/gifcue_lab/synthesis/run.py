"""Composes a directory of sequences from a directory of labelled photographs.

In: DATA/SPLIT with photographs, labels and landmarks.npz, the length and a seed. Out: videos, events.json and
script.json.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence as Many
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gifcue.errors import ConfigError
from gifcue.reactions.settings import ReactionSettings, policy_preset
from gifcue_lab.datasets.annotation import DatasetError
from gifcue_lab.datasets.progress import Track, quiet
from gifcue_lab.evaluation.clips.truth import EVENTS_FILE
from gifcue_lab.synthesis.builder import SequenceBuilder, Tally
from gifcue_lab.synthesis.encode import SUFFIXES, write_video
from gifcue_lab.synthesis.events import events_json
from gifcue_lab.synthesis.participants import Person, Subjects, find_subjects
from gifcue_lab.synthesis.renderer import Renderer
from gifcue_lab.synthesis.schedule import schedule_segments
from gifcue_lab.synthesis.script import Codec, Sequence, Video
from gifcue_lab.synthesis.subjects import read_stills
from gifcue_lab.synthesis.talking_clips import TalkingClip, read_talking_clips
from gifcue_lab.synthesis.video import VideoReader
from gifcue_lab.training.samples import Image, Photo, read_image, read_photos

SCRIPT_FILE = "script.json"
SCRIPT_FORMAT = "gifcue-compose/1"
# Least and most seconds of one sequence.
SEQUENCE_S = (60.0, 180.0)
# A remainder shorter than this is a rounding error.
SHORTEST_S = 0.1
SMALL, LARGE = (640, 360), (1280, 720)
# Least and most bits per second, by the number of lines.
RATES = {360: (300_000, 900_000), 720: (600_000, 1_500_000)}
KEYFRAME_S = (2.0, 10.0)
VP8_SHARE = 0.25
# A photograph fills the frame only if at most this share of hands and faces is cut off.
CUT_SHARE = 0.04


@dataclass(frozen=True, slots=True)
class Composed:
    """What was written: sequences by file name, and the number of expected reactions by label."""

    sequences: dict[str, Sequence]
    expected: Counter[str]

    @property
    def seconds(self) -> float:
        return sum(each.seconds for each in self.sequences.values())


def compose(
    data: Path, out: Path, *, split: str, minutes: float, seed: int, track: Track = quiet
) -> Composed:
    """Writes videos of `minutes` in all, events.json and script.json to `out`.

    Raises:
        ConfigError: there is no such split, or `out` is not empty.
        DatasetError: there is nobody with enough photographs for a sequence, or a photograph has another size than
            its labels say.
    """
    if out.exists() and any(out.iterdir()):
        raise ConfigError(f"OUT: expected an empty directory or none, got {out}, which holds files")
    if not (data / split).is_dir():
        splits = sorted(path.parent.name for path in data.glob("*/*/") if any(path.glob("*.xml")))
        known = ", ".join(dict.fromkeys(splits)) or "no split at all"
        raise ConfigError(
            f"--split: expected a directory of {data} with photographs ({known}), got {split!r}"
        )
    policy = policy_preset("normal")
    stills = read_stills(read_photos(data, split), policy.labels)
    subjects = find_subjects(stills, policy.labels, _read, lambda groups: track(groups, "looking for people"))
    hands = [label for label, each in policy.labels.items() if each.kind == "hand"]
    directory = data / "clips" / split
    clips = read_talking_clips(directory, hands)
    sequences = schedule_sequences(subjects, clips, policy, minutes=minutes, seed=seed)
    out.mkdir(parents=True, exist_ok=True)
    named = {each.name + SUFFIXES[each.video.codec]: each for each in sequences}
    for name, sequence in named.items():
        renderer = Renderer(sequence, subjects.stills, _read, lambda clip: VideoReader(directory / clip))
        total = round(sequence.seconds * sequence.video.fps)
        write_video(track(renderer.frames(), name, total), out / name, sequence.video)
    _write_json(out / EVENTS_FILE, events_json(named))
    script = {name: sequence.to_json() for name, sequence in named.items()}
    _write_json(
        out / SCRIPT_FILE, {"format": SCRIPT_FORMAT, "split": split, "seed": seed, "sequences": script}
    )
    return Composed(named, Counter(span.label for each in sequences for span in each.expect))


def schedule_sequences(
    subjects: Subjects, clips: Many[TalkingClip], policy: ReactionSettings, *, minutes: float, seed: int
) -> list[Sequence]:
    """Scripts of `minutes` in all. The same arguments give the same scripts.

    Raises:
        DatasetError: there is nobody in `subjects`.
    """
    if not subjects.people:
        raise DatasetError(
            "expected a person with at least five photographs in one place, one of them with a single hand that has "
            "landmarks and that the others can replace; got none"
        )
    rng = np.random.default_rng(seed)
    tally, shown = Tally(), Counter[str]()
    sequences: list[Sequence] = []
    left_s = minutes * 60.0
    while left_s > SHORTEST_S:
        # Short sequences are more likely, so that more people appear.
        seconds = round(float(rng.triangular(SEQUENCE_S[0], SEQUENCE_S[0], SEQUENCE_S[1])), 1)
        # A short remainder is added to this sequence.
        if left_s - seconds < SEQUENCE_S[0] / 2:
            seconds = round(left_s, 1)
        person = _next_person(subjects, tally, shown, rng)
        shown[_group(person)] += 1
        video = _video(person, len(sequences), rng)
        own = np.random.default_rng(rng.integers(2**63))
        segments = schedule_segments(
            SequenceBuilder(person, subjects, clips, policy, tally, video.fps, own), seconds
        )
        name = f"{len(sequences):03}_{person.name.replace('/', '_')}"
        sequences.append(Sequence(name, person.name, seconds, int(own.integers(2**31)), video, segments))
        left_s -= seconds
    return sequences


def _next_person(subjects: Subjects, tally: Tally, shown: Counter[str], rng: np.random.Generator) -> Person:
    """A person of the group shown least so far, preferably with labels that were expected least."""
    fewest = min(shown[_group(person)] for person in subjects.people)
    waiting = [person for person in subjects.people if shown[_group(person)] == fewest]
    weights = np.array(
        [
            sum(1.0 / (1 + tally.positives[label]) for label in each.available_labels) + 0.05
            for each in waiting
        ]
    )
    return waiting[int(rng.choice(len(waiting), p=weights / weights.sum()))]


def _group(person: Person) -> str:
    return person.stills[0].photo.group


def _video(person: Person, number: int, rng: np.random.Generator) -> Video:
    width, height = (SMALL, LARGE)[number % 2]
    low, high = RATES[height]
    codec: Codec = "vp8" if rng.random() < VP8_SHARE else "h264"
    fps = int(rng.choice((25, 30)))
    # Uniform on a logarithmic scale.
    rate = round(float(np.exp(rng.uniform(np.log(low), np.log(high)))), -3)
    keyframe_s = round(float(rng.uniform(*KEYFRAME_S)), 1)
    covers = _cover(person, width / height) if rng.random() < 0.6 else None
    return Video(width, height, fps, codec, int(rate), keyframe_s, covers)


def _cover(person: Person, aspect: float) -> float | None:
    """`Video.cover` such that a frame of this aspect cuts off no hand or face; None if that is impossible."""
    boxes = [
        sample.box[[1, 3]] / still.photo.height for still in person.stills for sample in still.photo.samples
    ]
    shares = [still.photo.width / still.photo.height / aspect for still in person.stills]
    seen = min(shares)
    if not boxes or max(shares) - seen > 0.01 or seen >= 1.0:
        return None
    low, high = np.percentile(np.array(boxes), (100 * CUT_SHARE, 100 * (1 - CUT_SHARE)), axis=0)
    if high[1] - low[0] > seen:
        return None
    return round(float(np.clip(((low[0] + high[1]) / 2 - seen / 2) / (1 - seen), 0.0, 1.0)), 3)


def _read(photo: Photo) -> Image:
    """Decodes a photograph. Raises `DatasetError` if its size is not that of its labels."""
    image = read_image(photo.path)
    if image.shape[:2] != (photo.height, photo.width):
        got = f"{image.shape[1]} x {image.shape[0]}"
        raise DatasetError(f"{photo.path}: expected {photo.width} x {photo.height} pixels, got {got}")
    return image


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
