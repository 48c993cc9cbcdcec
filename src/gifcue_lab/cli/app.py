"""The top of the `gifcue-lab` command line."""

from __future__ import annotations

from typing import Annotated

import typer

from gifcue import __version__
from gifcue.cli.app import Entry, LazyGroup

COMMANDS: dict[str, Entry] = {
    "dataset": Entry("gifcue_lab.cli.dataset", "Build, check, split and convert labelled pictures."),
    "train": Entry("gifcue_lab.cli.train", "Train one of the detector's networks, or resume a run."),
    "evaluate": Entry(
        "gifcue_lab.cli.evaluate",
        "Measure a detector on pictures, and reactions on clips, of people it never saw.",
    ),
    "export": Entry("gifcue_lab.cli.export", "Make what is served of a model's weights."),
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


def main() -> None:
    """The entry point of the `gifcue-lab` command."""
    app()
