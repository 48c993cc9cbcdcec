"""The shapes of a model's networks, as its metadata describes them. Imports no Keras."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from gifcue.detect.metadata import METADATA
from gifcue.errors import ConfigError
from gifcue_lab.training.recipe import NetworkShape, Recipe, Task

NETWORKS = ("detector", "hand", "face")
WEIGHTS = "weights.npz"
# The keys that define a network beside the size of its input.
SHAPE_KEYS = ("classes", "points", "channels", "blocks")


def read_shapes(model_dir: Path) -> dict[str, NetworkShape]:
    """The networks that the metadata of a model folder describes, by task.

    Raises:
        ConfigError: there is no metadata, or it is damaged.
    """
    path = model_dir / METADATA
    try:
        networks: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["networks"]
        return {
            name: NetworkShape(
                task=cast("Task", name),
                width=shape["width"],
                height=shape["height"],
                own_units=shape.get("own_units", 0),
                **{key: tuple(shape[key]) for key in SHAPE_KEYS},
            )
            for name, shape in networks.items()
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: expected the shapes of the networks, got {error!r}") from error


def known_labels(recipe: Recipe, runs_dir: Path) -> tuple[str, ...]:
    """The labels that a recipe with `new_labels_only` leaves as they are; empty for other recipes.

    Raises:
        ConfigError: `start_from` is no model.
    """
    start = recipe.start(runs_dir) if recipe.new_labels_only else None
    return () if start is None else read_shapes(start)[recipe.task].classes
