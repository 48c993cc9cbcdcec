"""`gifcue-lab reproduce`: makes the shipped weights again, from the recipes and the photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gifcue_lab.quiet import import_tensorflow

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command()
def reproduce(
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The directory of the splits, train and dev.")
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Where runs, checkpoints and models go: a directory outside the repository."
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="STAGE", help="The last stage to make; by default all are made.")
    ] = None,
    stages: Annotated[
        Path | None,
        typer.Option(metavar="FILE.toml", help="Other stages than those of the shipped weights."),
    ] = None,
    show: Annotated[
        bool, typer.Option("--list", help="Print the stages with their hours, and make none.")
    ] = False,
) -> None:
    """Make the shipped weights from the recipes. The same command resumes what was interrupted.

    Stages that are done are skipped. The weights come out alike, not identical.
    """
    from gifcue_lab.reproduction.run import is_done, up_to
    from gifcue_lab.reproduction.run import reproduce as run
    from gifcue_lab.reproduction.stages import read_stages

    chain = read_stages(stages)
    if show:
        chosen = up_to(chain, until)
        for stage in chosen:
            mark = "done" if to is not None and is_done(stage, to) else ""
            typer.echo(f"{stage.name:24} {stage.hours:5.2f} h  {mark:4}  {stage.describe()}")
        typer.echo(f"{'in all':24} {sum(stage.hours for stage in chosen):5.2f} h on two cores")
        return
    if data is None or to is None:
        raise typer.BadParameter("expected --data and --to, or --list")
    if not (data / "train").is_dir():
        raise typer.BadParameter(f"--data: expected a directory with the split train, got {data}")
    import_tensorflow()
    run(chain, data, to, until=until, report=typer.echo)
