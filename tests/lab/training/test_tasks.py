"""Which photographs a training decodes."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("tensorflow")

from gifcue_lab.training import tasks
from gifcue_lab.training.recipe import Recipe
from gifcue_lab.training.samples import Image, Photo, decode
from tests.support.training_photographs import write_photographs


def test_where_none_is_held_out_a_few_are_evaluated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[int] = []

    def count(photos: list[Photo]) -> list[Image]:
        decoded.append(len(photos))
        return decode(photos)

    write_photographs(tmp_path)
    monkeypatch.setattr(tasks, "EVALUATED_PHOTOS", 3)
    monkeypatch.setattr(tasks, "decode", count)
    monkeypatch.setattr(tasks, "build_network", lambda recipe: None)
    recipe = Recipe(task="hand", width=32, height=32, epochs=1, classes=("wave",), max_photos=2)
    tasks.prepare(recipe, tmp_path, tmp_path)
    assert decoded == [2, 3]
