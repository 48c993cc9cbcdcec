"""`gifcue-lab export`: converts a model's weights to all formats that can be served, and measures each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gifcue.errors import ConfigError
from gifcue_lab.quiet import import_tensorflow

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command()
def export(
    out: Annotated[
        Path | None,
        typer.Argument(metavar="[OUT]", help="The directory for the directories litert and savedmodel."),
    ] = None,
    model_dir: Annotated[
        Path | None,
        typer.Option(
            "--model", metavar="DIR", help="The model's directory, with its weights; by default gifcue's own."
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The directory of the splits: train gives the ranges for int8, dev measures the accuracy.",
        ),
    ] = None,
    int8: Annotated[bool, typer.Option(help="Also make int8 files for LiteRT; they need --data.")] = True,
    triton: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The directory for Triton's model repositories python and tensorflow. They are made of the files that "
            "the model has.",
        ),
    ] = None,
    tensorflow: Annotated[
        bool, typer.Option(help="With --triton: also make the repository for the TensorFlow backend.")
    ] = True,
) -> None:
    """Make LiteRT and SavedModel directories of a model, and print their sizes, digests and accuracy.

    With `--triton`, make model repositories for Triton Inference Server.
    """
    if out is None and triton is None:
        raise ConfigError("expected OUT or --triton DIR, got neither")
    if out is not None and int8 and data is None:
        raise ConfigError(
            "--data: expected a directory of labelled pictures for int8, got none (or give --no-int8)"
        )
    if out is not None or tensorflow:
        # TensorFlow takes seconds to import, so a mistake in the options is reported first.
        import_tensorflow()
    from gifcue.detect.settings import default_model_dir

    model = model_dir or default_model_dir()
    if out is not None:
        from gifcue_lab.export.formats import export as export_all

        export_all(model, out, int8=int8, data_dir=data, report=typer.echo)
    if triton is not None:
        from gifcue_lab.export.triton import export_triton

        export_triton(model, triton, tensorflow=tensorflow, report=typer.echo)
