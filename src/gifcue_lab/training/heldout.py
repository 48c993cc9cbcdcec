"""Which photographs of the train split a recipe keeps out of training.

Calibration and thresholds are fitted to them. A whole group is held out where a group is a person. Where a group is a
collection of many people, a share of its photographs is: the group may hold most of the examples of a label.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from fnmatch import filter as matching
from fnmatch import fnmatch
from pathlib import Path

from gifcue.errors import ConfigError
from gifcue_lab.training.recipe import Recipe
from gifcue_lab.training.samples import Photo

_BUCKETS = 1000


def is_held_out(recipe: Recipe, photo: Photo) -> bool:
    """Whether a recipe keeps a photograph out of training. It depends on the photograph's name alone."""
    if photo.group in recipe.heldout_groups:
        return True
    share = max(
        (share for pattern, share in recipe.heldout_photos.items() if fnmatch(photo.group, pattern)),
        default=0.0,
    )
    return zlib.crc32(photo.name.encode()) % _BUCKETS < share * _BUCKETS


def in_trained_groups(recipe: Recipe, photo: Photo) -> bool:
    """Whether a photograph is of a group that a recipe names to be trained on; without `trained_groups` all are."""
    return not recipe.trained_groups or any(fnmatch(photo.group, each) for each in recipe.trained_groups)


def split(recipe: Recipe, photos: Sequence[Photo]) -> tuple[list[Photo], list[Photo]]:
    """The photographs that are not held out, and those that are, in their order.

    Raises:
        ConfigError: a pattern of `heldout_photos` matches no group of the photographs.
    """
    groups = {photo.group for photo in photos}
    if missing := [pattern for pattern in recipe.heldout_photos if not matching(groups, pattern)]:
        raise ConfigError(
            f"heldout_photos: expected patterns of groups with photographs, got {', '.join(missing)}, which match none"
        )
    held_out = [is_held_out(recipe, photo) for photo in photos]
    return (
        [photo for photo, out in zip(photos, held_out, strict=True) if not out],
        [photo for photo, out in zip(photos, held_out, strict=True) if out],
    )


def held_out_by_all(recipes: Sequence[Recipe]) -> Callable[[Photo], bool]:
    """Whether all of the recipes hold a photograph out."""

    def is_new(photo: Photo) -> bool:
        return bool(recipes) and all(is_held_out(recipe, photo) for recipe in recipes)

    return is_new


def untrained(recipes: Sequence[Recipe]) -> Callable[[Photo], bool]:
    """Whether none of the recipes trains on a photograph: each holds it out, or trains on other groups.

    More photographs are untrained than are held out: a recipe holds out what calibration is meant for.
    """

    def is_new(photo: Photo) -> bool:
        return all(is_held_out(recipe, photo) or not in_trained_groups(recipe, photo) for recipe in recipes)

    return is_new


def in_groups(data_dir: Path, patterns: Sequence[str]) -> Callable[[Photo], bool]:
    """Whether a photograph is of a group of the train split whose name matches one of the patterns, `p3*` for example.

    Raises:
        ConfigError: a pattern matches none.
    """
    groups = sorted(path.name for path in (data_dir / "train").glob("*") if path.is_dir())
    matched = {pattern: matching(groups, pattern) for pattern in patterns}
    if missing := [pattern for pattern, found in matched.items() if not found]:
        raise ConfigError(
            f"expected groups of {data_dir / 'train'} for each pattern, got none for {', '.join(missing)}"
        )
    chosen = {group for found in matched.values() for group in found}
    return lambda photo: photo.group in chosen
