"""`gifcue-lab fit-heads`: fits what a model says of faces to new people, without training a convolution."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gifcue_lab.cli.calibrate import Data
from gifcue_lab.quiet import import_tensorflow

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command()
def fit_heads(
    model_dir: Annotated[
        Path,
        typer.Option("--model", metavar="DIR", help="The model's directory; its face network is rewritten."),
    ],
    data: Data,
    group: Annotated[
        list[str],
        typer.Option(
            metavar="PATTERN",
            help="Groups of the train split, p5* for example, that the face network was not trained on; may be "
            "repeated. The other groups count less.",
        ),
    ],
) -> None:
    """Fit the labels of faces to new people: the end of the face network, the hands at a face, the thresholds."""
    from gifcue_lab.export.calibration import matching_groups

    groups = matching_groups(data, group)
    import_tensorflow()
    from gifcue_lab.export.heads.fit import fit_heads as fit

    fit(model_dir, data, groups, report=typer.echo)
