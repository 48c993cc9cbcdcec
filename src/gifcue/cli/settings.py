"""`gifcue settings`: every setting, its value in force, and what it does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from pydantic import BaseModel, SecretStr
from rich.markup import escape
from rich.table import Table

from gifcue.cli.console import out, print_json

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


class Setting(NamedTuple):
    """One setting: its place in the file, as `table.key`, what is in force, and its description."""

    name: str
    value: object
    description: str


@app.command()
def settings(
    only: Annotated[
        str, typer.Argument(metavar="TABLE", help="reactions, media.filter …; all if not given.")
    ] = "",
    config: Annotated[
        Path | None, typer.Option("--config", "-c", metavar="FILE", help="The server's settings.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a setting and line.")] = False,
) -> None:
    """List every setting with its value in force: the file's, the environment's over it, or the default.

    `reactions.labels.smile.start` is `start` in the table `[reactions.labels.smile]` of the file, and
    `GIFCUE_REACTIONS__LABELS__SMILE__START` in the environment. Secrets are not shown.
    """
    from gifcue.server.config import load_settings

    found = [
        each
        for each in settings_of(load_settings(config))
        if not only or f"{each.name}.".startswith(f"{only}.")
    ]
    if not found:
        raise typer.BadParameter(f"expected a table or key of the settings, got {only!r}", param_hint="TABLE")
    if as_json:
        for each in found:
            print_json({"setting": each.name, "value": each.value, "description": each.description})
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold", ratio=1)
    for each in found:
        value = "[dim]unset[/]" if each.value is None else escape(_shown(each.value))
        table.add_row(escape(each.name), value, f"[dim]{escape(each.description)}[/]")
    out.print(table)


def settings_of(model: BaseModel, under: str = "", description: str = "") -> Iterator[Setting]:
    """The settings of a table and of the tables in it, as plain values."""
    for name, field in type(model).model_fields.items():
        yield from _settings(getattr(model, name), f"{under}{name}", field.description or description)


def _settings(value: object, name: str, description: str) -> Iterator[Setting]:
    if isinstance(value, BaseModel):
        yield from settings_of(value, f"{name}.", description)
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _settings(each, f"{name}.{key}", description)
        if not value:
            yield Setting(name, {}, description)
    else:
        yield Setting(name, _plain(value), description)


def _plain(value: object) -> object:
    if isinstance(value, SecretStr):
        return "(secret)"
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return (
        f'"{value}"' if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)
    )
