"""The model repositories for Triton. A real tritonserver reads them in tests/triton/test_tritonserver.py."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from gifcue.detect.litert import LiteRtNetworks
from gifcue.detect.metadata import read_metadata
from gifcue.detect.shipped_model import SHIPPED_SHA256
from gifcue.detect.trust import UNCHECKED
from gifcue.triton.models import version_of
from gifcue_lab.cli.app import app
from gifcue_lab.export.triton import export_triton

MODELS = Path(__file__).parents[3] / "models"
VERSION = version_of(SHIPPED_SHA256)


def test_the_command_writes_what_the_python_backend_reads(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["export", "--triton", str(tmp_path), "--no-tensorflow"])
    assert result.exit_code == 0, result.output
    assert VERSION in result.output
    repository = tmp_path / "python"
    assert sorted(path.name for path in repository.iterdir()) == [
        "gifcue_detector",
        "gifcue_face",
        "gifcue_hand",
    ]
    config = (repository / "gifcue_detector" / "config.pbtxt").read_text()
    for line in (
        'name: "gifcue_detector"',
        'backend: "python"',
        "max_batch_size: 32",
        "dims: [256, 320, 3]",
        "max_queue_delay_microseconds",
    ):
        assert line in config
    network = repository / "gifcue_detector" / VERSION / "network.tflite"
    assert network.read_bytes() == (MODELS / "detector.int8.tflite").read_bytes()
    assert hashlib.sha256(network.read_bytes()).hexdigest() in config
    assert (repository / "gifcue_hand" / "labels.txt").read_text().split() == [
        "none",
        "wave",
        "ok_hand",
        "thumbs_up",
    ]


def test_versions_of_other_models_stay(tmp_path: Path) -> None:
    other = tmp_path / "python" / "gifcue_detector" / "7"
    other.mkdir(parents=True)
    export_triton(MODELS, tmp_path, tensorflow=False, report=lambda _: None)
    assert sorted(path.name for path in other.parent.iterdir() if path.is_dir()) == sorted(["7", VERSION])


def test_nothing_to_write_is_named() -> None:
    result = CliRunner().invoke(app, ["export"])
    assert result.exit_code == 2
    assert "expected OUT or --triton DIR" in result.stderr


@pytest.mark.skipif("GIFCUE_TRITON" not in os.environ, reason="takes ten seconds; make test-triton runs it")
def test_the_tensorflow_models_are_the_float_networks(tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    export_triton(MODELS, tmp_path, report=lambda _: None)
    local = LiteRtNetworks(read_metadata(MODELS, "litert", "float", sha256=UNCHECKED), 1)
    rng = np.random.default_rng(3)
    for name in local.names:
        folder = tmp_path / "tensorflow" / f"gifcue_{name}" / VERSION / "model.savedmodel"
        serve = tf.saved_model.load(str(folder)).signatures["serving_default"]
        pictures = rng.integers(0, 256, (2, *local[name].input_shape[1:])).astype(np.uint8)
        there = {key: value.numpy() for key, value in serve(image=tf.constant(pictures)).items()}
        here = local.run({name: pictures})[name]
        assert there.keys() == here.keys()
        for key, values in here.items():
            assert there[key].shape == values.shape
            # Weights are float16 in LiteRT. On noise, a few cells are peaks for one and not for the other.
            assert np.quantile(np.abs(there[key] - values), 0.99) < 0.05, key
