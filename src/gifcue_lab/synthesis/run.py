"""From a folder of labelled photographs to a folder of sequences."""

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
from gifcue_lab.synthesis.builder import Desk, Tally
from gifcue_lab.synthesis.encode import SUFFIXES, write_video
from gifcue_lab.synthesis.events import events_json
from gifcue_lab.synthesis.participants import Cast, Person, gather
from gifcue_lab.synthesis.renderer import Stage
from gifcue_lab.synthesis.schedule import deal
from gifcue_lab.synthesis.script import Codec, Sequence, Video
from gifcue_lab.synthesis.subjects import read_stills
from gifcue_lab.synthesis.talking_clips import TalkingClip, read_talking_clips
from gifcue_lab.synthesis.video import Film
from gifcue_lab.training.samples import Image, Photo, read_image, read_photos

SCRIPT_FILE = "script.json"
SCRIPT_FORMAT = "gifcue-compose/1"
# Seconds of one participant.
SEQUENCE_S = (60.0, 180.0)
# Less than this is what rounding leaves.
SHORTEST_S = 0.1
SMALL, LARGE = (640, 360), (1280, 720)
# Bits a second, by the video's lines.
RATES = {360: (300_000, 900_000), 720: (600_000, 1_500_000)}
KEYFRAME_S = (2.0, 10.0)
VP8_SHARE = 0.25
# A frame is filled only where all but this share of hands and faces stay in it.
CUT_SHARE = 0.04


@dataclass(frozen=True, slots=True)
class Composed:
    """What was made: sequences by file name, and how many of each label are expected."""

    sequences: dict[str, Sequence]
    expected: Counter[str]

    @property
    def seconds(self) -> float:
        return sum(each.seconds for each in self.sequences.values())


def compose(
    data: Path, out: Path, *, split: str, minutes: float, seed: int, track: Track = quiet
) -> Composed:
    """Writes videos, events.json and script.json of about `minutes` into `out`.

    Raises:
        ConfigError: there is no such split, or `out` is not empty.
        DatasetError: the split's photographs show nobody of whom a sequence can be made, or one is not of the size
            that its labels say.
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
    cast = gather(stills, policy.labels, _read, lambda groups: track(groups, "looking for people"))
    hands = [label for label, each in policy.labels.items() if each.kind == "hand"]
    directory = data / "clips" / split
    clips = read_talking_clips(directory, hands)
    sequences = deal_sequences(cast, clips, policy, minutes=minutes, seed=seed)
    out.mkdir(parents=True, exist_ok=True)
    named = {each.name + SUFFIXES[each.video.codec]: each for each in sequences}
    for name, sequence in named.items():
        stage = Stage(sequence, cast.stills, _read, lambda clip: Film(directory / clip))
        total = round(sequence.seconds * sequence.video.fps)
        write_video(track(stage.frames(), name, total), out / name, sequence.video)
    _write_json(out / EVENTS_FILE, events_json(named))
    script = {name: sequence.to_json() for name, sequence in named.items()}
    _write_json(
        out / SCRIPT_FILE, {"format": SCRIPT_FORMAT, "split": split, "seed": seed, "sequences": script}
    )
    return Composed(named, Counter(span.label for each in sequences for span in each.expect))


def deal_sequences(
    cast: Cast, clips: Many[TalkingClip], policy: ReactionSettings, *, minutes: float, seed: int
) -> list[Sequence]:
    """Scripts of `minutes` in all; the same seed deals alike.

    Raises:
        DatasetError: the cast has nobody.
    """
    if not cast.people:
        raise DatasetError(
            "expected somebody with a few photographs in one place, of which one has a single hand with landmarks "
            "that the others can fill in for; got none"
        )
    rng = np.random.default_rng(seed)
    tally, shown = Tally(), Counter[str]()
    sequences: list[Sequence] = []
    left_s = minutes * 60.0
    while left_s > SHORTEST_S:
        # Shorter ones are likelier: more people in as many minutes.
        seconds = round(float(rng.triangular(SEQUENCE_S[0], SEQUENCE_S[0], SEQUENCE_S[1])), 1)
        # The rest is no sequence of its own where it would be a short one.
        if left_s - seconds < SEQUENCE_S[0] / 2:
            seconds = round(left_s, 1)
        person = _next_person(cast, tally, shown, rng)
        shown[_group(person)] += 1
        video = _video(person, len(sequences), rng)
        own = np.random.default_rng(rng.integers(2**63))
        segments = deal(Desk(person, cast, clips, policy, tally, video.fps, own), seconds)
        name = f"{len(sequences):03}_{person.name.replace('/', '_')}"
        sequences.append(Sequence(name, person.name, seconds, int(own.integers(2**31)), video, segments))
        left_s -= seconds
    return sequences


def _next_person(cast: Cast, tally: Tally, shown: Counter[str], rng: np.random.Generator) -> Person:
    """One who was shown the least, and of those one who offers most of what was meant the least."""
    fewest = min(shown[_group(person)] for person in cast.people)
    waiting = [person for person in cast.people if shown[_group(person)] == fewest]
    weights = np.array(
        [sum(1.0 / (1 + tally.meant[label]) for label in each.offers) + 0.05 for each in waiting]
    )
    return waiting[int(rng.choice(len(waiting), p=weights / weights.sum()))]


def _group(person: Person) -> str:
    return person.stills[0].photo.group


def _video(person: Person, number: int, rng: np.random.Generator) -> Video:
    width, height = (SMALL, LARGE)[number % 2]
    low, high = RATES[height]
    codec: Codec = "vp8" if rng.random() < VP8_SHARE else "h264"
    fps = int(rng.choice((25, 30)))
    # Rates are evenly many on a logarithmic scale: 300 to 600 kbit/s matters as much as 600 to 1200.
    rate = round(float(np.exp(rng.uniform(np.log(low), np.log(high)))), -3)
    keyframe_s = round(float(rng.uniform(*KEYFRAME_S)), 1)
    covers = _cover(person, width / height) if rng.random() < 0.6 else None
    return Video(width, height, fps, codec, int(rate), keyframe_s, covers)


def _cover(person: Person, aspect: float) -> float | None:
    """Where a frame of that aspect lies on the person's photographs so that nothing labelled is cut, or None."""
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
    """Decodes a photograph. Raises DatasetError where it is not of the size that its labels were drawn on."""
    image = read_image(photo.path)
    if image.shape[:2] != (photo.height, photo.width):
        got = f"{image.shape[1]} x {image.shape[0]}"
        raise DatasetError(f"{photo.path}: expected {photo.width} x {photo.height} pixels, got {got}")
    return image


def _write_json(path: Path, told: object) -> None:
    path.write_text(json.dumps(told, indent=1), encoding="utf-8")
