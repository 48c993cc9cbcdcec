"""`gifcue-lab average`: the mean of several runs' weights, as a run of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gifcue_lab.quiet import import_tensorflow

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command()
def average(
    config: Annotated[
        str, typer.Argument(metavar="CONFIG", help="The recipe of the runs: a name, or a TOML file.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The directory of the new run.")],
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Directories of finished runs of that network.")
    ],
) -> None:
    """Average the weights of several runs of one network. The result is a run, which `pack` takes."""
    from gifcue_lab.training.recipe import read_recipe

    recipe = read_recipe(config)
    import_tensorflow()
    from gifcue_lab.training.weights import average_runs

    average_runs(recipe, runs, out)
    typer.echo(f"{out}: the mean of {len(runs)} runs")
