"""A run that was killed and resumed ends with the same metrics as one that was not."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("tensorflow")

# Three runs, each of which starts TensorFlow.
pytestmark = pytest.mark.timeout(240)


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
    # Not at the top: the runs start this file as a program, which does not know the other tests.
    from tests.support.training_photographs import write_photographs

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
    state = json.loads((tmp_path / "broken" / "checkpoint-00004" / "state.json").read_text())
    assert state["made_of"]["settings"]["classes"] == ["wave"]
    assert state["epochs"] == 4
    assert (tmp_path / "broken" / "curves.png").stat().st_size > 1000


if __name__ == "__main__":
    train_small(Path(sys.argv[1]), Path(sys.argv[2]))
