"""Custom gestures on synthetic hands, without networks and photographs."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import gifcue.gestures
from gifcue.cli.gesture import app
from gifcue.detect.gesture_classifier import SERVED_THRESHOLD, read_classifier
from gifcue.errors import ModelError
from gifcue.gestures.augment import variations
from gifcue.gestures.capture import Capture, capture, open_frames_of
from gifcue.gestures.counts import Counts
from gifcue.gestures.evaluation import evaluate_classifier
from gifcue.gestures.fit import label_scores, shift_threshold, train_gesture
from gifcue.gestures.library import GestureLibrary
from gifcue.gestures.negatives import Negatives, read_negatives, write_negatives
from gifcue.gestures.samples import GestureError, labels_in, read_samples, write_samples
from gifcue.media.files import UnreadableMedia
from tests.support.hands import ASPECT, OTHERS, VICTORY, BrightnessDetector, bones, pictures, sample


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def other_people(rng: np.random.Generator) -> Negatives:
    points = [bones(OTHERS[i % len(OTHERS)], rng) for i in range(240)]
    return Negatives(np.array(points, np.float32), np.arange(240) // 6)


def test_thirty_samples_are_enough_for_a_gesture(rng: np.random.Generator, other_people: Negatives) -> None:
    trained = train_gesture("victory", [sample(VICTORY, rng) for _ in range(30)], [], other_people)
    assert trained.positives.recall is not None
    assert trained.positives.recall > 0.9
    assert trained.negatives.wrong <= 2
    positives = [sample(VICTORY, rng, f"v{i}") for i in range(50)]
    negatives = [sample(OTHERS[i % len(OTHERS)], rng, f"o{i}") for i in range(60)]
    tested = evaluate_classifier(trained.classifier, "victory", positives, negatives)
    assert tested.counts.recall is not None
    assert tested.counts.recall > 0.9
    assert tested.counts.wrong <= 1
    assert len(tested.missed) == tested.counts.missed


def test_a_threshold_is_shifted_to_the_served_one(rng: np.random.Generator, other_people: Negatives) -> None:
    classifier = train_gesture(
        "victory", [sample(VICTORY, rng) for _ in range(12)], [], other_people
    ).classifier
    features = np.stack([sample(OTHERS[i % 6], rng).features() for i in range(60)])
    before = label_scores(classifier, features, "victory")
    after = label_scores(shift_threshold(classifier, "victory", 0.9), features, "victory")
    assert ((before >= 0.9) == (after >= SERVED_THRESHOLD - 1e-6)).all()
    assert (np.argsort(before) == np.argsort(after)).all()


def test_the_same_seed_gives_the_same_classifier(rng: np.random.Generator, other_people: Negatives) -> None:
    samples = [sample(VICTORY, rng) for _ in range(12)]
    one, other = (train_gesture("victory", samples, [], other_people, seed=3) for _ in range(2))
    assert (one.classifier.weights == other.classifier.weights).all()


def test_negatives_that_show_the_gesture_are_left_out(
    rng: np.random.Generator, other_people: Negatives
) -> None:
    made = [bones(VICTORY, rng) for _ in range(8)]
    mixed = Negatives(
        np.concatenate([other_people.points, made]), np.append(other_people.groups, np.arange(8) + 90)
    )
    trained = train_gesture("victory", [sample(VICTORY, rng) for _ in range(30)], [], mixed)
    assert 4 <= trained.similar <= 8
    assert trained.positives.recall is not None
    assert trained.positives.recall > 0.9


def test_false_positives_among_own_counterexamples_are_counted(
    rng: np.random.Generator, other_people: Negatives
) -> None:
    mine = [sample(OTHERS[4], rng) for _ in range(10)]
    trained = train_gesture("victory", [sample(VICTORY, rng) for _ in range(20)], mine, other_people)
    assert trained.others == Counts(0, trained.others.wrong, 0)
    assert trained.others.wrong <= 1


def test_too_few_samples_and_bad_labels_are_refused(
    rng: np.random.Generator, other_people: Negatives
) -> None:
    samples = [sample(VICTORY, rng) for _ in range(9)]
    with pytest.raises(GestureError, match="10 samples or more, got 9"):
        train_gesture("victory", samples, [], other_people)
    for label in ("none", "wave", "Victory!", "../x", ""):
        with pytest.raises(GestureError, match="expected"):
            train_gesture(label, samples * 2, [], other_people, model_labels=("hand", "wave"))


def test_variations_contain_the_sample_and_keep_its_shape(rng: np.random.Generator) -> None:
    one = sample(VICTORY, rng)
    copies = variations(one, rng, 8)
    assert copies[0] is one
    assert len(copies) == 8
    distances = [float(np.abs(copy.features() - one.features()).mean()) for copy in copies[1:]]
    assert min(distances) > 0.0
    assert max(distances) < 0.5


def test_negatives_are_read_as_written(rng: np.random.Generator, tmp_path: Path) -> None:
    points = bones(VICTORY, rng)
    write_negatives(Negatives(points[None], np.array([7])), tmp_path / "n.npz")
    read = read_negatives(tmp_path / "n.npz")
    assert read.points[0] == pytest.approx(points, abs=5e-3)
    assert read.groups.tolist() == [7]
    (tmp_path / "n.npz").write_bytes(b"")
    with pytest.raises(ModelError, match=r"n\.npz: expected landmarks"):
        read_negatives(tmp_path / "n.npz")


def test_negatives_run_no_code(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[Any, ...]:
            return (tmp_path / "run").touch, ()

    np.savez(tmp_path / "n.npz", points=np.array([Hostile()], object), groups=np.zeros(1, np.int64))
    with pytest.raises(ModelError, match=r"n\.npz: expected landmarks"):
        read_negatives(tmp_path / "n.npz")
    assert not (tmp_path / "run").exists()


def test_the_negatives_of_the_package_are_many_hands_of_many_people() -> None:
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
        with pytest.raises(GestureError, match=r"victory\.json: expected"):
            read_samples(tmp_path, "victory")


def test_the_largest_hand_of_a_frame_is_captured_or_all(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "in", 255, 3)

    def run(source: Path, limit: int, every_hand: bool = False) -> Capture:
        frames = open_frames_of(str(source), 4.0)[1]
        return capture(BrightnessDetector(), frames, limit=limit, every_hand=every_hand)

    one = run(folder, 10)
    assert (len(one.samples), one.frames) == (3, 3)
    assert one.samples[1].source == "01.png"
    assert one.samples[0].aspect == pytest.approx(ASPECT, abs=0.01)
    assert len(run(folder, 10, every_hand=True).samples) == 6
    assert len(run(folder, 2).samples) == 2
    assert len(run(folder / "00.png", 2).samples) == 1
    for source in (tmp_path / "gone.mp4", tmp_path / "gone.png"):
        with pytest.raises(UnreadableMedia, match="gone"):
            run(source, 1)


def test_commands_capture_train_and_test_a_gesture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other_people: Negatives
) -> None:
    monkeypatch.setattr(
        "gifcue.cli.gesture.detector_for", lambda model_dir, backend, sha256: BrightnessDetector()
    )
    monkeypatch.setattr("gifcue.gestures.negatives.read_negatives", lambda: other_people)
    positives, negatives = pictures(tmp_path / "positives", 255, 20), pictures(tmp_path / "not", 0, 20)
    kept = ["--gestures-dir", str(tmp_path / "gestures")]

    def run(*arguments: str) -> str:
        ran = CliRunner().invoke(app, [*arguments, *kept])
        assert ran.exit_code == 0, ran.output
        return ran.stdout

    assert "20 hands in 20 frames" in run("capture", "victory", str(positives))
    assert "has 40 of victory" in run("capture", "victory", str(positives))
    assert "has 20 of victory" in run("capture", "victory", str(positives), "--fresh")
    assert "has 20 of none" in run("capture", "none", str(negatives))
    output = run("train", "victory")
    assert "of your 20 samples found" in output
    assert "of your 20 other hands taken for it" in output
    classifier = read_classifier(tmp_path / "gestures" / "victory.json")
    assert GestureLibrary(tmp_path / "gestures").labels == ("victory",)
    assert classifier.labels == ("", "victory")
    assert classifier.threshold == SERVED_THRESHOLD
    assert "gestures_dir = " in output
    tested = run("test", "victory", str(positives), "--against", str(negatives))
    assert "of 20 hands found" in tested
    assert "of 40 other hands taken for it" in tested


def test_a_fit_loads_no_training_library() -> None:
    modules = [f"gifcue.gestures.{module.name}" for module in pkgutil.iter_modules(gifcue.gestures.__path__)]
    code = f"""
import sys
import numpy as np
import {", ".join(modules)}
from gifcue.gestures.fit import train_gesture
from gifcue.gestures.negatives import read_negatives
from gifcue.gestures.samples import HandSample
negatives = read_negatives()
rng = np.random.default_rng(0)
samples = [HandSample(negatives.points[0] + rng.normal(0, 0.01, (21, 3)).astype(np.float32), 1.0) for _ in range(10)]
assert train_gesture("victory", samples, [], negatives).positives.right
print(*({{name.partition(".")[0] for name in sys.modules}} & {{
    "tensorflow", "keras", "sklearn", "scipy", "matplotlib", "pandas", "ai_edge_litert", "grpc", "gifcue_lab",
}}))
"""
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout.split() == []
