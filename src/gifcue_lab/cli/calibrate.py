"""`gifcue-lab calibrate`: fits the scores and thresholds of a model to people whom no network was trained on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gifcue_lab.training.recipe import Recipe

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
        help="Fit to these groups of the train split, p3* for example, that no network was trained on; may be "
        "repeated. By default what all recipes hold out.",
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

    calibrate_model([read_recipe(each) for each in recipes], model_dir, data, also, keep_scores, group)


def calibrate_model(
    recipes: Sequence[Recipe],
    model_dir: Path,
    data: Path,
    also: str | None,
    keep_scores: bool,
    patterns: Sequence[str] | None,
) -> None:
    """Fits and prints. Raises `ConfigError` if no group matches, or without patterns the recipes hold out none."""
    from gifcue_lab.export.calibration import calibrate as fit
    from gifcue_lab.training.heldout import held_out_by_all, in_groups
    from gifcue_lab.training.shapes import known_labels

    fit(
        model_dir,
        data,
        in_groups(data, patterns) if patterns else held_out_by_all(recipes),
        also=also,
        keep_scores=keep_scores,
        tasks=[recipe.task for recipe in recipes],
        untouched={recipe.task: known_labels(recipe, Path()) for recipe in recipes},
        report=typer.echo,
    )
