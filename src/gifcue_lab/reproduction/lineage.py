"""Which photographs are new to the networks of a stage: to its own trainings, and to all that these started from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from gifcue_lab.reproduction.stages import Stage
from gifcue_lab.training.heldout import held_out_by_all, in_groups, untrained
from gifcue_lab.training.recipe import Recipe
from gifcue_lab.training.samples import Photo

IsNew = Callable[[Photo], bool]


def trainings(name: str, stages: Mapping[str, Stage]) -> list[Recipe]:
    """The recipes of all trainings whose weights are in the result of a stage.

    Args:
        name: a training, a mean or a model.
        stages: the chain by name. What a training starts from outside of it, such as the shipped model, is unknown.
    """
    left, seen = [name], set[str]()
    found: list[Recipe] = []
    while left:
        if (each := left.pop()) in seen or each not in stages:
            continue
        seen.add(each)
        stage = stages[each]
        left += [*stage.average, *stage.pack.values(), stage.base]
        # The recipe of a mean is that of one of its parts.
        if stage.trains and stage.recipe is not None:
            found.append(stage.recipe)
            left += [stage.recipe.start_from] if stage.recipe.start_from else []
    return found


def calibrated_on(model: Stage, stages: Mapping[str, Stage], data_dir: Path) -> IsNew:
    """The photographs that a model is calibrated on: of its `groups`, or held out by all its recipes; no trained ones.

    Raises:
        ConfigError: a pattern matches no group.
    """
    recipes = [recipe for name in model.pack.values() if (recipe := stages[name].recipe) is not None]
    among = in_groups(data_dir, model.groups) if model.groups else held_out_by_all(recipes)
    return _both(among, untrained(trainings(model.name, stages)))


def heads_fitted_to(model: Stage, stages: Mapping[str, Stage], data_dir: Path) -> IsNew:
    """The photographs of `heads` that the face network of a model was not trained on.

    Raises:
        ConfigError: a pattern matches no group.
    """
    return _both(in_groups(data_dir, model.heads), untrained(trainings(model.pack["face"], stages)))


def _both(one: IsNew, other: IsNew) -> IsNew:
    return lambda photo: one(photo) and other(photo)
