"""The comparison of detectors: the same frames for all, and the ratio that is worst for gifcue."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.detector import DetectorProcess, Spent, compare, evenly, public_frames, read_frames


def test_the_public_frames_differ_from_one_another() -> None:
    frames = public_frames(4)

    assert [frame.shape for frame in frames] == [(360, 640, 3)] * 4
    assert all((frame != frames[0]).any() for frame in frames[1:])


def test_pictures_are_read_evenly_and_as_rgb(tmp_path: Path) -> None:
    for place in range(10):
        picture = np.zeros((8, 12, 3), np.uint8)
        picture[..., 2] = 10 * place  # OpenCV's red
        cv2.imwrite(str(tmp_path / f"{place}.png"), picture)
    (tmp_path / "note.txt").write_text("no picture", encoding="utf-8")

    frames = read_frames(tmp_path, 5)

    assert [frame[0, 0].tolist() for frame in frames] == [[10 * place, 0, 0] for place in (0, 2, 4, 6, 8)]


@pytest.mark.parametrize(("there", "wanted", "expected"), [(3, 5, [0, 1, 2]), (7, 3, [0, 2, 4]), (4, 1, [0])])
def test_pictures_are_spread_evenly_and_used_once(there: int, wanted: int, expected: list[int]) -> None:
    paths = [Path(str(place)) for place in range(there)]

    assert evenly(paths, wanted) == [paths[place] for place in expected]


def test_a_folder_without_pictures_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected pictures"):
        read_frames(tmp_path, 5)


def test_the_reported_share_is_the_worst() -> None:
    spent = {
        "gifcue": Spent([5.0, 5.0, 11.0], 21.0, 3, 1),
        "mediapipe-static": Spent([20.0, 20.0, 20.0], 60.0, 3, 3),
        "mediapipe-video": Spent([25.0, 25.0, 10.0], 60.0, 2, 3),
    }

    report = compare(spent, 3)

    # Medians 5, 20, 25; means 7, 20, 20.
    assert report["detectors"]["mediapipe-static"]["share"] == {"median_ms": 0.25, "mean_ms": 0.35}
    assert report["detectors"]["mediapipe-video"]["share"] == {"median_ms": 0.2, "mean_ms": 0.35}
    assert report["share_of_mediapipe"] == 0.35
    assert report["detectors"]["gifcue"]["hands_per_frame"] == pytest.approx(1 / 3, abs=1e-3)


def test_a_detector_that_cannot_start_raises_with_its_last_line(tmp_path: Path) -> None:
    detector = DetectorProcess(
        "gifcue", sys.executable, tmp_path / "absent.npz", min(os.sched_getaffinity(0))
    )

    with pytest.raises(RuntimeError, match=r"gifcue: expected ready, the process ended: .*absent\.npz"):
        detector.__enter__()
    detector.__exit__()


def test_gifcues_process_answers_for_every_frame(tmp_path: Path) -> None:
    frames = public_frames(2)
    path = tmp_path / "frames.npz"
    np.savez(path, **{str(place): frame for place, frame in enumerate(frames)})  # type: ignore[arg-type]

    with DetectorProcess("gifcue", sys.executable, path, min(os.sched_getaffinity(0))) as detector:
        result = detector.round()

    assert len(result["ms"]) == 2
    assert result["faces"] == 2
    assert result["cpu_ms"] > 0.0
