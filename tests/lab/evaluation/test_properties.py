from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from gifcue.detect.regions import Region
from gifcue.protocol.geometry import Box
from gifcue_lab.datasets.annotation import DatasetError
from gifcue_lab.evaluation.by_property import add_properties
from gifcue_lab.evaluation.intervals import Bootstrap
from gifcue_lab.evaluation.landmarks import Teacher
from gifcue_lab.evaluation.metrics import Evaluation, evaluate
from gifcue_lab.evaluation.predictions import Prediction, Predictions, flatten_all
from gifcue_lab.evaluation.properties import (
    MEASURED,
    UNKNOWN,
    Scene,
    Tags,
    check_measurable,
    choose,
    read_tags,
    scene_of,
    typology_angle,
)
from gifcue_lab.evaluation.text import markdown
from gifcue_lab.evaluation.truth import TruthPicture, TruthRegion

FACE, HAND, OVER = Box(0.1, 0.2, 0.5, 0.4), Box(0.6, 0.6, 0.9, 0.8), Box(0.4, 0.2, 0.6, 0.4)
# An sRGB colour and its angle, computed with the formulas of CIE 15.
SKIN, SKIN_ANGLE = (198, 150, 125), 38.4
THRESHOLDS = {"face": 0.5, "hand": 0.5, "smile": 0.5}


def picture(tmp_path: Path, name: str = "p1/a.jpg", grey: int = 100, *regions: TruthRegion) -> TruthPicture:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((720, 1280, 3), grey, np.uint8))
    given = regions or (TruthRegion("face", FACE, "smile", True),)
    return TruthPicture(name, name.split("/")[0], path, 1280, 720, given)


def test_light_is_that_of_the_inside_of_the_box(tmp_path: Path) -> None:
    scene = scene_of(picture(tmp_path), None)
    rgb = scene.rgb.copy()
    rgb[:, : int(0.24 * 1280)] = 255  # beside the inner half of the face
    light = MEASURED["light"]
    value = light.measure(Scene(scene.picture, rgb), "face", FACE)
    assert value == pytest.approx(100, abs=1)
    assert [light.band(each) for each in (59.9, 60.0, 200.0, None)] == [
        "below 60",
        "60 to 90",
        "150 or more",
        UNKNOWN,
    ]


def test_distance_is_in_pixels_of_a_frame_as_the_detector_gets_it(tmp_path: Path) -> None:
    scene = scene_of(picture(tmp_path), None)
    assert MEASURED["distance"].measure(scene, "face", FACE) == pytest.approx(0.4 * 360)
    assert MEASURED["distance"].measure(scene, "hand", Box(0.0, 0.0, 0.1, 0.5)) == pytest.approx(0.5 * 640)


def test_a_hand_at_the_face_is_seen_from_both(tmp_path: Path) -> None:
    hands = (TruthRegion("hand", OVER, None, True), TruthRegion("hand", HAND, None, True))
    scene = scene_of(picture(tmp_path, "p1/a.jpg", 90, TruthRegion("face", FACE, None, True), *hands), None)
    at_face = MEASURED["hand_at_face"].measure
    assert at_face(scene, "face", FACE) == at_face(scene, "hand", OVER) == "yes"
    assert at_face(scene, "hand", HAND) == at_face(scene, "face", Box(0.7, 0.0, 0.9, 0.1)) == "no"


def test_the_angle_of_a_known_colour() -> None:
    rgb = np.full((100, 100, 3), SKIN, np.uint8)
    centres = np.array([[30.0, 50.0], [70.0, 50.0]])
    assert typology_angle(rgb, centres, 6.0) == pytest.approx(SKIN_ANGLE, abs=0.5)
    darker = typology_angle(np.full_like(rgb, (96, 60, 44)), centres, 6.0)
    assert darker is not None
    assert darker < -30
    for colour in ((120, 120, 120), (90, 110, 160)):
        assert typology_angle(np.full_like(rgb, colour), centres, 6.0) is None
    assert typology_angle(rgb, centres - 500, 6.0) is None


def test_skin_needs_the_points_of_the_teacher(tmp_path: Path) -> None:
    path = tmp_path / "landmarks.npz"
    points = np.array([[350.0, 200.0], [420.0, 200.0]], np.float16)
    np.savez(
        path,
        hand_file=np.array([], str),
        hand_xyz=np.zeros((0, 21, 3)),
        face_file=np.array(["p1/a"]),
        face_xy=points[None],
        face_points=np.array([50, 280]),
    )
    one = picture(tmp_path)
    cv2.imwrite(str(one.path), np.full((720, 1280, 3), SKIN[::-1], np.uint8))
    skin = MEASURED["skin"].measure
    scene = scene_of(one, Teacher(path))
    assert skin(scene, "face", FACE) == pytest.approx(SKIN_ANGLE, abs=3)  # JPEG changes the colour a little
    assert skin(scene, "hand", HAND) == skin(scene, "face", FACE)
    assert skin(scene, "face", HAND) is None
    assert skin(scene_of(one, None), "face", FACE) is None


def test_tags_of_a_picture_go_before_those_of_its_group(tmp_path: Path) -> None:
    path = tmp_path / "tags.csv"
    path.write_text("name,glasses,beard\np1,yes,no\np1/b.jpg,no,\n\np2,,yes\n")
    glasses, beard = choose(["glasses", "beard"], read_tags(path))
    scenes = [scene_of(picture(tmp_path, name), None) for name in ("p1/a.jpg", "p1/b.jpg", "p2/c.jpg")]
    assert [glasses.measure(scene, "face", FACE) for scene in scenes] == ["yes", "no", None]
    assert [beard.measure(scene, "face", FACE) for scene in scenes] == ["no", "no", "yes"]
    assert glasses.bands == ("no", "yes")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a first line"),
        ("name\np1", "expected a first line"),
        ("picture,glasses\n", "expected a first line"),
        ("name,a,a\n", "expected a first line"),
        ("name,light\n", "light is measured"),
        ("name,glasses\np1\n", r"tags\.csv:2: expected 2 cells, got 1"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "tags.csv"
    path.write_text(text)
    with pytest.raises(DatasetError, match=message):
        read_tags(path)


def test_a_property_that_is_not_known_is_refused() -> None:
    with pytest.raises(DatasetError, match=r"expected properties among light, distance, .*, got 'glasses'"):
        choose(["glasses"], Tags())


def test_what_cannot_be_measured_in_any_picture_is_refused(tmp_path: Path) -> None:
    truth = [picture(tmp_path)]
    with pytest.raises(DatasetError, match=r"skin: expected a landmarks\.npz"):
        check_measurable(choose(["light", "skin"], Tags()), Tags(), truth, None)
    for name, fits in (("p1", True), ("p1/a", True), ("p7", False)):
        tags = Tags({"glasses": {name: "yes"}})
        if fits:
            check_measurable(choose(["glasses", "light"], tags), tags, truth, None)
        else:
            with pytest.raises(DatasetError, match=r"glasses: expected tags of the evaluated .*, got 'p7'"):
                check_measurable(choose(["glasses"], tags), tags, truth, None)


@pytest.fixture
def evaluation(tmp_path: Path) -> Evaluation:
    """A smile in the dark that is missed, one in the light that is found, and a false one in the dark on no face."""
    truth = [picture(tmp_path, "p1/dark.jpg", 20), picture(tmp_path, "p2/light.jpg", 120)]
    found = {
        "p1/dark.jpg": [
            Region("face", FACE, 0.9, {"smile": 0.1}),
            Region("face", HAND, 0.9, {"smile": 0.9}),
        ],
        "p2/light.jpg": [Region("face", FACE, 0.9, {"smile": 0.9})],
    }
    pictures = {name: Prediction(flatten_all(r, THRESHOLDS), tuple(r)) for name, r in found.items()}
    return evaluate(truth, Predictions({"name": "made by hand"}, THRESHOLDS, pictures))


def test_figures_are_those_of_the_band(evaluation: Evaluation) -> None:
    done = add_properties(evaluation, choose(["light"], Tags()), None, Bootstrap(100)).report
    bands = done["by_property"]["light"]["bands"]
    dark, light = bands["below 60"]["labels"], bands["90 to 150"]["labels"]
    assert [dark["smile"][key] for key in ("positives", "right", "wrong", "missed", "f1")] == [
        1,
        0,
        1,
        1,
        0.0,
    ]
    assert [light["smile"][key] for key in ("positives", "right", "wrong", "missed", "f1")] == [
        1,
        1,
        0,
        0,
        1.0,
    ]
    assert [dark["face"][key] for key in ("right", "wrong", "missed")] == [1, 1, 0]
    assert light["smile"]["intervals"]["f1"] is None
    for label in ("face", "hand", "smile", "thinking"):
        for key in ("right", "wrong", "missed"):
            total = sum(band["labels"][label][key] for band in bands.values())
            assert total == evaluation.report["labels"][label][key]


def test_the_spread_says_how_far_one_person_varies_and_whether_it_is_the_light(tmp_path: Path) -> None:
    """Six pictures of each of two people, whose faces are the larger the lighter the picture is."""
    truth, found = [], {}
    for group in ("p1", "p2"):
        for step in range(6):
            name, side = f"{group}/{step}.jpg", 0.1 + 0.05 * step
            region = TruthRegion("face", Box(0.1, 0.1, 0.1 + side, 0.1 + side / 2), None, True)
            truth.append(picture(tmp_path, name, 40 + 30 * step, region))
            found[name] = Prediction(())
    done = add_properties(
        evaluate(truth, Predictions({}, THRESHOLDS, found)), choose(["distance", "light"], Tags()), None, None
    ).report["by_property"]
    spread = done["distance"]["spread"]
    assert spread["all"] == pytest.approx(spread["within_groups"], rel=0.2)
    assert spread["correlation_with_light"] == pytest.approx(1.0)
    assert done["light"]["spread"]["correlation_with_light"] is None


def test_the_table_leaves_out_bands_without_regions(evaluation: Evaluation) -> None:
    done = add_properties(evaluation, choose(["light"], Tags()), None, None).report
    lines = markdown(done).splitlines()
    assert "|  | below 60 | 90 to 150 |" in lines
    assert "| smile | 0.000 (1) | 1.000 (1) |" in lines
    assert add_properties(evaluation, (), None, None).report["by_property"] is None
