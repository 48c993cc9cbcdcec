"""What a taught gesture is worth on hands that it was not taught with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gifcue.detect.gesture_classifier import GestureClassifier
from gifcue.gestures.fit import scores
from gifcue.gestures.samples import HandSample
from gifcue_lab.evaluation.matching import Counts


@dataclass(frozen=True)
class Tested:
    """`counts` at the served threshold; `missed` and `wrong` say where, with the score."""

    counts: Counts
    missed: tuple[tuple[str, float], ...]
    wrong: tuple[tuple[str, float], ...]


def judge(
    head: GestureClassifier, label: str, shows: Sequence[HandSample], shows_not: Sequence[HandSample]
) -> Tested:
    """Hands that make the gesture, and hands that do not."""
    said, said_not = (
        scores(head, np.stack([sample.features() for sample in samples]), label) if samples else np.zeros(0)
        for samples in (shows, shows_not)
    )
    missed = [(s.source, float(p)) for s, p in zip(shows, said, strict=True) if p < head.threshold]
    wrong = [(s.source, float(p)) for s, p in zip(shows_not, said_not, strict=True) if p >= head.threshold]
    counts = Counts(len(shows) - len(missed), len(wrong), len(missed))
    return Tested(counts, tuple(missed), tuple(wrong))
