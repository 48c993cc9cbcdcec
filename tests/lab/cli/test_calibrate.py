"""What `pack` and `calibrate` fit to."""

from __future__ import annotations

from pathlib import Path

from gifcue_lab.cli.calibrate import new_people
from gifcue_lab.training.heldout import split
from gifcue_lab.training.recipe import Recipe
from gifcue_lab.training.samples import Photo

SHARED = Recipe(task="face", width=80, height=80, epochs=1, heldout_photos={"p5*": 0.2})
OTHERS = Recipe(task="hand", width=80, height=80, epochs=1, trained_groups=("p0*",), heldout_groups=("p001",))


def test_a_group_does_not_bring_back_what_a_recipe_trains_on(tmp_path: Path) -> None:
    (tmp_path / "train" / "p500").mkdir(parents=True)
    photos = [Photo("p500", f"p500/{number}", Path(), 1, 1) for number in range(200)]
    is_new = new_people([SHARED, OTHERS], tmp_path, ["p5*"])
    assert [photo for photo in photos if is_new(photo)] == split(SHARED, photos)[1]
    # Without a group, what all hold out: the hand network holds out another group.
    is_new = new_people([SHARED, OTHERS], tmp_path, None)
    assert not any(map(is_new, photos))
