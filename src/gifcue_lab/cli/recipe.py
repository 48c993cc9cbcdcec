"""`gifcue-lab recipe`: the recipe of a network that learns labels of one's own."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


class Trainable(StrEnum):
    """The networks that learn labels."""

    FACE = "face"
    HAND = "hand"


@app.command()
def recipe(
    network: Annotated[
        Trainable, typer.Argument(help="face for labels that a face shows, hand for those of a hand.")
    ],
    out: Annotated[Path, typer.Argument(metavar="FILE.toml", help="The recipe to write.")],
    data: Annotated[Path, typer.Option(metavar="DIR", help="The directory of the splits, train and dev.")],
    whole: Annotated[
        bool,
        typer.Option(
            "--whole",
            help="Train all of the network, for hundreds of pictures or more. By default it learns the new labels, "
            "and the rest of it stays as it is.",
        ),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a recipe that is there.")] = False,
) -> None:
    """Write a recipe that starts from the shipped weights, with the labels that the data holds."""
    from gifcue.detect.settings import default_model_dir
    from gifcue_lab.training.own_recipe import own_recipe
    from gifcue_lab.training.shapes import read_shapes

    if out.suffix != ".toml":
        raise typer.BadParameter(f"expected a name that ends in .toml, got {out}")
    text = own_recipe(network.value, data, read_shapes(default_model_dir())[network.value], whole=whole)
    if not force and out.exists() and out.read_text(encoding="utf-8") != text:
        raise typer.BadParameter(
            f"{out}: expected a new file, got one with other settings, yours perhaps; --force replaces it"
        )
    out.write_text(text, encoding="utf-8")
    for line in text.splitlines():
        if line.startswith("# "):
            typer.echo(line.removeprefix("# "))
    typer.echo(f"{out} written; train it with: gifcue-lab train {out} --data {data} --runs RUNS")
