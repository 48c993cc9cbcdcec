from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gifcue.detect.regions import Region
from gifcue.protocol.geometry import Box
from gifcue_lab.datasets.annotation import DatasetError
from gifcue_lab.evaluation.detail import Detail, add_detail, thresholds_chosen_on
from gifcue_lab.evaluation.intervals import Bootstrap
from gifcue_lab.evaluation.metrics import Evaluation, evaluate
from gifcue_lab.evaluation.overlap import overlaps_face
from gifcue_lab.evaluation.parts import parse_part
from gifcue_lab.evaluation.predictions import Prediction, Predictions, flatten_all
from gifcue_lab.evaluation.text import markdown
from gifcue_lab.evaluation.truth import TruthPicture, TruthRegion

FACE, AT_FACE, AWAY = Box(0.1, 0.1, 0.4, 0.3), Box(0.3, 0.2, 0.6, 0.4), Box(0.6, 0.6, 0.9, 0.8)
THRESHOLDS = {"face": 0.5, "hand": 0.5, "smile": 0.5, "wave": 0.5}


def evaluation() -> Evaluation:
    """Three groups. A hand lies over the face in each; only that of `a1` is found. `b1` has a false wave."""
    truth = [
        TruthPicture(
            f"{group}/x.jpg",
            group,
            Path(f"{group}/x.jpg"),
            640,
            360,
            (
                TruthRegion("face", FACE, "smile", True),
                TruthRegion("hand", AT_FACE, None, True),
                TruthRegion("hand", AWAY, None, True),
            ),
        )
        for group in ("a1", "a2", "b1")
    ]
    found = {
        "a1/x.jpg": [
            Region("face", FACE, 0.9, {"smile": 0.9}),
            Region("hand", AT_FACE, 0.9, {}),
            Region("hand", AWAY, 0.8, {}),
        ],
        "a2/x.jpg": [Region("face", FACE, 0.9, {"smile": 0.2}), Region("hand", AWAY, 0.7, {})],
        "b1/x.jpg": [Region("hand", AWAY, 0.9, {"wave": 0.8})],
    }
    pictures = {name: Prediction(flatten_all(r, THRESHOLDS), tuple(r)) for name, r in found.items()}
    return evaluate(truth, Predictions({"name": "made by hand"}, THRESHOLDS, pictures))


def report(detail: Detail | None = None, **more: Any) -> dict[str, Any]:
    return add_detail(evaluation(), detail or Detail(Bootstrap(200)), **more).report


def test_existing_figures_stay_as_they_are() -> None:
    before, after = evaluation().report, report()
    for key in before:
        if key not in {"labels", "false_gestures"}:
            assert after[key] == before[key]
    for label, entry in before["labels"].items():
        assert after["labels"][label] | entry == after["labels"][label]
    json.dumps(after)


def test_figures_have_intervals_around_them() -> None:
    found = report()
    smile = found["labels"]["smile"]
    assert smile["recall"] == pytest.approx(1 / 3, abs=1e-4)
    low, high = smile["intervals"]["recall"]
    assert (low, high) == (0.0, 1.0)
    assert smile["intervals"]["precision"] is None
    low, high = found["labels"]["hand"]["intervals"]["ap50"]
    assert low <= found["labels"]["hand"]["ap50"] <= high
    assert found["false_gestures"]["frames"] == {
        "frames": 3,
        "false": 1,
        "rate": 0.3333,
        "interval": [0.0, 1.0],
    }
    assert found["bootstrap"] == {"over": "groups", "resamples": 200, "seed": 1, "level": 0.95}


def test_hands_over_a_face_are_counted_apart() -> None:
    found = report()["overlapping_hands"]
    assert {key: found[key] for key in ("overlap", "hands", "found", "recall", "groups")} == {
        "overlap": 0.1,
        "hands": 3,
        "found": 1,
        "recall": 0.3333,
        "groups": 3,
    }
    assert report(Detail(overlap=0.5))["overlapping_hands"]["recall"] is None


@pytest.mark.parametrize(
    ("hand", "over"),
    [
        (Box(0.1, 0.1, 0.4, 0.3), True),
        (Box(0.2, 0.29, 0.4, 0.39), True),
        (Box(0.2, 0.291, 0.4, 0.391), False),
    ],
)
def test_the_share_is_that_of_the_hand(hand: Box, over: bool) -> None:
    picture = TruthPicture("a/x", "a", Path("x"), 640, 360, (TruthRegion("face", FACE, None, True),))
    assert overlaps_face(picture, hand) is over


def test_parts_are_reported_apart() -> None:
    found = report(Detail(Bootstrap(200), [parse_part("ones=a1,b1"), parse_part("twos=a2")]))
    ones, twos = found["parts"]["ones"], found["parts"]["twos"]
    assert (ones["pictures"], ones["groups"], ones["of"]) == (2, 2, ["a1", "b1"])
    assert (twos["labels"]["face"]["f1"], ones["labels"]["face"]["f1"]) == (1.0, 0.6667)
    assert (ones["overlapping_hands"]["found"], twos["overlapping_hands"]["found"]) == (1, 0)
    assert (ones["false_gestures"]["frames"]["rate"], twos["false_gestures"]["frames"]["rate"]) == (0.5, 0.0)
    assert found["groups_in_no_part"] == []
    assert report(Detail(None, [parse_part("ones=a*")]))["groups_in_no_part"] == ["b1"]
    with pytest.raises(DatasetError, match="part nobody: expected a group"):
        report(Detail(None, [parse_part("nobody=z*")]))


def test_without_resamples_there_are_no_intervals() -> None:
    found = report(Detail(None))
    assert found["bootstrap"] is found["labels"]["face"]["intervals"] is found["parts"] is None
    assert found["overlapping_hands"]["interval"] is None


@pytest.mark.parametrize(
    ("chosen_on", "split", "saw"),
    [
        (["people of train held out", "dev"], "dev", True),
        (["people of train held out"], "dev", False),
        (["devices"], "dev", False),
        (None, "dev", None),
        (["dev"], None, None),
    ],
)
def test_whether_the_thresholds_saw_the_pictures(
    chosen_on: list[str] | None, split: str | None, saw: bool | None
) -> None:
    found = report(chosen_on=chosen_on, split=split)
    assert (found["thresholds_chosen_on"], found["thresholds_saw_these_pictures"]) == (chosen_on, saw)
    assert ("F1 is then optimistic" in markdown(found)) is (saw is True)


def test_the_metadata_says_what_thresholds_were_chosen_on(tmp_path: Path) -> None:
    assert thresholds_chosen_on(tmp_path) is None
    document = {"training": {"thresholds": {"chosen_on": ["some people"]}}}
    (tmp_path / "metadata.json").write_text(json.dumps(document))
    assert thresholds_chosen_on(tmp_path) == ("some people",)


@pytest.mark.parametrize("overlap", [0.0, -1.0, 1.1])
def test_an_overlap_out_of_range_is_refused(overlap: float) -> None:
    with pytest.raises(DatasetError, match="expected an overlap above 0"):
        Detail(overlap=overlap)


def test_markdown_has_a_table_of_labels_and_one_of_parts() -> None:
    lines = markdown(report(Detail(Bootstrap(200), [parse_part("ones=a1,b1")]))).splitlines()
    (smile,) = [line for line in lines if line.startswith("| smile | 3 | 3 |")]
    assert smile.count("|") == 12
    assert any(line.startswith("| smile | 0.500 (3), 0.00–1.00 |") for line in lines)
    assert any("| hands over a face by 10 % or more, found | 1 of 3 | 33.3 % |" in line for line in lines)
