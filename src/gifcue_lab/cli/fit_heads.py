"""`gifcue-lab fit-heads`: fits what a model says of faces to new people, without training a convolution."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gifcue.errors import ConfigError
from gifcue_lab.cli.calibrate import Data
from gifcue_lab.quiet import import_tensorflow

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command()
def fit_heads(
    model_dir: Annotated[
        Path,
        typer.Option(
            "--model",
            metavar="DIR",
            help="The model's directory; its metadata is rewritten, and its face network without --keep-network.",
        ),
    ],
    data: Data,
    group: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help="Groups of the train split, p5* for example, that the face network was not trained on; may be "
            "repeated. It is taken at its word: where a part of a group was trained on, use --recipe. The other groups "
            "count less.",
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            metavar="RECIPE",
            help="The recipe that the face network was trained by, a name or a .toml file: what it holds out takes the "
            "place of --group.",
        ),
    ] = None,
    keep_network: Annotated[
        bool,
        typer.Option(
            "--keep-network",
            help="Leave the face network as it is, and fit only what the hands at a face say. For a network that was "
            "trained on most of the faces.",
        ),
    ] = False,
    scale_of: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The model whose scale of scores is kept, for policies that were made for it: as many faces with a "
            "label reach a score such as 0.85 as with that one. By default the scale of the network itself.",
        ),
    ] = None,
) -> None:
    """Fit the labels of faces to new people: the end of the face network, the hands at a face, the thresholds."""
    from gifcue_lab.training.heldout import held_out_by_all, in_groups
    from gifcue_lab.training.recipe import read_recipe

    if (group is None) == (recipe is None):
        raise ConfigError(f"expected one of --group and --recipe, got {'none' if group is None else 'both'}")
    if recipe is None:
        is_new = in_groups(data, group or [])
    else:
        read = read_recipe(recipe)
        if read.task != "face":
            raise ConfigError(f"--recipe: expected a recipe of the face network, got one of {read.task}")
        is_new = held_out_by_all([read])
    import_tensorflow()
    from gifcue_lab.export.heads.fit import fit_heads as fit

    fit(model_dir, data, is_new, keep_network=keep_network, scale_of=scale_of, report=typer.echo)
