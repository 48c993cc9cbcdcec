"""`gifcue-lab hard-negatives`: places in training pictures that a model takes for faces and hands by mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command("hard-negatives")
def hard_negatives(
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT", help="A JSON file for the recipe's hard_negatives; results are added if it exists."
        ),
    ],
    data: Annotated[Path, typer.Option(metavar="DIR", help="The directory of the splits; train is used.")],
    model_dir: Annotated[
        Path | None,
        typer.Option("--model", metavar="DIR", help="The model's directory; by default gifcue's own model."),
    ] = None,
) -> None:
    """Find what a model takes for faces and hands by mistake, to train on it."""
    from gifcue.cli.progress import rich_track
    from gifcue.detect.settings import default_model_dir
    from gifcue_lab.training.hard_negatives import find_hard_negatives

    counts = find_hard_negatives(model_dir or default_model_dir(), data, out, track=rich_track)
    typer.echo(f"{out}: " + ", ".join(f"{count} {kind}s" for kind, count in counts.items()))
