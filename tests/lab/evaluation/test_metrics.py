from __future__ import annotations

from pathlib import Path

import pytest

from gifcue.detect.regions import Detection, Region
from gifcue.protocol.geometry import Box
from gifcue_lab.evaluation.matches import match_picture
from gifcue_lab.evaluation.metrics import evaluate
from gifcue_lab.evaluation.predictions import Prediction, Predictions, flatten_all
from gifcue_lab.evaluation.truth import TruthPicture, TruthRegion

FACE, HAND, AWAY = Box(0.1, 0.1, 0.4, 0.3), Box(0.5, 0.6, 0.8, 0.8), Box(0.6, 0.0, 0.9, 0.2)
THRESHOLDS = {"face": 0.5, "hand": 0.5, "smile": 0.6, "neutral": 0.6, "wave": 0.7}


def picture(name: str, *regions: TruthRegion) -> TruthPicture:
    return TruthPicture(name, name.split("/")[0], Path(name), 640, 360, regions)


def predictions(**regions: list[Region]) -> Predictions:
    return Predictions(
        {"name": "made by hand", "backend": "test"},
        THRESHOLDS,
        {f"p/{n}": Prediction(flatten_all(r, THRESHOLDS), tuple(r), 4.0) for n, r in regions.items()},
    )


def smile(score: float, face: float = 0.9, box: Box = FACE) -> Region:
    return Region("face", box, face, {"smile": score, "neutral": 1 - score})


def wave(score: float, hand: float = 0.9, box: Box = HAND) -> Region:
    return Region("hand", box, hand, {"wave": score})


def test_perfect_predictions_have_perfect_metrics() -> None:
    truth = [
        picture("p/a", TruthRegion("face", FACE, "smile", True), TruthRegion("hand", HAND, "wave", True))
    ]
    report = evaluate(truth, predictions(a=[smile(0.9), wave(0.8)])).report
    for label in ("face", "hand", "smile", "wave"):
        assert report["labels"][label]["ap50"] == report["labels"][label]["f1"] == 1.0
        assert report["by_group"]["p"]["labels"][label]["f1"] == 1.0
    assert report["labels"]["thinking"]["ap50"] is None
    assert report["labels"]["thinking"]["f1"] is None
    assert report["timing"] == {"frames": 1, "mean_ms": 4.0, "median_ms": 4.0, "p95_ms": 4.0}
    assert report["landmarks"] is None


def test_an_unknown_expression_is_ignored() -> None:
    truth = [picture("p/a", TruthRegion("face", FACE, None, False))]
    report = evaluate(truth, predictions(a=[smile(0.9)])).report
    labels = report["labels"]
    assert (labels["smile"]["right"], labels["smile"]["wrong"], labels["smile"]["masked"]) == (0, 0, 1)
    assert labels["neutral"]["masked"] == 0
    assert labels["face"]["f1"] == 1.0
    assert sum(map(sum, report["confusion"]["face"]["counts"])) == 0


def test_a_prediction_for_a_known_absence_is_a_false_positive() -> None:
    truth = [picture("p/a", TruthRegion("hand", HAND, None, True))]
    report = evaluate(truth, predictions(a=[wave(0.8)])).report
    assert report["labels"]["wave"]["wrong"] == 1
    hands = report["false_gestures"]["hands"]
    assert hands == {"hands": 1, "false": 1, "rate": 1.0, "by_label": {"wave": 1}}
    assert report["false_gestures"]["frames"] == {"frames": 1, "false": 1, "rate": 1.0}


def test_a_region_not_found_is_missed_with_its_attribute() -> None:
    truth = [picture("p/a", TruthRegion("hand", HAND, "wave", True))]
    for found in ([], [wave(0.9, hand=0.3)]):
        report = evaluate(truth, predictions(a=found)).report
        assert report["labels"]["hand"]["missed"] == report["labels"]["wave"]["missed"] == 1
        confusion = report["confusion"]["hand"]
        row, column = confusion["truth"].index("wave"), confusion["said"].index("not found")
        assert confusion["counts"][row][column] == 1


def test_an_attribute_of_an_unmatched_region_is_a_false_positive() -> None:
    truth = [picture("p/a", TruthRegion("hand", HAND, "wave", True))]
    report = evaluate(truth, predictions(a=[wave(0.9), wave(0.8, box=AWAY)])).report
    figures = report["labels"]["wave"]
    assert (figures["right"], figures["wrong"], figures["missed"]) == (1, 1, 0)
    confusion = report["confusion"]["hand"]
    assert (
        confusion["counts"][confusion["truth"].index("nothing there")][confusion["said"].index("wave")] == 1
    )


@pytest.mark.parametrize(
    ("regions", "counted"),
    [
        ((TruthRegion("hand", HAND, None, True),), 1),
        ((TruthRegion("hand", HAND, None, False),), 0),
        ((TruthRegion("hand", HAND, "wave", True),), 0),
        ((TruthRegion("hand", HAND, None, True), TruthRegion("hand", AWAY, None, False)), 0),
        ((TruthRegion("face", FACE, None, True),), 0),
    ],
)
def test_which_frames_make_no_gesture(regions: tuple[TruthRegion, ...], counted: int) -> None:
    report = evaluate([picture("p/a", *regions)], predictions(a=[])).report["false_gestures"]
    assert report["frames"]["frames"] == counted
    assert report["frames_without_hands"]["frames"] == int(all(r.kind == "face" for r in regions))


def test_errors_have_the_truth_and_the_prediction() -> None:
    truth = picture(
        "p/a", TruthRegion("face", FACE, "neutral", True), TruthRegion("hand", HAND, "wave", True)
    )
    predicted = predictions(a=[smile(0.8), wave(0.4)]).pictures["p/a"]
    mistakes = {(m.label, m.truth, m.said): m for m in match_picture(truth, predicted, THRESHOLDS).mistakes}
    assert set(mistakes) == {
        ("smile", "neutral", "smile"),
        ("neutral", "neutral", "missed"),
        ("wave", "wave", "missed"),
    }
    assert mistakes["wave", "wave", "missed"].score == 0.4


def test_groups_count_alike_in_the_mean() -> None:
    waving = TruthRegion("hand", HAND, "wave", True)
    truth = [picture("p/a", waving), picture("p/b", waving), picture("p/c", waving), picture("q/d", waving)]
    predicted = predictions(a=[wave(0.9)], b=[wave(0.9)], c=[wave(0.9)]).pictures
    figures = evaluate(truth, Predictions({}, THRESHOLDS, {**predicted, "q/d": Prediction(())})).report[
        "labels"
    ]["wave"]
    assert figures["f1"] == pytest.approx(6 / 7, abs=1e-4)
    assert figures["mean_group_f1"] == 0.5
    assert figures["groups"] == 2


def test_the_labels_are_those_of_the_detector() -> None:
    """It knows `drinking` and no smile; the data knows both, a fist and a dog."""
    truth = [
        picture("p/a", TruthRegion("face", FACE, "drinking", True), TruthRegion("hand", HAND, "fist", True)),
        TruthPicture(
            "p/b", "p", Path("p/b"), 640, 360, (TruthRegion("face", FACE, "smile", True),), ("dog",)
        ),
    ]
    drinks = Region("face", FACE, 0.9, {"drinking": 0.8})
    found = {
        f"p/{name}": Prediction(flatten_all([drinks], THRESHOLDS) + also)
        for name, also in (("a", ()), ("b", (Detection("cat", 0.9, AWAY),)))
    }
    attributes = {"face": ("drinking",), "hand": ()}
    report = evaluate(truth, Predictions({"name": "own"}, THRESHOLDS, found, attributes)).report
    assert list(report["labels"]) == ["face", "hand", "drinking"]
    assert (report["labels"]["drinking"]["right"], report["labels"]["drinking"]["wrong"]) == (1, 1)
    assert report["confusion"]["face"] == {
        "truth": ["drinking", "smile", "none", "nothing there"],
        "said": ["drinking", "none", "not found"],
        "counts": [[1, 0, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0]],
    }
    assert report["other_labels"] == {"fist": 1, "smile": 1}
    assert report["left_out"] == {"boxes": {"dog": 1}, "detections": {"cat": 1}}
