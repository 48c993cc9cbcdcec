"""`gifcue train`: trains one network, or goes on where a run was broken off."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command()
def train(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG", help="A TOML file as in gifcue/training/configs.")
    ],
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The data, in place of the file's data_dir.")
    ] = None,
    run: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where checkpoints go, in place of the file's run_dir.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs, in place of the file's.")] = None,
) -> None:
    """Train one network, or go on where a run was broken off: call it again with the same file."""
    from gifcue_lab.training.loop import train as run_training

    overrides: dict[str, Any] = {"data_dir": data, "run_dir": run, "epochs": epochs}
    run_training(config, report=typer.echo, **overrides)
