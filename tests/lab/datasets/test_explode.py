from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from gifcue_lab.datasets.annotation import DatasetError
from gifcue_lab.datasets.explode import Exploded, explode

FPS = 10


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """One second of a still scene, one of another, and one of the first again."""
    path = tmp_path / "talk.mp4"
    rng = np.random.default_rng(0)
    coarse = [rng.integers(0, 255, (6, 8, 3), np.uint8) for _ in range(2)]
    scenes = [np.asarray(cv2.resize(each, (160, 120)), np.uint8) for each in coarse]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.thread_count = 1
        for second in (0, 1, 0):
            for _ in range(FPS):
                frame = av.VideoFrame.from_ndarray(scenes[second], format="rgb24")
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def names(out: Path) -> list[str]:
    return sorted(path.name for path in out.iterdir())


def test_similar_frames_are_left_out(tmp_path: Path, recording: Path) -> None:
    assert explode(recording, tmp_path / "out", fps=5.0) == Exploded(3, 12)
    assert names(tmp_path / "out") == ["talk-0000000.jpg", "talk-0001000.jpg", "talk-0002000.jpg"]
    picture = cv2.imread(str(tmp_path / "out/talk-0001000.jpg"))
    assert picture is not None
    assert picture.shape == (120, 160, 3)


def test_the_number_of_frames_is_limited(tmp_path: Path, recording: Path) -> None:
    assert explode(recording, tmp_path / "out", fps=5.0, limit=2).kept == 2


def test_the_similarity_check_can_be_disabled(tmp_path: Path, recording: Path) -> None:
    assert explode(recording, tmp_path / "out", fps=2.0, similarity=1.0).kept >= 3


@pytest.mark.parametrize("content", [b"no video", b""])
def test_an_unreadable_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.mp4"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"notes\.mp4: expected a video"):
        explode(path, tmp_path / "out")
    with pytest.raises(DatasetError, match=r"gone\.mp4"):
        explode(tmp_path / "gone.mp4", tmp_path / "out")
