from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gifcue_lab.datasets.annotation import Annotation, DatasetError, LabelledObject
from gifcue_lab.datasets.pictures import LabelledPicture
from gifcue_lab.datasets.split import (
    copy_sides,
    groups_by_csv,
    groups_by_regex,
    split_by_group,
)

SHARES = {"train": 0.8, "dev": 0.2}


def picture(group: str, name: str, *labels: str, content: bytes | None = None) -> LabelledPicture:
    objects = tuple(LabelledObject(label, 1, 1, 9, 9) for label in labels)
    encoded = content if content is not None else f"{group}/{name}".encode()
    return LabelledPicture(Annotation(name, 64, 64, objects), group, encoded)


def people(count: int, each: int = 4) -> list[LabelledPicture]:
    return [
        picture(f"p{p}", f"{i}.jpg", "hand", *(["ok_hand"] if p % 5 == 0 else []))
        for p in range(count)
        for i in range(each)
    ]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=2, max_size=12), st.integers(0, 5))
def test_every_group_is_in_exactly_one_split(sizes: list[int], seed: int) -> None:
    pictures = [picture(f"p{p}", f"{i}.jpg", "face") for p, size in enumerate(sizes) for i in range(size)]
    split = split_by_group(pictures, SHARES, seed=seed)
    groups = {side: {p.group for p in members} for side, members in split.sides.items()}
    assert all(groups.values())
    assert not groups["train"] & groups["dev"]
    assert sorted(p.name for members in split.sides.values() for p in members) == sorted(
        p.name for p in pictures
    )


def test_each_split_gets_its_share_of_a_rare_label() -> None:
    split = split_by_group(people(50), SHARES, seed=1)
    assert len(split.sides["dev"]) == 40
    rare = [p for p in split.sides["dev"] if any(o.label == "ok_hand" for o in p.annotation.objects)]
    assert len(rare) == 8


def test_the_same_seed_gives_the_same_split_in_any_order() -> None:
    pictures = people(20)
    shuffled = random.Random(3).sample(pictures, len(pictures))
    one, other = (split_by_group(p, SHARES, seed=7) for p in (pictures, shuffled))
    assert one.to_json() == other.to_json()
    assert split_by_group(pictures, SHARES, seed=8).groups != one.groups


def test_groups_that_share_a_picture_stay_together() -> None:
    pictures = [picture(f"p{p}", "x.jpg", content=b"same" if p in (3, 7, 11) else None) for p in range(12)]
    for seed in range(5):
        groups = split_by_group(pictures, SHARES, seed=seed).groups
        assert groups["p3"] == groups["p7"] == groups["p11"]


def test_groups_by_expression_and_by_table(tmp_path: Path) -> None:
    one = picture("day1", "anna_01.jpg")
    assert groups_by_regex(r"([a-z]+)_\d+")(one) == "anna"
    table = tmp_path / "people.csv"
    table.write_text("day1/anna_01.jpg, anna\n")
    assert groups_by_csv(table)(one) == "anna"
    with pytest.raises(DatasetError, match="found none"):
        groups_by_regex(r"(bob)")(one)
    with pytest.raises(DatasetError, match="expected a line in"):
        groups_by_csv(table)(picture("day2", "b.jpg"))
    with pytest.raises(DatasetError, match="capture"):
        groups_by_regex("anna")
    table.write_text("a,b,c\n")
    with pytest.raises(DatasetError, match="two columns"):
        groups_by_csv(table)


@pytest.mark.parametrize("shares", [{"train": 1.0}, {"train": 1.0, "dev": 0.0}])
def test_invalid_shares_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(DatasetError, match="two or more sides"):
        split_by_group(people(4), shares, seed=1)


def test_fewer_groups_than_splits_are_refused() -> None:
    with pytest.raises(DatasetError, match="at least 2 groups"):
        split_by_group(people(1), SHARES, seed=1)


def test_copies_are_written_to_their_splits_and_overwrite_nothing(tmp_path: Path) -> None:
    split = split_by_group(people(5, 1), SHARES, seed=1)
    copy_sides(split, tmp_path)
    assert len(list(tmp_path.glob("train/*/*.xml"))) == len(split.sides["train"])
    assert {p.name for p in tmp_path.iterdir()} == {"train", "dev"}
    (tmp_path / "dev").rename(tmp_path / "elsewhere")
    for path in (tmp_path / "train").rglob("*.xml"):
        path.unlink()
    with pytest.raises(DatasetError, match="train: expected a new or empty folder, got one with files"):
        copy_sides(split, tmp_path)
    assert not (tmp_path / "dev").exists()


def test_pictures_that_share_an_xml_file_are_refused(tmp_path: Path) -> None:
    pictures = [picture("p1", "a.jpg"), picture("p1", "a.png"), picture("p2", "a.jpg")]
    with pytest.raises(DatasetError, match=r"got two for .*/p1/a\.xml"):
        copy_sides(split_by_group(pictures, SHARES, seed=1), tmp_path)
    assert not list(tmp_path.iterdir())
