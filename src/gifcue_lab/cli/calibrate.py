"""`gifcue-lab calibrate`: fits the scores and thresholds of a model to people whom no network was trained on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gifcue_lab.training.recipe import Recipe
    from gifcue_lab.training.samples import Photo

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")

# Shared with `pack`.
Recipes = Annotated[
    list[str],
    typer.Argument(
        metavar="RECIPE…", help="The recipes of the networks that were trained: names, or TOML files."
    ),
]
Data = Annotated[Path, typer.Option("--data", metavar="DIR", help="The directory of the splits.")]
Also = Annotated[
    str | None, typer.Option(metavar="SPLIT", help="A split whose people also help to choose thresholds.")
]
KeepScores = Annotated[
    bool, typer.Option("--keep-scores", help="Choose thresholds only, for the calibration that is there.")
]
Group = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PATTERN",
        help="Fit to these groups of the train split, p3* for example; may be repeated. Photographs that one of the "
        "recipes trains on are left out; runs before these, which they started from, are not known here. By default "
        "what all recipes hold out.",
    ),
]


@app.command()
def calibrate(
    recipes: Recipes,
    model_dir: Annotated[
        Path,
        typer.Option("--model", metavar="DIR", help="The model's directory; its metadata is rewritten."),
    ],
    data: Data,
    also: Also = None,
    keep_scores: KeepScores = False,
    group: Group = None,
) -> None:
    """Fit scores and thresholds of the recipes' networks to people that none of them was trained on."""
    from gifcue_lab.training.recipe import read_recipe

    read = [read_recipe(each) for each in recipes]
    calibrate_model(read, model_dir, data, also, keep_scores, new_people(read, data, group))


def new_people(
    recipes: Sequence[Recipe], data: Path, patterns: Sequence[str] | None
) -> Callable[[Photo], bool]:
    """Which photographs to fit to. Raises `ConfigError` if a pattern matches no group."""
    from gifcue_lab.training.heldout import held_out_by_all, in_groups, untrained

    if not patterns:
        return held_out_by_all(recipes)
    chosen, new = in_groups(data, patterns), untrained(recipes)
    return lambda photo: chosen(photo) and new(photo)


def calibrate_model(
    recipes: Sequence[Recipe],
    model_dir: Path,
    data: Path,
    also: str | None,
    keep_scores: bool,
    is_new: Callable[[Photo], bool],
) -> None:
    """Fits to new people, and prints what was fitted and the settings of a server with the new digest."""
    from gifcue_lab.export.calibration import calibrate as fit
    from gifcue_lab.export.serving_settings import serving_settings
    from gifcue_lab.training.shapes import known_labels

    fit(
        model_dir,
        data,
        is_new,
        also=also,
        keep_scores=keep_scores,
        tasks=[recipe.task for recipe in recipes],
        untouched={recipe.task: known_labels(recipe, Path()) for recipe in recipes},
        report=typer.echo,
    )
    typer.echo(f"\nThe settings of a server that serves it:\n\n{serving_settings(model_dir)}")
