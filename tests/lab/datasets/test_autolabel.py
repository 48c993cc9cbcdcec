from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gifcue.detect.detector import Frame, ServedModel
from gifcue.detect.gesture_classifier import GestureClassifier
from gifcue.detect.regions import Region
from gifcue.protocol.geometry import Box
from gifcue_lab.datasets.annotation import LabelledObject
from gifcue_lab.datasets.autolabel import Proposed, autolabel, propose
from gifcue_lab.datasets.voc import read_voc

THRESHOLDS = {"face": 0.5, "hand": 0.5, "smile": 0.6, "neutral": 0.6, "wave": 0.6}
BOX = Box(0.1, 0.25, 0.5, 0.75)


class OneFace:
    """Finds in every picture a smiling face, and a hand with a score below the threshold."""

    info = ServedModel("test", "1", "test", tuple(THRESHOLDS), THRESHOLDS, 64, 64)

    def warm(self) -> None: ...

    def use_gestures(self, classifiers: Sequence[GestureClassifier]) -> None: ...

    def detect(self, frames: Sequence[Frame]) -> list[list[Region]]:
        return [[Region("face", BOX, 0.9, {"smile": 0.8}), Region("hand", BOX, 0.4)] for _ in frames]

    def close(self) -> None: ...


def test_labels_are_proposed_for_unlabelled_pictures(tmp_path: Path, make_picture: Any) -> None:
    bare, labelled = make_picture("a.jpg", xml=False), make_picture("b.jpg")
    before = labelled.with_suffix(".xml").read_bytes()
    assert autolabel(OneFace(), [bare, labelled]) == Proposed(written=1, regions=1, kept=1)
    edges = (30, 9, 90, 45)
    assert read_voc(bare.with_suffix(".xml")).objects == (
        LabelledObject("face", *edges),
        LabelledObject("smile", *edges),
    )
    assert labelled.with_suffix(".xml").read_bytes() == before
    assert autolabel(OneFace(), [labelled], force=True).written == 1
    assert labelled.with_suffix(".xml").read_bytes() != before


def test_uncertain_proposals_are_marked_difficult() -> None:
    def labels(**scores: float) -> list[tuple[str, bool]]:
        return [
            (o.label, o.difficult) for o in propose(Region("hand", BOX, 0.9, scores), 100, 100, THRESHOLDS)
        ]

    assert labels(wave=0.7) == [("hand", False), ("wave", False)]
    assert labels(wave=0.5) == [("hand", True)]
    assert labels(wave=0.1) == [("hand", False)]
    assert labels() == [("hand", True)]
