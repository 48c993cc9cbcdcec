"""`gifcue-lab pack`: a model directory from finished runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gifcue_lab.cli.calibrate import Also, Data, KeepScores, Recipes, calibrate_model

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command()
def pack(
    recipes: Recipes,
    model_dir: Annotated[
        Path, typer.Option("--model", metavar="DIR", help="The model's directory; it is written.")
    ],
    data: Data,
    runs: Annotated[
        Path, typer.Option(metavar="DIR", help="The directory of runs, each named after its recipe.")
    ],
    run: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NETWORK=DIR", help="Another run for a network, for example an average; may be repeated."
        ),
    ] = None,
    also: Also = None,
    keep_scores: KeepScores = False,
) -> None:
    """Make a model directory from three finished runs, and calibrate it."""
    from gifcue_lab.training.recipe import read_recipe

    read = [read_recipe(each) for each in recipes]
    run_dirs = {recipe.task: runs / recipe.name for recipe in read} | dict(_run(each) for each in run or ())
    from gifcue_lab.export.pack import pack as make_directory

    make_directory(read, run_dirs, data, model_dir, report=typer.echo)
    calibrate_model(read, model_dir, data, also, keep_scores)


def _run(text: str) -> tuple[str, Path]:
    network, separator, directory = text.partition("=")
    if not (separator and directory):
        raise typer.BadParameter(
            f"--run: expected a network and a directory like face=mean/face, got {text!r}"
        )
    return network, Path(directory)
