"""A label of one's own, from a folder of LabelImg to a server that names it: every command once, on drawn pictures."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("tensorflow")

from gifcue.client import ReactionClient
from gifcue.detect.settings import default_model_dir
from gifcue.sample_video.photo import photograph
from gifcue.server.config import Settings
from gifcue.server.lifecycle import Server
from gifcue_lab.cli.app import app
from gifcue_lab.datasets.annotation import Annotation, LabelledObject
from gifcue_lab.datasets.voc import write_voc
from tests.support.commands import command_of

GROUPS = ("anna", "ben", "carla", "dora")
PICTURES = 6
WIDTH, HEIGHT = 320, 180
LABEL = "drinking_coffee"
# The part of the photograph with the face, 260 x 260; in it a cup before the mouth, and what a person would draw a box
# around.
LEFT, SIDE = 100, 260
CUP, SCENE = (95, 150, 160, 210), (40, 40, 210, 230)


def draw_pictures(folder: Path) -> None:
    """The public photograph before a wall of each group. In every second picture there is a cup before the mouth."""
    photo = photograph()[:SIDE, LEFT : LEFT + SIDE]
    rng = np.random.default_rng(3)
    for group in GROUPS:
        (folder / group).mkdir(parents=True)
        wall = cv2.resize(rng.integers(0, 256, (3, 4, 3)).astype(np.uint8), (WIDTH, HEIGHT))
        for number in range(PICTURES):
            drinks = number % 2 == 0
            picture = photo.copy()
            if drinks:
                cv2.rectangle(picture, CUP[:2], CUP[2:], (120, 70, 30), -1)
            side = int(rng.integers(150, HEIGHT))
            left = int(rng.integers(0, WIDTH - side))
            frame = wall.copy()
            frame[HEIGHT - side :, left : left + side] = cv2.resize(picture, (side, side))
            path = folder / group / f"{number}.jpg"
            cv2.imwrite(str(path), frame[:, :, ::-1])
            edges = (np.array(SCENE) * side / SIDE).round().astype(int) + [left, HEIGHT - side] * 2
            objects = (LabelledObject(LABEL, *edges.tolist()),) if drinks else ()
            write_voc(path.with_suffix(".xml"), Annotation(path.name, WIDTH, HEIGHT, objects))


async def test_a_folder_of_labelimg_becomes_a_served_label(tmp_path: Path) -> None:
    lab = command_of(app, "gifcue-lab")

    def run(*arguments: object) -> str:
        result = lab(*arguments)
        assert result.exit_code == 0, result.output
        return result.stdout

    pictures, prepared, data = (tmp_path / name for name in ("pictures", "prepared", "data"))
    recipe, runs, model = tmp_path / "own.toml", tmp_path / "runs", tmp_path / "own-model"
    draw_pictures(pictures)
    run("dataset", "check", pictures, "--labels", LABEL)
    # In a picture or two the cup may hide the face.
    placed = re.search(rf"(\d+) {LABEL}", run("dataset", "prepare", pictures, prepared, "--face", LABEL))
    assert placed is not None
    assert int(placed.group(1)) >= 10
    run("dataset", "split", prepared, data, "--sides", "train=0.75,dev=0.25")
    run("dataset", "landmarks", data)
    run("recipe", "face", recipe, "--data", data)
    # One batch holds more than the samples of an epoch.
    recipe.write_text("epoch_samples = 24\n" + recipe.read_text())
    trained = run("train", recipe, "--data", data, "--runs", runs, "--epochs", 1)
    assert "1 steps an epoch" in trained
    assert "loss 0.0000" not in trained
    packed = run("pack", recipe, "--data", data, "--runs", runs, "--base", "shipped", "--model", model)
    for name in ("detector.int8.tflite", "hand.int8.tflite"):
        assert (model / name).read_bytes() == (default_model_dir() / name).read_bytes()
    _assert_only_the_new_label_was_learned(model)
    report = json.loads(run("evaluate", "images", data, "--split", "dev", "--model", model, "--json"))
    assert 0 < report["labels"][LABEL]["positives"] <= 3
    assert report["labels"]["face"]["right"] >= 5

    ports = dict.fromkeys(("listen", "http_listen", "operator_listen"), "127.0.0.1:0")
    served = tomllib.loads(packed.partition("The settings of a server that serves it:")[2])
    settings = Settings.model_validate(
        {"server": {**ports, "operator_http_listen": ""}, **served, "media": {"workers": 1}}
    )
    async with (
        Server(settings) as server,
        ReactionClient(f"127.0.0.1:{server.listen_port}") as client,
        client.open() as stream,
    ):
        assert LABEL in stream.ready.reaction_labels


def _assert_only_the_new_label_was_learned(model: Path) -> None:
    """What the shipped network has is there unchanged, and does not depend on what is new."""
    with np.load(model / "weights.npz") as own, np.load(default_model_dir() / "weights.npz") as shipped:
        grown = [name for name in own if own[name].shape != shipped[name].shape]
        assert grown
        assert all(name.startswith("face/") for name in grown)
        for name in own:
            value, known = own[name], shipped[name]
            assert np.array_equal(value[tuple(slice(size) for size in known.shape)], known)
            if name in grown:
                outputs = known.shape[-1]
                assert value.ndim == 1 or not value[known.shape[0] :, :outputs].any()
                assert value[..., outputs:].any()
    thresholds = [json.loads((each / "metadata.json").read_text()) for each in (model, default_model_dir())]
    assert {**thresholds[0]["thresholds"], **thresholds[1]["thresholds"]} == thresholds[0]["thresholds"]


def test_the_shipped_model_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "face.toml").write_text('task = "face"\nwidth = 80\nheight = 80\nepochs = 1\n')
    before = (default_model_dir() / "metadata.json").read_bytes()
    result = command_of(app, "gifcue-lab")(
        "pack", tmp_path / "face.toml", "--data", tmp_path, "--runs", tmp_path, "--base", "shipped",
        "--model", default_model_dir(),
    )  # fmt: skip
    assert result.exit_code == 2
    assert "a directory of your own" in " ".join(result.output.split())
    assert (default_model_dir() / "metadata.json").read_bytes() == before
