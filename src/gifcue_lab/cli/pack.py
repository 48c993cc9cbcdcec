"""`gifcue-lab pack`: a model directory from finished runs. Another model gives the networks that were not trained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gifcue_lab.cli.calibrate import Also, Data, Group, KeepScores, Recipes, calibrate_model, new_people
from gifcue_lab.quiet import import_tensorflow

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
    base: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="The model that gives the networks without a recipe; shipped is gifcue's own."
        ),
    ] = None,
    replace_shipped: Annotated[
        bool, typer.Option("--replace-shipped", help="Allow --model to be the model that comes with gifcue.")
    ] = False,
    also: Also = None,
    keep_scores: KeepScores = False,
    group: Group = None,
) -> None:
    """Make a model directory from finished runs, and calibrate it."""
    from gifcue.detect.settings import default_model_dir
    from gifcue_lab.training.recipe import SHIPPED, read_recipe

    if model_dir.resolve() == default_model_dir().resolve() and not replace_shipped:
        raise typer.BadParameter(
            "--model: expected a directory of your own, got the model that comes with gifcue; "
            "--replace-shipped allows it"
        )
    read = [read_recipe(each) for each in recipes]
    run_dirs: dict[str, Path] = {recipe.task: runs / recipe.name for recipe in read}
    named = dict(_run(each) for each in run or ())
    if unknown := sorted(set(named) - set(run_dirs)):
        raise typer.BadParameter(
            f"--run: expected a network that a recipe trains, {' or '.join(run_dirs)}, got {', '.join(unknown)}"
        )
    run_dirs |= named
    is_new = new_people(read, data, group)
    import_tensorflow()
    from gifcue_lab.export.calibration import held_out_photos
    from gifcue_lab.export.pack import pack as make_directory

    # Asked for first: without photographs to fit to, nothing is written.
    held_out_photos(data, is_new)
    base_dir = None if base is None else default_model_dir() if base == SHIPPED else Path(base)
    make_directory(read, run_dirs, data, model_dir, base=base_dir, report=typer.echo)
    calibrate_model(read, model_dir, data, also, keep_scores, is_new)


def _run(text: str) -> tuple[str, Path]:
    network, separator, directory = text.partition("=")
    if not (separator and directory):
        raise typer.BadParameter(
            f"--run: expected a network and a directory like face=mean/face, got {text!r}"
        )
    return network, Path(directory)
