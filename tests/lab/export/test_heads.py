"""The end of a crop network and the hands at a face, fitted to synthetic faces."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gifcue.detect.metadata import Calibration
from gifcue.detect.regions import Region
from gifcue.detect.relation import FacePoints, HandRelation, face_features
from gifcue.errors import ConfigError
from gifcue.protocol.geometry import Box
from gifcue_lab.cli.app import app
from gifcue_lab.export.heads.faces import FoundFace
from gifcue_lab.training.samples import Photo, read_photos
from tests.support.commands import command_of

pytest.importorskip("tensorflow")

CALIBRATION = Calibration(0.85, 0.5, (0.0, 0.0, 0.0))


@pytest.fixture(scope="module")
def network() -> object:
    """A face network of a few thousand parameters; a third of its units are always 0, as in trained ones."""
    import keras

    from gifcue_lab.training.networks import crop_network

    keras.utils.set_random_seed(1)
    made = crop_network(
        32, 6, 3, depth_axis=False, name="face", channels=(8, 8, 8, 8), blocks=(1, 1, 1), neck=8
    )
    kernel, bias = made.get_layer("sight").get_weights()
    kernel[:, ::3], bias[::3] = 0.0, -1.0
    made.get_layer("sight").set_weights([kernel, bias])
    return made


def crops(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def test_a_network_with_a_fitted_end_gives_its_probabilities(network: object) -> None:
    from gifcue_lab.export.heads.last_layers import ends_of, fit_last_layers, write_last_layers

    ends = ends_of(network, crops(60))
    # A rule of a feature, which the regression has to find.
    varied = int(ends.features.std(0).argmax())
    truth = np.digitize(ends.features[:, varied], np.quantile(ends.features[:, varied], [0.3, 0.7]))
    layers = fit_last_layers([ends, ends], truth, np.ones(60))
    assert (layers.logits(ends).argmax(1) == truth).mean() > 0.6

    assert write_last_layers(network, layers, CALIBRATION, ends) == 0
    again = ends_of(network, crops(60))
    assert np.array_equal(again.features, ends.features)
    probabilities = CALIBRATION.probabilities(again.landmark_logits, again.appearance_logits)
    assert probabilities == pytest.approx(softmax(layers.logits(ends)), abs=2e-3)


def test_a_calibration_with_a_bias_is_refused(network: object) -> None:
    from gifcue_lab.export.heads.last_layers import LastLayers, ends_of, write_last_layers

    ends = ends_of(network, crops(2))
    layers = LastLayers(np.zeros((6 + ends.features.shape[1], 3), np.float32), np.zeros(3, np.float32))
    with pytest.raises(ConfigError, match="bias of 0"):
        write_last_layers(network, layers, Calibration(0.5, 0.5, (0.0, 0.1, 0.0)), ends)


def test_a_face_network_without_the_points_is_refused() -> None:
    from gifcue_lab.export.heads.hands import face_points

    with pytest.raises(ConfigError, match=r"got none of \[10, 152\]"):
        face_points([61, 291, 33, 263, 133, 362])


def test_hands_at_the_chin_are_learned() -> None:
    from gifcue_lab.export.heads.hands import fit_hands

    points = FacePoints((0, 1), (2, 3), 4, 5)
    outline = np.array([[0.4, 0.5], [0.6, 0.5], [0.4, 0.3], [0.6, 0.3], [0.5, 0.6], [0.5, 0.2]], np.float32)
    face = Region("face", Box(0.2, 0.4, 0.6, 0.6), 0.9, {}, outline)
    rng = np.random.default_rng(3)
    rows, truth = [], []
    for number in range(120):
        low = number % 2 == 1
        middle = np.array([0.5, 0.62 if low else 0.25]) + rng.normal(0, 0.02, 2)
        spread = rng.uniform(-0.05, 0.05, (21, 2)).astype(np.float32)
        box = Box(
            *(float(v) for v in (middle[1] - 0.05, middle[0] - 0.05, middle[1] + 0.05, middle[0] + 0.05))
        )
        hand = Region("hand", box, 0.8, {}, (middle + spread).astype(np.float32))
        rows.append(face_features([0.4, 0.4], face, [hand], points, 100, 100))
        truth.append(2 if low else number // 2 % 2)
    relation = fit_hands(np.stack(rows), np.array(truth), np.ones(120), ["neutral", "thinking"], points, 24.0)
    assert isinstance(relation, HandRelation)
    shown = [
        softmax(np.stack(rows) @ relation.weights[:-1] + relation.weights[-1])[number, 2]
        for number in range(120)
    ]
    assert min(shown[1::2]) > max(shown[::2])


def test_faces_are_found_with_their_labels_and_hands(tmp_path: Path) -> None:
    """The shipped detector on a portrait; its box is labelled, and its crop is the one that the network sees."""
    cv2 = pytest.importorskip("cv2")
    portrait = pytest.importorskip("skimage.data").astronaut()[:300]
    from gifcue_lab.export.heads.faces import found_faces
    from gifcue_lab.training.samples import Photo, Sample

    path = tmp_path / "portrait.jpg"
    cv2.imwrite(str(path), portrait[..., ::-1])
    sample = Sample("face", np.array([175, 60, 275, 195], np.float32), "smile")
    photo = Photo("one", "one/portrait", path, portrait.shape[1], portrait.shape[0], [sample])
    models = Path(__file__).parents[3] / "models"
    labelled = [face for face in found_faces(models, [photo]) if face.truth is not None]
    assert [face.truth for face in labelled] == ["smile"]
    assert labelled[0].confidence(24.0) == 1.0
    plain, mirrored = labelled[0].crops
    assert np.array_equal(plain, mirrored[:, ::-1])
    assert (labelled[0].width, labelled[0].height) == (512, 300)


def scores_of(logits: np.ndarray, truth: np.ndarray, label: int, least: float) -> float:
    return float((softmax(logits)[truth == label, label] >= least).mean())


def test_as_many_faces_with_a_label_reach_a_policys_score_as_before() -> None:
    from gifcue_lab.export.heads.scale import kept_scale

    rng = np.random.default_rng(5)
    truth = rng.integers(0, 3, 600)
    served = rng.normal(0.0, 2.0, (600, 3)) + 5.0 * np.eye(3)[truth]
    # The new fit is as good, and more cautious.
    cautious = 0.4 * served - [0.0, 1.0, 0.5]
    shown = softmax(served).astype(np.float32)
    factor, shift = kept_scale(
        cautious.astype(np.float32), truth, [shown[truth == label, label] for label in (1, 2)]
    )
    assert shift[0] == 0.0
    for label in (1, 2):
        for least in (0.6, 0.85):
            wanted = scores_of(served, truth, label, least)
            assert scores_of(cautious, truth, label, least) < wanted - 0.1
            assert scores_of(factor * cautious + shift, truth, label, least) == pytest.approx(
                wanted, abs=0.04
            )


XML = """<annotation><filename>{name}.jpg</filename><size><width>512</width><height>300</height><depth>3</depth></size>
<object><name>face</name><difficult>0</difficult>{box}</object>{shown}</annotation>"""
BOX = "<bndbox><xmin>{0}</xmin><ymin>60</ymin><xmax>{1}</xmax><ymax>195</ymax></bndbox>"
SHOWN = "<object><name>{0}</name><difficult>0</difficult>{1}</object>"


def write_portraits(root: Path) -> None:
    """A portrait 32 times, whose tint decides its label."""
    import cv2

    portrait = pytest.importorskip("skimage.data").astronaut()[:300, :, ::-1]
    tints = {"smile": (1, 0.4, 0.4), "neutral": (0.25, 0.25, 0.25), "thinking": (0.4, 0.4, 1), "": (1, 1, 1)}
    for number in range(32):
        label, tint = list(tints.items())[number % 4]
        folder = root / "train" / f"g{number // 8}"
        folder.mkdir(parents=True, exist_ok=True)
        shifted = np.roll(portrait, 2 * (number // 4) - 7, axis=1) * np.array(tint)
        cv2.imwrite(str(folder / f"{number}.jpg"), shifted.astype(np.uint8))
        left = 175 + 2 * (number // 4) - 7
        box = BOX.format(left, left + 100)
        shown = SHOWN.format(label, box) if label else ""
        (folder / f"{number}.xml").write_text(XML.format(name=number, box=box, shown=shown))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The shipped model without what was fitted to hands."""
    import shutil

    shutil.copytree(Path(__file__).parents[3] / "models", tmp_path / "model")
    path = tmp_path / "model" / "metadata.json"
    metadata = json.loads(path.read_text(encoding="utf-8"))
    metadata["stages"]["face"].pop("relation", None)
    path.write_text(json.dumps(metadata), encoding="utf-8")
    return tmp_path / "model"


def test_a_model_is_fitted_to_new_people(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gifcue.detect.metadata import read_metadata
    from gifcue.detect.trust import UNCHECKED
    from gifcue_lab.export.heads import fit

    write_portraits(tmp_path)
    exported: list[object] = []
    # Both have tests of their own, and take seconds a network.
    monkeypatch.setattr(fit, "export_litert", lambda *args, **options: exported.append(options["only"]))
    monkeypatch.setattr(fit, "add_int8", lambda *args, **options: exported.append(options["only"]))
    before = dict(np.load(model / "weights.npz"))
    said: list[str] = []
    found = fit.fit_heads(model, tmp_path, lambda photo: photo.group != "g3", report=said.append)
    # The tints can be told apart, also for folds that the fit has not seen. A guess has a fourth.
    assert min(found.values()) > 0.5
    # One of two photographs of the last group takes part.
    assert said[0] == "28 faces (24 of people new to the network): none 6, smile 8, neutral 6, thinking 8"
    after = dict(np.load(model / "weights.npz"))
    changed = {name.split("/")[0] for name in before if not np.array_equal(before[name], after[name])}
    assert changed == {"face"}
    assert exported == [("face",), ("face",)]
    metadata = read_metadata(model, "litert", sha256=UNCHECKED)
    assert metadata.stages["face"].relation is not None
    with pytest.raises(ConfigError, match="fitted already"):
        fit.fit_heads(model, tmp_path, lambda photo: True)


def test_what_hands_say_is_fitted_without_the_network(model: Path, tmp_path: Path) -> None:
    from gifcue_lab.export.heads.fit import fit_heads

    write_portraits(tmp_path)
    before = {path.name: path.read_bytes() for path in model.iterdir()}
    fit_heads(model, tmp_path, lambda photo: photo.group != "g3", keep_network=True, report=lambda line: None)
    after = {path.name: path.read_bytes() for path in model.iterdir()}
    assert [name for name in before if before[name] != after[name]] == ["metadata.json"]
    metadata = json.loads(after["metadata.json"])
    assert metadata["stages"]["face"]["relation"]["labels"] == ["smile", "neutral", "thinking"]
    assert metadata["training"]["heads"]["fitted_to"] == "24 photographs of 3 groups of train"


def test_the_scale_of_another_model_is_kept(model: Path, tmp_path: Path) -> None:
    import shutil

    from gifcue_lab.export.heads import fit

    write_portraits(tmp_path)
    photos, labels = read_photos(tmp_path, "train"), ("smile", "neutral", "thinking")
    mean = {}
    other = tmp_path / "other"
    shutil.copytree(model, other)
    fit.fit_heads(
        other, tmp_path, lambda photo: photo.group != "g3", keep_network=True, report=lambda line: None
    )
    # The other model is hardly sure of anything.
    metadata = json.loads((other / "metadata.json").read_text())
    relation = metadata["stages"]["face"]["relation"]
    relation["weights"] = [[value / 20 for value in row] for row in relation["weights"]]
    (other / "metadata.json").write_text(json.dumps(metadata))
    for name, scale_of in (("own", None), ("other's", other)):
        fitted = tmp_path / name
        shutil.copytree(model, fitted)
        fit.fit_heads(
            fitted,
            tmp_path,
            lambda photo: photo.group != "g3",
            keep_network=True,
            scale_of=scale_of,
            report=lambda line: None,
        )
        mean[name] = [float(scores.mean()) for scores in fit._served_scores(fitted, photos, labels)]
    wanted = [float(scores.mean()) for scores in fit._served_scores(other, photos, labels)]
    for own, kept, asked in zip(mean["own"], mean["other's"], wanted, strict=True):
        assert abs(kept - asked) < abs(own - asked)
    with pytest.raises(ConfigError, match="finds faces of each label, got none of frown"):
        fit._served_scores(other, photos, ["smile", "frown"])


def faces_of(name: str, *truths: str) -> list[FoundFace]:
    """Found faces of a photograph with these labels."""
    photo = Photo("one", name, Path(), 100, 100)
    region = Region("face", Box(0.2, 0.2, 0.6, 0.6), 0.9)
    crops = np.zeros((2, 32, 32, 3), np.uint8)
    return [FoundFace(photo, region, (), 100, 100, truth, crops) for truth in truths]


def test_too_few_faces_of_a_label_are_named() -> None:
    from gifcue_lab.export.heads.fit import known_faces

    found = faces_of("one/portrait", *["smile"] * 6, *[""] * 5, *["thinking"] * 4, *["?"] * 9)
    with pytest.raises(ConfigError, match=r"5 found faces or more of each label, got fewer of thinking"):
        known_faces(None, found, ["smile", "thinking"], {"one/portrait"})


def test_a_label_without_a_new_face_is_named() -> None:
    """Its threshold would be chosen on nothing."""
    from gifcue_lab.export.heads.fit import known_faces

    found = faces_of("one/new", *["smile"] * 6) + faces_of("one/old", *[""] * 6, *["thinking"] * 6)
    with pytest.raises(ConfigError, match=r"that the network was not trained on, got none of thinking"):
        known_faces(None, found, ["smile", "thinking"], {"one/new"})


def test_without_new_photographs_no_face_is_looked_for(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gifcue_lab.export.heads import fit

    write_portraits(tmp_path)
    monkeypatch.setattr(fit, "found_faces", None)
    monkeypatch.setattr(fit, "load_networks", None)
    with pytest.raises(ConfigError, match=r"train: expected photographs that the face network .* got none"):
        fit.fit_heads(model, tmp_path, lambda photo: False)


def test_a_recipe_of_another_network_is_refused(model: Path, tmp_path: Path) -> None:
    result = command_of(app, "gifcue-lab")(
        "fit-heads", "--model", model, "--data", tmp_path, "--recipe", "hand"
    )
    assert result.exit_code == 2
    assert "expected a recipe of the face network, got one of hand" in " ".join(result.output.split())
