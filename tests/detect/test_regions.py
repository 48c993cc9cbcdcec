from __future__ import annotations

import pytest

from gifcue.detect.regions import Detection, Region, flatten, group
from gifcue.protocol.geometry import Box

LEFT = Box(0.1, 0.1, 0.5, 0.4)
RIGHT = Box(0.2, 0.6, 0.6, 0.9)


def test_a_box_overlaps_itself_fully_and_a_distant_one_not_at_all() -> None:
    assert LEFT.iou(LEFT) == pytest.approx(1.0)
    assert LEFT.iou(RIGHT) == 0.0
    assert Box(0, 0, 0, 0).iou(LEFT) == 0.0


def test_flatten_gives_each_region_and_its_attributes_best_first() -> None:
    regions = [
        Region("hand", LEFT, 0.9, {"wave": 0.55, "ok_hand": 0.7, "thumbs_up": 0.1}),
        Region("face", RIGHT, 0.8, {"smile": 0.6}),
    ]
    found = flatten(regions, {"face": 0.5, "hand": 0.5, "smile": 0.7})
    assert [(item.label, item.score) for item in found] == [
        ("hand", 0.9),
        ("ok_hand", 0.7),
        ("wave", 0.55),
        ("face", 0.8),
    ]


def test_flatten_gives_nothing_of_a_region_below_its_threshold() -> None:
    assert flatten([Region("hand", LEFT, 0.3, {"wave": 0.99})], {"hand": 0.4}) == []


def test_group_gives_each_attribute_to_the_region_that_it_overlaps_most() -> None:
    near = Box(0.12, 0.1, 0.5, 0.4)
    regions = group(
        [
            Detection("wave", 0.7, near),
            Detection("hand", 0.9, LEFT),
            Detection("face", 0.8, RIGHT),
            Detection("smile", 0.6, RIGHT),
            Detection("neutral", 0.6, Box(0.9, 0.9, 1.0, 1.0)),
        ]
    )
    assert [(region.kind, dict(region.attributes)) for region in regions] == [
        ("hand", {"wave": 0.7}),
        ("face", {"smile": 0.6}),
    ]


def test_group_undoes_flatten() -> None:
    regions = [Region("hand", LEFT, 0.9, {"wave": 0.8}), Region("face", RIGHT, 0.8, {"smile": 0.6})]
    again = group(flatten(regions, {}))
    assert [(r.kind, r.box, r.score, dict(r.attributes)) for r in again] == [
        (r.kind, r.box, r.score, dict(r.attributes)) for r in regions
    ]
