"""Labelled pictures made of noise, in folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from gifcue_lab.datasets.annotation import Annotation, LabelledObject
from gifcue_lab.datasets.voc import write_voc

MakePicture = Callable[..., Path]
FACE = LabelledObject("face", 10, 10, 50, 60)


@pytest.fixture
def make_picture(tmp_path: Path) -> MakePicture:
    """Write `tmp_path/name` (seeded noise, 120 x 90) and its XML; the same seed gives the same bytes."""

    def make(name: str, *objects: LabelledObject, seed: int = 0, xml: bool = True) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = np.random.default_rng(seed).integers(0, 255, (9, 12, 3), np.uint8)
        picture = cv2.resize(coarse, (120, 90), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(path), picture)
        if xml:
            write_voc(path.with_suffix(".xml"), Annotation(path.name, 120, 90, objects or (FACE,)))
        return path

    return make
