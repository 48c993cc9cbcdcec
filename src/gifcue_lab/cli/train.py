"""`gifcue-lab train`: trains one network, or resumes an interrupted run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gifcue_lab.quiet import import_tensorflow

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command()
def train(
    config: Annotated[
        str, typer.Argument(metavar="CONFIG", help="A recipe of gifcue-lab by its name, or a TOML file.")
    ],
    data: Annotated[Path, typer.Option(metavar="DIR", help="The directory of the splits, train and dev.")],
    runs: Annotated[
        Path, typer.Option(metavar="DIR", help="The directory of runs; this run is a directory in it.")
    ],
    name: Annotated[
        str | None, typer.Option(help="The name of the run; by default that of the recipe.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs; by default those of the recipe.")] = None,
    start_from: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Start from this run's weights; by default as in the recipe."),
    ] = None,
) -> None:
    """Train one network. The same command resumes a run that was interrupted, without the epoch that was not over."""
    from gifcue_lab.training.recipe import read_recipe

    recipe = read_recipe(config, name=name, epochs=epochs, start_from=start_from)
    # TensorFlow takes seconds to import, so a mistake in the recipe is reported first.
    import_tensorflow()
    from gifcue_lab.training.loop import train as run_training
    from gifcue_lab.training.run_state import read_state

    try:
        run_training(recipe, data, runs, report=typer.echo)
    except KeyboardInterrupt:
        # The checkpoint says how far the run is: an epoch whose checkpoint is not complete is trained again.
        state = read_state(runs / recipe.name)
        done = 0 if state is None else int(state["epoch"])
        told = (
            f"after epoch {done}; the same command goes on"
            if done
            else "before the first epoch was over; the same command begins again"
        )
        typer.echo(f"interrupted {told}", err=True)
        raise
