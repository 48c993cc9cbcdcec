"""Recipes for labels of one's own, and what training says to wrong ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from gifcue.detect.settings import default_model_dir
from gifcue.errors import ConfigError
from gifcue_lab.datasets.annotation import Annotation, LabelledObject
from gifcue_lab.datasets.voc import write_voc
from gifcue_lab.training.own_recipe import own_recipe
from gifcue_lab.training.recipe import Recipe, read_recipe
from gifcue_lab.training.shapes import read_shapes

SHIPPED = read_shapes(default_model_dir())["face"]


def write_group(data: Path, group: str, labels: Sequence[str]) -> None:
    """A face in each picture. "" is none of the labels."""
    folder = data / "train" / group
    folder.mkdir(parents=True)
    for number, label in enumerate(labels):
        face = LabelledObject("face", 10, 10, 50, 60)
        objects = (face, face._replace(label=label)) if label else (face,)
        write_voc(folder / f"{number}.xml", Annotation(f"{number}.jpg", 120, 90, objects))


def recipe_of(data: Path, **options: bool) -> Recipe:
    path = data / "own.toml"
    path.write_text(own_recipe("face", data, SHIPPED, **options))
    return read_recipe(path)


def test_the_recipe_adds_the_labels_of_the_data(tmp_path: Path) -> None:
    for group in ("anna", "ben", "carla", "dora"):
        write_group(tmp_path, group, ["drinking", "drinking", "neutral", "neutral", "", ""])
    write_group(tmp_path, "eve", ["smile", ""])
    recipe = recipe_of(tmp_path)
    # All samples of the data, and how many of them only choose the threshold.
    assert (
        (tmp_path / "own.toml")
        .read_text()
        .startswith(
            "# face: 1 smile (0 held out), 8 neutral (2 held out), 8 drinking (2 held out); 1 of 5 groups held out.\n"
        )
    )
    assert recipe.classes == (*SHIPPED.classes, "drinking")
    assert recipe.new_labels_only
    assert (recipe.points, recipe.channels, recipe.width) == (SHIPPED.points, SHIPPED.channels, SHIPPED.width)
    assert len(recipe.heldout_groups) == 1
    assert recipe.start_from == "shipped"
    # The repeats make an epoch long enough for a few steps.
    shown = recipe.label_repeats["drinking"] * 6
    assert shown >= 100
    # A whole network forgets what hardly a picture shows, such as a smile here.
    whole = recipe_of(tmp_path, whole=True)
    assert whole.classes == ("neutral", "drinking")
    assert not whole.new_labels_only


def test_a_group_of_each_label_stays_in_training(tmp_path: Path) -> None:
    """Two people show both labels, so one of them can be held out, and not both."""
    for group in ("anna", "ben"):
        write_group(tmp_path, group, ["drinking"] * 4 + ["smoking"] * 4)
    recipe = recipe_of(tmp_path)
    assert len(recipe.heldout_groups) == 1
    assert recipe.classes[-2:] == ("drinking", "smoking")


def test_a_whole_network_needs_samples_of_a_label(tmp_path: Path) -> None:
    for group in ("anna", "ben", "carla"):
        write_group(tmp_path, group, ["smile", ""])
    with pytest.raises(ConfigError, match=r"expected 4 or more samples of a label .* got 2 of smile"):
        own_recipe("face", tmp_path, SHIPPED, whole=True)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"anna": ["drinking"] * 9}, "pictures of two groups .* got 1"),
        ({"anna": ["drinking"] * 3, "ben": ["drinking"] * 3, "carla": [""]}, "got 3 of drinking"),
        ({"anna": ["drinking"] * 9, "ben": [""]}, "drinking: expected pictures of two groups .* got one"),
        ({"anna": [""], "ben": [""]}, "expected labels on face boxes, got none"),
        ({"anna": ["smile"], "ben": ["smile"]}, "does not know, got smile; --whole"),
    ],
)
def test_too_little_data_is_told(tmp_path: Path, groups: dict[str, list[str]], message: str) -> None:
    for group, labels in groups.items():
        write_group(tmp_path, group, labels)
    with pytest.raises(ConfigError, match=message):
        own_recipe("face", tmp_path, SHIPPED)


@pytest.mark.parametrize("face_shows", ["", "smile"])
def test_labels_of_the_other_kind_are_told(tmp_path: Path, face_shows: str) -> None:
    write_group(tmp_path, "anna", [face_shows])
    hand = LabelledObject("hand", 70, 10, 110, 60)
    objects = (hand, hand._replace(label="i_love_you"))
    write_voc(tmp_path / "train" / "anna" / "9.xml", Annotation("9.jpg", 120, 90, objects))
    with pytest.raises(ConfigError, match="i_love_you is on hand boxes: write `gifcue-lab recipe hand`"):
        own_recipe("face", tmp_path, SHIPPED)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"drinking"', '"drinkin"', "classes: .* got drinkin; their 6 faces show 4 drinking, 2 neutral"),
        ('"drinking" =', '"drinkin" =', "label_repeats: .* got drinkin"),
        ('heldout_groups = ["', 'heldout_groups = ["p0', "heldout_groups: expected folders of .* got p0"),
    ],
)
def test_a_recipe_that_does_not_fit_the_data_is_refused(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    pytest.importorskip("tensorflow")
    from gifcue_lab.training.tasks import prepare

    for group in ("anna", "ben", "carla"):
        write_group(tmp_path, group, ["drinking", "drinking", "neutral"])
    path = tmp_path / "own.toml"
    text = own_recipe("face", tmp_path, SHIPPED)
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(ConfigError, match=message):
        prepare(read_recipe(path), tmp_path, tmp_path)
