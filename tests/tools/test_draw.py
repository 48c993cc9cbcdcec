from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from PIL import Image

from gifcue.rules import load_book
from tools.gifpack import draw
from tools.gifpack.draw import SCENES

MAX_BYTES = 60 * 1024


@pytest.mark.parametrize("name", SCENES)
def test_drawing_reproduces_the_committed_bytes(name: str) -> None:
    assert draw.render(SCENES[name]) == (draw.FOLDER / f"{name}.gif").read_bytes()


@pytest.mark.parametrize("name", SCENES)
def test_it_is_a_small_animation_that_runs_for_ever(name: str) -> None:
    data = (draw.FOLDER / f"{name}.gif").read_bytes()
    assert len(data) < MAX_BYTES
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.size == (240, 240)
        assert picture.info["loop"] == 0
        assert getattr(picture, "n_frames", 1) >= 10


def test_the_default_book_and_the_pack_fit() -> None:
    urls = {gif.url for gif in load_book().gifs.values()}
    assert urls == {f"/gifs/{name}.gif" for name in SCENES}
    assert {path.stem for path in draw.FOLDER.glob("*.gif")} == set(SCENES)


def test_the_command_draws_into_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draw, "SCENES", {"wave_1": SCENES["wave_1"]})
    monkeypatch.setattr(sys, "argv", ["draw", str(tmp_path / "gifs")])
    draw.main()
    assert [path.name for path in (tmp_path / "gifs").iterdir()] == ["wave_1.gif"]
