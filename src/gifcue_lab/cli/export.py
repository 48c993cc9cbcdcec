"""`gifcue export`: everything that can be served from a model's weights, and what each step costs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gifcue.errors import ConfigError

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command()
def export(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for litert and savedmodel.")],
    model: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the model.")] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Labelled pictures: int8 takes its ranges from them, accuracy its measure."
        ),
    ] = None,
    int8: Annotated[bool, typer.Option(help="Make int8 files beside the float ones; needs --data.")] = True,
) -> None:
    """Make LiteRT and SavedModel folders of a model's weights, and print sizes and what accuracy is lost."""
    if int8 and data is None:
        raise ConfigError(
            "--data: expected a folder of labelled pictures for int8, got none (or give --no-int8)"
        )
    # Imported once the arguments are right: TensorFlow takes its time.
    from gifcue.detect.settings import default_model_dir
    from gifcue_lab.export.artifacts import export as export_all

    export_all(model or default_model_dir(), out, int8=int8, data_dir=data, report=typer.echo)
