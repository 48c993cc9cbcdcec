"""The commands of `gifcue-lab`. Errors and exit codes are those of `gifcue`: see `gifcue.cli.app`."""

from __future__ import annotations

from typing import Annotated

import typer

from gifcue import __version__
from gifcue.cli.app import Entry, LazyGroup

COMMANDS: dict[str, Entry] = {
    "dataset": Entry("gifcue_lab.cli.dataset", "Build, check, split, convert and compose datasets."),
    "train": Entry("gifcue_lab.cli.train", "Train one network of the detector, or resume its run."),
    "average": Entry("gifcue_lab.cli.average", "Average the weights of several runs of one network."),
    "hard-negatives": Entry(
        "gifcue_lab.cli.hard_negatives", "Find what a model takes for faces and hands by mistake."
    ),
    "pack": Entry("gifcue_lab.cli.pack", "Make a model directory from finished runs, and calibrate it."),
    "calibrate": Entry("gifcue_lab.cli.calibrate", "Fit the scores and thresholds of a model."),
    "export": Entry("gifcue_lab.cli.export", "Convert a model's weights to the formats that are served."),
    "evaluate": Entry("gifcue_lab.cli.evaluate", "Measure a detector on pictures, or reactions on clips."),
}


class _Commands(LazyGroup):
    commands_table = COMMANDS


app = typer.Typer(
    cls=_Commands,
    name="gifcue-lab",
    help="Datasets, training, evaluation and export of gifcue's detector.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


@app.callback(invoke_without_command=True)
def _top(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        typer.echo(f"gifcue-lab {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), nl=False)
