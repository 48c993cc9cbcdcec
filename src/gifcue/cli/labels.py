"""`gifcue labels`: the labels of the model, the extra gestures that are enabled, and which of them start reactions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from gifcue.cli.console import out, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gifcue.reactions.settings import ReactionSettings

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command()
def labels(
    config: Annotated[
        Path | None, typer.Option("--config", "-c", metavar="FILE", help="The server's settings.")
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of the model. Default: the model of the settings."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object for each label.")] = False,
) -> None:
    """List the labels that are detected, with the extra gestures enabled, and which of them start reactions."""
    from gifcue.detect.labels import read_label_map
    from gifcue.detect.metadata import LABEL_MAP
    from gifcue.server.config import load_settings

    settings = load_settings(config, {"detect": {"model_dir": model}} if model is not None else {})
    known = read_label_map(settings.detect.model_dir / LABEL_MAP)
    extra = settings.detect.extra_gestures
    reactions = settings.reactions.with_extra_gestures(extra)
    rows = [*sorted(known.by_id.items()), *((None, label) for label in extra if label not in known)]
    if as_json:
        for number, label in rows:
            policy = reactions.labels.get(label)
            print_json({"id": number, "label": label, "reaction": policy is not None and policy.enabled})
    else:
        out.print(_table(rows, reactions))


def _table(rows: Sequence[tuple[int | None, str]], reactions: ReactionSettings) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    for name in ("id", "label", "reaction", "of", "held for", "again after"):
        table.add_column(name)
    for number, label in rows:
        shown = "" if number is None else str(number)
        policy = reactions.labels.get(label)
        if policy is None or not policy.enabled:
            table.add_row(shown, escape(label), "[dim]no[/]")
        else:
            table.add_row(
                shown,
                escape(label),
                "[green]yes[/]",
                policy.kind,
                f"{policy.dwell_s:g} s",
                f"{policy.cooldown_s:g} s",
            )
    return table
