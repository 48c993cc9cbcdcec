from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from gifcue.cli.filter_report import report
from gifcue.errors import MediaError
from gifcue.media.settings import FilterSettings, MediaSettings
from gifcue.protocol.codecs import Codec
from gifcue.protocol.reasons import DropReason
from gifcue.sample_video.clips import write
from gifcue.sample_video.photo import photo_frames


def test_still_and_moving_parts_are_counted(tmp_path: Path) -> None:
    path = write(photo_frames(4, 15, motion="phases"), tmp_path / "clip.mp4", Codec.H264, 15.0)
    ticks = itertools.count()
    result = report(path, clock=lambda: next(ticks) * 1e-3)
    assert (result.frames, result.width, result.height) == (60, 640, 360)
    assert result.analysed + result.skipped == 60
    assert 0.3 < result.share_skipped < 0.65  # 2 s of 4 s are still
    # The clock is read three times per frame, and once more for decoding at the end of the file.
    assert result.filter_ms_per_frame == pytest.approx(1.0)
    assert result.decode_ms_per_frame == pytest.approx(61 / 60)


def test_frames_skipped_by_pacing_are_counted(tmp_path: Path) -> None:
    path = write(photo_frames(2, 30, motion="still"), tmp_path / "clip.mkv", Codec.VP8, 30.0)
    result = report(path, MediaSettings(filter=FilterSettings(max_age_s=60.0)), paced=True)
    assert (result.analysed, result.paced) == (1, 40)
    assert result.skipped == 19


@pytest.mark.parametrize("content", [b"no clip at all", b""])
def test_a_file_that_is_not_a_clip_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=r"expected a clip, got .*clip\.mp4") as caught:
        report(path)
    assert caught.value.reason is DropReason.INVALID_DATA
    with pytest.raises(MediaError, match="expected a clip"):
        report(tmp_path / "missing.mp4")


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["talking_cap13", "talking_s18"])
def test_most_frames_of_talking_are_skipped(name: str, shared_clips: Path) -> None:
    assert report(shared_clips / f"{name}.mp4").share_skipped >= 0.6


@pytest.mark.shared_data
def test_almost_no_frames_of_waving_are_skipped(shared_clips: Path) -> None:
    assert report(shared_clips / "wave_far.mp4").share_skipped <= 0.2
