"""Hands made of bones: no networks, no photographs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from gifcue.cli.gesture import app
from gifcue.detect.detector import Frame, ServedModel
from gifcue.detect.gesture_classifier import HEAD_THRESHOLD, POINTS, hand_features, read_head
from gifcue.detect.regions import Region
from gifcue.detect.settings import DetectSettings
from gifcue.errors import ConfigError, ModelError
from gifcue.gestures.capture import capture
from gifcue.gestures.evaluation import judge
from gifcue.gestures.fit import Floats, moved_to, scores, train_gesture, varied
from gifcue.gestures.negatives import (
    Negatives,
    collect,
    normalised,
    read_negatives,
    write_negatives,
)
from gifcue.gestures.samples import HandSample, labels_in, read_samples, write_samples
from gifcue.protocol.geometry import Box
from gifcue_lab.datasets.annotation import Annotation, DatasetError, LabelledObject
from gifcue_lab.datasets.voc import write_voc
from gifcue_lab.evaluation.matching import Counts
from gifcue_lab.evaluation.truth import read_truth

# Which fingers are straight, the thumb first.
VICTORY = (False, True, True, False, False)
OTHERS = (
    (True, True, True, True, True),
    (False, False, False, False, False),
    (True, False, False, False, False),
    (False, True, False, False, False),
    (False, True, True, True, False),
    (True, True, False, False, True),
)
ASPECT = 16 / 9


def bones(straight: Sequence[bool], rng: np.random.Generator) -> Floats:
    """A right hand [21, 3], upright, its wrist at the origin and y downwards, a little different every time."""
    points = np.zeros((POINTS, 3))
    for finger, is_straight in enumerate(straight):
        angle = np.radians(-50 + 25 * finger + rng.normal(0, 4))
        way = np.array([np.sin(angle), -np.cos(angle), 0.0])
        for joint in range(4):
            length = 1.0 + 0.35 * joint if is_straight else (1.0, 1.3, 1.1, 0.8)[joint]
            points[1 + finger * 4 + joint] = way * length
    return np.asarray(points + rng.normal(0, 0.03, points.shape), np.float32)


def sample(straight: Sequence[bool], rng: np.random.Generator, source: str = "") -> HandSample:
    shares = bones(straight, rng) * np.float32(0.1)
    shares[:, [0, 2]] /= np.float32(ASPECT)
    return HandSample(shares + np.float32(0.5), ASPECT, source)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def strangers(rng: np.random.Generator) -> Negatives:
    points = [bones(OTHERS[i % len(OTHERS)], rng) for i in range(240)]
    return Negatives(np.array(points, np.float32), np.arange(240) // 6)


def test_thirty_samples_teach_a_gesture(rng: np.random.Generator, strangers: Negatives) -> None:
    trained = train_gesture("victory", [sample(VICTORY, rng) for _ in range(30)], [], strangers)
    assert trained.positives.recall is not None
    assert trained.positives.recall > 0.9
    assert trained.strangers.wrong <= 2
    shows = [sample(VICTORY, rng, f"v{i}") for i in range(50)]
    shows_not = [sample(OTHERS[i % len(OTHERS)], rng, f"o{i}") for i in range(60)]
    tested = judge(trained.head, "victory", shows, shows_not)
    assert tested.counts.recall is not None
    assert tested.counts.recall > 0.9
    assert tested.counts.wrong <= 1
    assert len(tested.missed) == tested.counts.missed


def test_a_head_is_moved_to_where_heads_are_served(rng: np.random.Generator, strangers: Negatives) -> None:
    head = train_gesture("victory", [sample(VICTORY, rng) for _ in range(12)], [], strangers).head
    features = np.stack([sample(OTHERS[i % 6], rng).features() for i in range(60)])
    before = scores(head, features, "victory")
    after = scores(moved_to(head, "victory", 0.9), features, "victory")
    assert ((before >= 0.9) == (after >= HEAD_THRESHOLD - 1e-6)).all()
    assert (np.argsort(before) == np.argsort(after)).all()


def test_the_same_seed_teaches_the_same(rng: np.random.Generator, strangers: Negatives) -> None:
    samples = [sample(VICTORY, rng) for _ in range(12)]
    one, other = (train_gesture("victory", samples, [], strangers, seed=3) for _ in range(2))
    assert (one.head.weights == other.head.weights).all()


def test_strangers_who_make_the_gesture_are_left_out(rng: np.random.Generator, strangers: Negatives) -> None:
    made = [bones(VICTORY, rng) for _ in range(8)]
    mixed = Negatives(
        np.concatenate([strangers.points, made]), np.append(strangers.groups, np.arange(8) + 90)
    )
    trained = train_gesture("victory", [sample(VICTORY, rng) for _ in range(30)], [], mixed)
    assert 4 <= trained.alike <= 8
    assert trained.positives.recall is not None
    assert trained.positives.recall > 0.9


def test_own_counterexamples_are_counted(rng: np.random.Generator, strangers: Negatives) -> None:
    mine = [sample(OTHERS[4], rng) for _ in range(10)]
    trained = train_gesture("victory", [sample(VICTORY, rng) for _ in range(20)], mine, strangers)
    assert trained.own == Counts(0, trained.own.wrong, 0)
    assert trained.own.wrong <= 1


def test_too_few_samples_and_bad_labels_are_refused(rng: np.random.Generator, strangers: Negatives) -> None:
    samples = [sample(VICTORY, rng) for _ in range(9)]
    with pytest.raises(DatasetError, match="10 samples or more, got 9"):
        train_gesture("victory", samples, [], strangers)
    for label in ("none", "wave", "Victory!", "../x", ""):
        with pytest.raises(DatasetError, match="expected"):
            train_gesture(label, samples * 2, [], strangers)


def test_variations_keep_the_sample_and_its_shape(rng: np.random.Generator) -> None:
    one = sample(VICTORY, rng)
    copies = varied(one, rng, 8)
    assert copies[0] is one
    assert len(copies) == 8
    distances = [float(np.abs(copy.features() - one.features()).mean()) for copy in copies[1:]]
    assert min(distances) > 0.0
    assert max(distances) < 0.5


def test_normalised_hands_have_the_same_features_and_no_place(
    rng: np.random.Generator, tmp_path: Path
) -> None:
    one = sample(VICTORY, rng)
    points = normalised(one.landmarks, one.aspect)
    assert hand_features(points) == pytest.approx(one.features(), abs=1e-3)
    assert points[0].tolist() == [0.0, 0.0, 0.0]
    write_negatives(Negatives(points[None], np.array([7])), tmp_path / "n.npz")
    read = read_negatives(tmp_path / "n.npz")
    assert read.points[0] == pytest.approx(points, abs=5e-3)
    assert read.groups.tolist() == [7]
    (tmp_path / "n.npz").write_bytes(b"")
    with pytest.raises(ModelError, match=r"n\.npz: expected landmarks"):
        read_negatives(tmp_path / "n.npz")


def test_what_ships_is_many_hands_of_many_people() -> None:
    shipped = read_negatives()
    assert len(shipped.points) > 2000
    assert len(set(shipped.groups.tolist())) > 100
    assert np.isfinite(shipped.features()).all()
    assert np.abs(shipped.points[:, 0]).max() == 0.0


def test_samples_are_read_as_written(rng: np.random.Generator, tmp_path: Path) -> None:
    samples = [sample(VICTORY, rng, "clip.mp4@1.20"), sample(VICTORY, rng)]
    path = write_samples(tmp_path, "victory", samples)
    read = read_samples(tmp_path, "victory")
    assert [s.source for s in read] == ["clip.mp4@1.20", ""]
    assert read[0].landmarks == pytest.approx(samples[0].landmarks, abs=1e-5)
    assert labels_in(tmp_path) == ["victory"]
    assert read_samples(tmp_path, "other") == []
    for change in ({"format": "x"}, {"samples": [{"source": "", "aspect": 1, "landmarks": [[0, 0, 0]]}]}):
        path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
        with pytest.raises(DatasetError, match=r"victory\.json: expected"):
            read_samples(tmp_path, "victory")


class Painted:
    """Finds two hands in every picture: a large one whose fingers its corner's brightness tells, and a small fist."""

    info = ServedModel("painted", "1", "test", ("hand",), {"hand": 0.5}, 64, 64)

    def __init__(self) -> None:
        self._rng = np.random.default_rng(5)

    def warm(self) -> None: ...

    def detect(self, frames: Sequence[Frame]) -> list[list[Region]]:
        found = []
        for frame in frames:
            shape = VICTORY if frame[0, 0, 0] > 128 else OTHERS[int(self._rng.integers(len(OTHERS)))]
            large, small = sample(shape, self._rng), sample(OTHERS[1], self._rng)
            found.append(
                [
                    Region("hand", Box(0.1, 0.1, 0.2, 0.2), 0.95, {}, small.landmarks),
                    Region("hand", Box(0.2, 0.3, 0.8, 0.7), 0.9, {}, large.landmarks),
                    Region("hand", Box(0.0, 0.0, 1.0, 1.0), 0.2, {}, small.landmarks),
                ]
            )
        return found

    def close(self) -> None: ...


def pictures(folder: Path, level: int, count: int) -> Path:
    folder.mkdir(parents=True)
    for number in range(count):
        cv2.imwrite(str(folder / f"{number:02d}.png"), np.full((90, 160, 3), level, np.uint8))
    return folder


def test_the_largest_hand_is_taken_or_all(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "in", 255, 3)
    one = capture(Painted(), str(folder), limit=10)
    assert (len(one.samples), one.frames) == (3, 3)
    assert one.samples[1].source == "01.png"
    assert one.samples[0].aspect == pytest.approx(ASPECT, abs=0.01)
    assert len(capture(Painted(), str(folder), limit=10, every_hand=True).samples) == 6
    assert len(capture(Painted(), str(folder), limit=2).samples) == 2
    assert len(capture(Painted(), str(folder / "00.png"), limit=2).samples) == 1
    for source in (str(tmp_path / "gone.mp4"), str(tmp_path / "gone.png")):
        with pytest.raises(DatasetError, match="gone"):
            capture(Painted(), source, limit=1)


def test_only_labelled_hands_become_negatives_and_few_of_a_person(tmp_path: Path) -> None:
    for group in ("p1", "p2"):
        pictures(tmp_path / group, 0, 5)
        for path in (tmp_path / group).glob("*.png"):
            hand = LabelledObject("hand", 48, 18, 112, 72, True)
            write_voc(path.with_suffix(".xml"), Annotation(path.name, 160, 90, (hand,)))
    found = collect(Painted(), read_truth(tmp_path), per_group=3)
    assert sorted(found.groups.tolist()) == [0, 0, 0, 1, 1, 1]


def test_a_folder_of_gestures_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="gestures_dir: expected a folder"):
        DetectSettings(gestures_dir=tmp_path / "none").detector()


def test_from_pictures_to_a_served_head(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strangers: Negatives
) -> None:
    monkeypatch.setattr("gifcue_lab.cli.evaluate.detector_for", lambda model_dir, backend: Painted())
    monkeypatch.setattr("gifcue.gestures.negatives.read_negatives", lambda: strangers)
    shows, shows_not = pictures(tmp_path / "shows", 255, 20), pictures(tmp_path / "not", 0, 20)
    kept = ["--gestures-dir", str(tmp_path / "gestures")]

    def run(*arguments: str) -> str:
        ran = CliRunner().invoke(app, [*arguments, *kept])
        assert ran.exit_code == 0, ran.output
        return ran.stdout

    assert "20 hands in 20 frames" in run("capture", "victory", str(shows))
    assert "has 40 of victory" in run("capture", "victory", str(shows))
    assert "has 20 of victory" in run("capture", "victory", str(shows), "--fresh")
    assert "has 20 of none" in run("capture", "none", str(shows_not))
    said = run("train", "victory")
    assert "of your 20 samples found" in said
    assert "of your 20 other hands taken for it" in said
    head = read_head(tmp_path / "gestures" / "victory.json")
    served = DetectSettings(gestures_dir=tmp_path / "gestures").detector().heads
    assert served == (tmp_path / "gestures" / "victory.json",)
    assert head.labels == ("", "victory")
    assert head.threshold == HEAD_THRESHOLD
    assert "[reactions.labels.victory]" in said
    tested = run("test", "victory", str(shows), "--against", str(shows_not))
    assert "of 20 hands found" in tested
    assert "of 40 other hands taken for it" in tested
