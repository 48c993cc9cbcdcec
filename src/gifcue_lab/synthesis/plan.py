"""Decides which sequences there are: whose, how long, in which video, and with which segments.

In: the people of a split, a `Mix`, the length and a seed. Out: `Sequence` objects. The same arguments give the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence as Many

import numpy as np

from gifcue.reactions.settings import ReactionSettings
from gifcue_lab.datasets.annotation import DatasetError
from gifcue_lab.synthesis.builder import SequenceBuilder, Tally
from gifcue_lab.synthesis.mixes import MEANT, Mix
from gifcue_lab.synthesis.participants import Person, Subjects
from gifcue_lab.synthesis.schedule import schedule_segments
from gifcue_lab.synthesis.script import Codec, Sequence, Video
from gifcue_lab.synthesis.talking_clips import TalkingClip

# Least and most seconds of one sequence.
SEQUENCE_S = (60.0, 180.0)
# A remainder shorter than this is a rounding error.
SHORTEST_S = 0.1
# Least and most bits per second, by the number of lines.
RATES = {360: (300_000, 900_000), 720: (600_000, 1_500_000)}
KEYFRAME_S = (2.0, 10.0)
VP8_SHARE = 0.25
# A photograph fills the frame only if at most this share of hands and faces is cut off.
CUT_SHARE = 0.04


def schedule_sequences(
    subjects: Subjects,
    clips: Many[TalkingClip],
    policy: ReactionSettings,
    *,
    minutes: float,
    seed: int,
    mix: Mix = MEANT,
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
        video = _video(person, len(sequences), mix, rng)
        own = np.random.default_rng(rng.integers(2**63))
        builder = SequenceBuilder(person, subjects, clips, policy, tally, video.fps, own)
        segments = schedule_segments(builder, seconds, mix)
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


def _video(person: Person, number: int, mix: Mix, rng: np.random.Generator) -> Video:
    width, height = mix.sizes[number % len(mix.sizes)]
    low, high = RATES[height]
    codec: Codec = "vp8" if rng.random() < VP8_SHARE else "h264"
    weights = np.array(list(mix.fps.values()))
    fps = int(rng.choice(list(mix.fps), p=weights / weights.sum()))
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
