from __future__ import annotations

from gifcue_lab.datasets.annotation import Annotation, LabelledObject, PixelBox
from gifcue_lab.datasets.regions import LabelledRegion, pair_up, with_own_labels

BOX = PixelBox(10, 10, 50, 60)
OTHER = PixelBox(100, 10, 150, 60)


def regions(*objects: tuple[str, PixelBox, bool]) -> tuple[LabelledRegion, ...]:
    return pair_up(Annotation("a.jpg", 640, 480, tuple(LabelledObject(n, *b, d) for n, b, d in objects)))


def test_a_doubled_box_is_one_region_with_an_attribute() -> None:
    assert regions(("face", BOX, False), ("smile", BOX, False)) == (
        LabelledRegion("face", BOX, "smile", True),
    )


def test_boxes_match_in_any_order_within_a_few_pixels() -> None:
    nearly = PixelBox(11, 10, 51, 61)
    assert regions(("wave", nearly, False), ("hand", BOX, False)) == (
        LabelledRegion("hand", BOX, "wave", True),
    )


def test_without_a_second_box_difficult_decides_whether_none_is_known() -> None:
    assert regions(("hand", BOX, False), ("hand", OTHER, True)) == (
        LabelledRegion("hand", BOX, None, True),
        LabelledRegion("hand", OTHER, None, False),
    )


def test_an_attribute_goes_to_its_own_kind() -> None:
    assert regions(("face", BOX, True), ("hand", BOX, False), ("ok_hand", BOX, False)) == (
        LabelledRegion("face", BOX, None, False),
        LabelledRegion("hand", BOX, "ok_hand", True),
    )


def test_an_attribute_alone_is_a_region() -> None:
    assert regions(("thumbs_up", BOX, False)) == (LabelledRegion("hand", BOX, "thumbs_up", True),)


def test_contradictions_and_doubts_are_unknown() -> None:
    assert regions(("face", BOX, False), ("smile", BOX, False), ("neutral", BOX, False)) == (
        LabelledRegion("face", BOX, None, False),
    )
    assert regions(("face", BOX, False), ("smile", BOX, True)) == (LabelledRegion("face", BOX, None, False),)
    assert regions(("smile", BOX, False), ("neutral", BOX, False)) == (
        LabelledRegion("face", BOX, None, False),
    )


def test_other_labels_are_left_out() -> None:
    assert regions(("cat", BOX, False)) == ()


def test_labels_of_the_data_belong_to_the_kind_whose_boxes_they_duplicate() -> None:
    def annotation(*objects: tuple[str, PixelBox]) -> Annotation:
        return Annotation("a.jpg", 640, 480, tuple(LabelledObject(label, *box) for label, box in objects))

    drinks = annotation(("face", BOX), ("drinking", BOX), ("hand", OTHER), ("fist", OTHER), ("cup", OTHER))
    slip = annotation(("hand", OTHER), ("drinking", OTHER), ("face", BOX), ("drinking", BOX))
    assert with_own_labels([drinks, slip, annotation(("dog", BOX), ("smile", BOX))]) == {
        "face": ("smile", "neutral", "thinking", "drinking"),
        "hand": ("wave", "ok_hand", "thumbs_up", "cup", "fist"),
    }
