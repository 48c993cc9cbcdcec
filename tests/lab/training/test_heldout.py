"""What a recipe keeps out of training."""

from __future__ import annotations

from pathlib import Path

import pytest

from gifcue.errors import ConfigError
from gifcue_lab.training.heldout import is_held_out, split, untrained
from gifcue_lab.training.recipe import Recipe
from gifcue_lab.training.samples import Photo


def recipe(**settings: object) -> Recipe:
    values: dict[str, object] = {
        "task": "face",
        "width": 80,
        "height": 80,
        "epochs": 1,
        "classes": ("smile",),
    }
    return Recipe(**{**values, **settings})  # type: ignore[arg-type]


def photos(group: str, count: int) -> list[Photo]:
    return [Photo(group, f"{group}/{number}", Path(), 1, 1) for number in range(count)]


def test_a_share_of_the_photographs_of_some_groups_is_held_out() -> None:
    one = recipe(heldout_groups=("p001",), heldout_photos={"p5*": 0.2})
    trained, held_out = split(one, [*photos("p001", 5), *photos("p002", 50), *photos("p500", 2000)])
    assert [photo.group for photo in held_out[:5]] == ["p001"] * 5
    assert {photo.group for photo in held_out[5:]} == {"p500"}
    assert 0.17 < len(held_out[5:]) / 2000 < 0.23
    assert len(trained) + len(held_out) == 2055


def test_which_ones_depends_on_their_names_alone() -> None:
    one = recipe(heldout_photos={"*": 0.5})
    everybody = photos("p500", 40)
    assert split(one, everybody)[1] == [each for each in everybody if is_held_out(one, each)]
    assert split(one, everybody[::-1])[1] == split(one, everybody)[1][::-1]
    larger = recipe(heldout_photos={"*": 0.7})
    assert all(is_held_out(larger, each) for each in split(one, everybody)[1])


def test_nothing_is_held_out_unless_a_recipe_says_so() -> None:
    assert split(recipe(), photos("p001", 9)) == (photos("p001", 9), [])


@pytest.mark.parametrize("share", [-0.1, 1.0, 20])
def test_a_wrong_share_is_refused(share: float) -> None:
    with pytest.raises(ConfigError, match=r"heldout_photos: expected shares of 0 or more and less than 1"):
        recipe(heldout_photos={"p5*": share})


def test_a_pattern_of_no_group_is_refused() -> None:
    one = recipe(heldout_photos={"p5*": 0.2, "q5*": 0.2})
    with pytest.raises(
        ConfigError, match=r"heldout_photos: expected patterns of groups .* got q5\*, which match"
    ):
        split(one, photos("p500", 3))


def test_what_is_neither_held_out_nor_of_other_groups_is_trained() -> None:
    one = recipe(trained_groups=("p0*", "p5*"), heldout_groups=("p001",), heldout_photos={"p5*": 0.5})
    other = recipe(trained_groups=("p3*",))
    is_new = untrained([one, other])
    assert not any(map(is_new, photos("p000", 9) + photos("p300", 9)))
    assert all(map(is_new, photos("p001", 9) + photos("p400", 9)))
    assert [each for each in photos("p500", 40) if is_new(each)] == split(one, photos("p500", 40))[1]
