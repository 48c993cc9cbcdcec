"""A run that was killed and resumed ends with the same metrics as one that was not."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("tensorflow")

GROUPS, PICTURES = 2, 6

XML = """<annotation><folder>{group}</folder><filename>{name}.jpg</filename>
<size><width>96</width><height>72</height><depth>3</depth></size>
<object><name>hand</name><difficult>0</difficult>{box}</object>{gesture}</annotation>"""
BOX = "<bndbox><xmin>{0}</xmin><ymin>{1}</ymin><xmax>{2}</xmax><ymax>{3}</ymax></bndbox>"


def write_photographs(root: Path) -> None:
    """Bright squares as hands; half of them are striped and labelled as a wave."""
    rng = np.random.default_rng(0)
    files, points = [], []
    for group in range(GROUPS):
        folder = root / "train" / f"p{group}"
        folder.mkdir(parents=True)
        for number in range(PICTURES):
            picture = rng.integers(0, 90, (72, 96, 3)).astype(np.uint8)
            x, y = (int(value) for value in rng.integers(4, 40, 2))
            picture[y : y + 28, x : x + 28] = 220
            waves = number % 2 == 0
            if waves:
                picture[y : y + 28, x : x + 28 : 4] = 20
            cv2.imwrite(str(folder / f"{number}.jpg"), picture)
            box = BOX.format(x, y, x + 28, y + 28)
            gesture = f"<object><name>wave</name><difficult>0</difficult>{box}</object>" if waves else ""
            text = XML.format(group=f"p{group}", name=number, box=box, gesture=gesture)
            (folder / f"{number}.xml").write_text(text)
            files.append(f"p{group}/{number}")
            grid = np.add(rng.uniform(0, 28, (21, 3)), [x, y, 0])
            points.append(grid)
    np.savez(
        root / "train" / "landmarks.npz",
        hand_file=np.array(files),
        hand_xyz=np.array(points, np.float16),
        hand_left=np.zeros(len(files), bool),
        face_file=np.array([], "U8"),
        face_xy=np.zeros((0, 156, 2), np.float16),
        face_points=np.arange(156),
    )


def train_small(data_dir: Path, run_dir: Path) -> None:
    os.environ.update(CUDA_VISIBLE_DEVICES="-1")
    from gifcue_lab.training.loop import train
    from gifcue_lab.training.recipe import Recipe

    recipe = Recipe(
        name=run_dir.name,
        task="hand",
        width=32,
        height=32,
        epochs=4,
        batch_size=4,
        classes=("wave",),
        channels=(8, 8, 16, 16),
        blocks=(1, 1, 1),
        warmup_steps=2,
        ema_momentum=0.9,
        precision="float32",
        deterministic=True,
    )
    train(recipe, data_dir, run_dir.parent, report=functools.partial(print, flush=True))


def start(data_dir: Path, run_dir: Path) -> subprocess.Popen[str]:
    # A process for each run: a kill needs a real one, and TensorFlow's determinism cannot be switched off again.
    command = [sys.executable, __file__, str(data_dir), str(run_dir)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def metrics(run_dir: Path) -> list[tuple[float, dict[str, float]]]:
    history = json.loads((run_dir / "history.json").read_text())
    return [(record["loss"], record.get("metrics", {})) for record in history]


def test_killed_and_resumed_it_ends_at_the_same_metrics(tmp_path: Path) -> None:
    write_photographs(tmp_path / "data")
    broken = start(tmp_path / "data", tmp_path / "broken")
    assert broken.stdout is not None
    # An epoch is reported after its checkpoint is written; the kill hits the next one.
    first = next(line for line in broken.stdout if line.startswith("epoch 1/"))
    broken.kill()
    broken.communicate()
    assert first
    for name in ("whole", "broken"):
        process = start(tmp_path / "data", tmp_path / name)
        process.communicate()
        assert process.returncode == 0
    assert metrics(tmp_path / "broken") == metrics(tmp_path / "whole")
    assert (tmp_path / "broken" / "curves.png").stat().st_size > 1000


if __name__ == "__main__":
    train_small(Path(sys.argv[1]), Path(sys.argv[2]))
