"""From photographs to videos and their expected reactions."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from gifcue.errors import ConfigError
from gifcue_lab.cli.app import app
from gifcue_lab.datasets.annotation import DatasetError
from gifcue_lab.evaluation.clips.truth import read_clips
from gifcue_lab.synthesis.encode import write_video
from gifcue_lab.synthesis.folder import Arguments, Composition
from gifcue_lab.synthesis.run import Composed, compose
from gifcue_lab.synthesis.script import Codec, Video


def test_what_is_written_is_read_back_by_the_evaluation(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    args = ["dataset", "compose", str(data), str(out), "--split", "train", "--minutes", "0.2", "--seed", "2"]
    ran = CliRunner().invoke(app, args)
    assert ran.exit_code == 0, ran.output
    assert "never commit" in ran.stdout
    (clip,) = read_clips(out)
    (script,) = json.loads((out / "script.json").read_text())["sequences"].values()
    expected = [span for segment in script["segments"] for span in segment["expect"]]
    assert [each.label for each in clip.expect] == [span["label"] for span in expected] != []
    assert clip.seconds == 12.0
    video = script["video"]
    with av.open(str(clip.path)) as container:
        frames = [(frame.width, frame.height, frame.time) for frame in container.decode(video=0)]
    assert len(frames) == round(12.0 * video["fps"])
    assert frames[-1] == pytest.approx((video["width"], video["height"], 12.0 - 1 / video["fps"]), abs=0.002)


@pytest.mark.parametrize(("codec", "name"), [("h264", "h264"), ("vp8", "vp8")])
def test_the_rate_is_kept_and_keyframes_come(tmp_path: Path, codec: Codec, name: str) -> None:
    rng = np.random.default_rng(1)
    noise = [rng.integers(0, 255, (180, 320, 3), np.uint8) for _ in range(10)]
    video = Video(320, 180, 25, codec, 300_000, 1.0, None)
    path = tmp_path / ("a.mp4" if codec == "h264" else "a.webm")
    write_video((noise[number % 10] for number in range(100)), path, video)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        packets = [(packet.is_keyframe, packet.size) for packet in container.demux(stream) if packet.size]
        assert stream.codec_context.name == name
    assert len(packets) == 100
    assert sum(is_key for is_key, _ in packets) >= 4
    # Noise cannot be encoded at the target rate. The test only excludes an unlimited rate (50 Mbit/s).
    assert sum(size for _, size in packets) * 8 / 4.0 < 3_000_000


def test_invalid_arguments_are_errors(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--split: expected a directory .*\(train\), got 'dev'"):
        compose(data, tmp_path / "out", split="dev", minutes=1, seed=1)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.txt").write_text("")
    with pytest.raises(ConfigError, match="expected an empty directory"):
        compose(data, tmp_path / "full", split="train", minutes=1, seed=1)


def test_a_photograph_of_another_size_than_its_labels_is_named(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / "data")
    path = tmp_path / "data" / "train" / "a" / "03.jpg"
    cv2.imwrite(str(path), np.zeros((20, 30, 3), np.uint8))
    with pytest.raises(DatasetError, match=r"03\.jpg: expected 192 x 144 pixels, got 30 x 20"):
        compose(tmp_path / "data", tmp_path / "out", split="train", minutes=1, seed=1)


def composed(data: Path, out: Path, **changes: object) -> Composed:
    given: dict[str, Any] = {"split": "train", "minutes": 2.5, "seed": 2, "mix": "busy", **changes}
    return compose(data, out, **given)


def test_a_run_that_was_cut_goes_on_with_the_clips_that_are_missing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_in_the_second(_: object, path: Path, __: Video) -> None:
        path.write_bytes(b"finished before" if "000_" in path.name else b"half a clip")
        if "001_" in path.name:
            raise KeyboardInterrupt

    def draw_nothing(_: object, path: Path, __: Video) -> None:
        path.write_bytes(b"finished after")

    out = tmp_path / "out"
    monkeypatch.setattr("gifcue_lab.synthesis.run.write_video", cut_in_the_second)
    with pytest.raises(KeyboardInterrupt):
        composed(data, out)
    script = (out / "script.json").read_bytes()
    names = list(json.loads(script)["sequences"])
    assert [clip.name for clip in read_clips(out)] == [names[0]]
    monkeypatch.setattr("gifcue_lab.synthesis.run.write_video", draw_nothing)
    done = composed(data, out)
    assert done.finished == set(names)
    assert [(out / name).read_bytes() for name in names] == [b"finished before", b"finished after"]
    assert (out / "script.json").read_bytes() == script
    assert sorted(path.name for path in out.glob("*.part")) == []
    assert [clip.name for clip in read_clips(out)] == sorted(names)
    assert read_clips(out)[0].segments[0].kind == "idle"
    assert sum(done.kinds.values()) == pytest.approx(1.0)


def test_other_arguments_do_not_go_on(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gifcue_lab.synthesis.run.write_video", lambda _, path, __: path.write_bytes(b""))
    composed(data, tmp_path / "out")
    with pytest.raises(ConfigError, match="begun, seed 2, got 3"):
        composed(data, tmp_path / "out", seed=3)
    with pytest.raises(ConfigError, match="begun, mix 'busy', got 'meant'"):
        composed(data, tmp_path / "out", mix="meant")
    (tmp_path / "out" / "script.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DatasetError, match="expected the script of a composition"):
        composed(data, tmp_path / "out")


def test_a_clip_that_another_process_writes_is_left_to_it(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gifcue_lab.synthesis.run.write_video", lambda _, path, __: path.write_bytes(b""))
    out = tmp_path / "out"
    arguments = Arguments("train", 2.5, 2, "busy")
    names = list(composed(data, out).sequences)
    (out / names[0]).unlink()
    other = Composition.resume(out, arguments)
    assert other is not None
    with other.claim(names[0]) as path:
        assert path is not None
        assert composed(data, out).finished == {names[1]}
        assert [clip.name for clip in read_clips(out)] == [names[1]]
        path.write_bytes(b"theirs")
    assert [clip.name for clip in read_clips(out)] == sorted(names)
    with other.claim(names[0]) as path:
        assert path is None


def test_a_disk_that_is_too_small_is_an_error(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr("gifcue_lab.synthesis.run.shutil.disk_usage", lambda _: usage)
    with pytest.raises(ConfigError, match=r"expected 0\.0 GB of free space"):
        composed(data, tmp_path / "out")


def test_groups_are_chosen_by_patterns(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gifcue_lab.synthesis.run.write_video", lambda _, path, __: path.write_bytes(b""))
    done = composed(data, tmp_path / "out", groups=["[a]"])
    assert {each.person for each in done.sequences.values()} == {"a/0"}
    assert done.people == 1
    with pytest.raises(ConfigError, match="--group: expected the name of a group"):
        composed(data, tmp_path / "none", groups=["p3*"])
