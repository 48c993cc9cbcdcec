"""`gifcue labels`: what the model detects, and which of it are reactions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from gifcue.cli.console import out, print_json

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command()
def labels(
    config: Annotated[
        Path | None, typer.Option("--config", "-c", metavar="FILE", help="The server's settings.")
    ] = None,
    model: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the model.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a label and line.")] = False,
) -> None:
    """List what the model can detect and which of it are reactions."""
    from gifcue.detect.labels import read_label_map
    from gifcue.server.config import load_settings

    settings = load_settings(config, {"detect": {"model_dir": model}} if model is not None else {})
    known = read_label_map(settings.detect.model_dir / "label_map.pbtxt")
    reactions = settings.reactions.labels
    table = Table(box=None, header_style="dim", pad_edge=False)
    for name in ("id", "label", "reaction", "of", "held for", "again after"):
        table.add_column(name)
    for number in sorted(known.by_id):
        label = known.by_id[number]
        policy = reactions.get(label)
        is_reaction = policy is not None and policy.enabled
        if as_json:
            print_json({"id": number, "label": label, "reaction": is_reaction})
        elif policy is None or not is_reaction:
            table.add_row(str(number), escape(label), "[dim]no[/]")
        else:
            table.add_row(
                str(number),
                escape(label),
                "[green]yes[/]",
                policy.kind,
                f"{policy.dwell_s:g} s",
                f"{policy.cooldown_s:g} s",
            )
    if not as_json:
        out.print(table)
