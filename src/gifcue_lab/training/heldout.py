"""Which photographs of the train split a recipe keeps out of training.

Calibration and thresholds are fitted to them. A whole group is held out where a group is a person. Where a group is a
collection of many people, a share of its photographs is: the group may hold most of the examples of a label.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from fnmatch import fnmatch

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


def split(recipe: Recipe, photos: Sequence[Photo]) -> tuple[list[Photo], list[Photo]]:
    """The photographs to train on, and those that are held out, in their order."""
    held_out = [is_held_out(recipe, photo) for photo in photos]
    return (
        [photo for photo, out in zip(photos, held_out, strict=True) if not out],
        [photo for photo, out in zip(photos, held_out, strict=True) if out],
    )
