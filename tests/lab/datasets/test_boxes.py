from __future__ import annotations

import pytest

from gifcue.protocol.geometry import Box
from gifcue_lab.datasets.boxes import iou_matrix

A, B = (0.0, 0.0, 0.2, 0.2), (0.5, 0.5, 0.9, 0.9)
HALF = (0.0, 0.0, 0.2, 0.1)
POINT = (0.1, 0.1, 0.1, 0.1)


def test_overlap_of_known_boxes() -> None:
    assert iou_matrix([A, HALF], [A, B]).tolist() == [[1.0, 0.0], [0.5, 0.0]]


def test_an_empty_box_overlaps_nothing() -> None:
    assert iou_matrix([POINT], [POINT]).tolist() == [[0.0]]


def test_an_inverted_box_overlaps_nothing() -> None:
    assert iou_matrix([(0.2, 0.2, 0.0, 0.0)], [A]).tolist() == [[0.0]]


@pytest.mark.parametrize(
    ("boxes", "others", "shape"), [([], [A], (0, 1)), ([A], [], (1, 0)), ([], [], (0, 0))]
)
def test_either_set_may_be_empty(
    boxes: list[tuple[float, ...]], others: list[tuple[float, ...]], shape: tuple[int, int]
) -> None:
    assert iou_matrix(boxes, others).shape == shape


def test_one_pair_is_what_the_product_computes() -> None:
    one, other = Box(0.1, 0.2, 0.6, 0.7), Box(0.3, 0.1, 0.8, 0.5)
    ours = iou_matrix(
        [(one.ymin, one.xmin, one.ymax, one.xmax)], [(other.ymin, other.xmin, other.ymax, other.xmax)]
    )
    assert ours.item() == one.iou(other)
