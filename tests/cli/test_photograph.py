from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from gifcue.cli.annotate import MAX_PLAIN_BYTES
from gifcue.cli.photograph import LONG_SIDE, fitted
from gifcue.sample_video.photo import photograph
from gifcue.testing import FakeServer

from .conftest import Gifcue


def large(folder: Path) -> Path:
    """The photograph with noise, 3000 x 2000: 17 MiB of PNG."""
    picture = cv2.resize(cv2.cvtColor(photograph(), cv2.COLOR_RGB2BGR), (3000, 2000))
    noise = np.random.default_rng(1).integers(0, 20, picture.shape, np.uint8)
    path = folder / "large.png"
    assert cv2.imwrite(str(path), cv2.add(picture, noise))
    assert path.stat().st_size > MAX_PLAIN_BYTES
    return path


def test_a_large_photograph_keeps_its_shape_and_content(tmp_path: Path) -> None:
    path = large(tmp_path)
    small = fitted(path.read_bytes())
    assert len(small) <= MAX_PLAIN_BYTES
    pixels = cv2.imdecode(np.frombuffer(small, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    assert pixels.shape[:2] == (round(2000 * LONG_SIDE / 3000), LONG_SIDE)
    original = cv2.imread(str(path))
    assert original is not None
    expected = cv2.resize(original, pixels.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(pixels.astype(int) - expected).mean() < 3


def test_what_is_no_picture_is_left_to_the_server() -> None:
    content = b"no picture" * 300_000
    assert fitted(content) == content


def test_the_command_sends_the_small_one_and_draws_on_the_large_one(
    gifcue: Gifcue, server: FakeServer, tmp_path: Path
) -> None:
    drawn = tmp_path / "drawn.png"
    result = gifcue("annotate", large(tmp_path), "-s", server.target, "--save", drawn)
    assert result.exit_code == 0, result.output
    picture = cv2.imread(str(drawn))
    assert picture is not None
    assert picture.shape[:2] == (2000, 3000)
    assert len(server.service.stills[0]) <= MAX_PLAIN_BYTES
