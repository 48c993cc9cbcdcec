"""Labels of one's own on faces and hands."""

from __future__ import annotations

import pytest

from gifcue.errors import GifcueError
from gifcue_lab.datasets.annotation import LabelledObject
from gifcue_lab.datasets.placing import OwnLabel, own_labels, place

FACE = LabelledObject("face", 100, 100, 200, 220)
HAND = LabelledObject("hand", 300, 100, 360, 180)
SCENE = (60, 80, 260, 300)
OWN = {"drinking": OwnLabel("drinking", "face"), "Smoke": OwnLabel("smoking", "face")}


def test_a_label_moves_to_the_face_that_its_box_covers_most() -> None:
    other = LabelledObject("face", 400, 100, 480, 200)
    placed = place([LabelledObject("drinking", *SCENE)], [[other], [FACE], [HAND]], OWN)
    assert placed.objects == [other, FACE, FACE._replace(label="drinking"), HAND]
    assert not placed.unplaced
    assert not placed.doubled


def test_a_person_goes_before_the_detector() -> None:
    drawn = [FACE, LabelledObject("drinking", *FACE.box)]
    found = [LabelledObject("face", 105, 104, 204, 222), LabelledObject("smile", 105, 104, 204, 222)]
    assert place(drawn, [found], OWN).objects == [FACE, FACE._replace(label="drinking")]
    assert place([FACE], [found], OWN).objects == [FACE, FACE._replace(label="smile")]


def test_what_lies_on_nothing_is_told() -> None:
    placed = place([LabelledObject("drinking", *HAND.box)], [[FACE], [HAND]], OWN)
    assert placed.unplaced == ["drinking"]
    assert placed.objects == [FACE, HAND]


def test_two_labels_on_one_face_make_it_unknown() -> None:
    both = [LabelledObject("drinking", *SCENE), LabelledObject("Smoke", *FACE.box)]
    placed = place(both, [[FACE, FACE._replace(label="smile")]], OWN)
    assert placed.objects == [FACE._replace(difficult=True)]
    assert placed.doubled == [("drinking", "smoking")]
    assert place([both[0], both[0]], [[FACE]], OWN).doubled == []


def test_a_difficult_label_makes_it_unknown() -> None:
    placed = place([LabelledObject("drinking", *SCENE, difficult=True)], [[FACE]], OWN)
    assert placed.objects == [FACE._replace(difficult=True)]


def test_labels_are_named_with_their_kind() -> None:
    assert own_labels(["drinking", "smoking = Smoke"], ["fist"]) == {
        **OWN,
        "fist": OwnLabel("fist", "hand"),
    }
    for face, hand, message in (
        (["face"], [], "which names one itself"),
        (["drinking"], ["drinking"], "got one that a face shows"),
        ([], ["smile"], "got one that a face shows"),
        (["Drinking coffee"], [], "at most 32 of a-z, 0-9 and _"),
    ):
        with pytest.raises(GifcueError, match=message):
            own_labels(face, hand)
