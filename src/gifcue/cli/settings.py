"""`gifcue settings`: the settings, their values in force, and what they mean."""

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
    """A setting: its place in the file as `table.key`, its value in force, and its description."""

    name: str
    value: object
    description: str


@app.command()
def settings(
    only: Annotated[
        str, typer.Argument(metavar="TABLE", help="A table or key, such as reactions or media.filter.")
    ] = "",
    config: Annotated[
        Path | None, typer.Option("--config", "-c", metavar="FILE", help="The server's settings.")
    ] = None,
    expert: Annotated[
        bool, typer.Option("--expert", help="List the expert settings instead of the operator's.")
    ] = False,
    count: Annotated[bool, typer.Option("--count", help="Print how many settings there are.")] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print defaults and meanings as a Markdown table.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a setting and line.")] = False,
) -> None:
    """List the settings with their values in force: the environment's, the file's, or the default.

    `reactions.labels.smile.start` is `start` in the table `[reactions.labels.smile]` of the file, and
    `GIFCUE_REACTIONS__LABELS__SMILE__START` in the environment. Expert settings are in the table `[expert]`.
    Secrets are not shown.
    """
    from gifcue.server.config import Settings, load_settings
    from gifcue.server.setting_names import declared

    if count:
        number = sum(not each.is_expert for each in declared(Settings))
        typer.echo(f"{number} settings, {sum(each.is_expert for each in declared(Settings))} expert settings")
        return
    if markdown:
        typer.echo(markdown_table(expert=expert))
        return
    is_expert = expert or only.partition(".")[0] == "expert"
    if only and expert:
        only = f"expert.{only.removeprefix('expert.')}"
    found = [
        each
        for each in settings_in_force(load_settings(config), expert=is_expert)
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


def settings_in_force(model: BaseModel, *, expert: bool) -> list[Setting]:
    """The expert settings, or the operator's, with their values as plain values.

    A table that is not given, such as a sink's, is one setting without a value.
    """
    from gifcue.server.setting_names import setting_name

    found = []
    for keys, value, description in _values(model, ()):
        name = setting_name(type(model), keys)
        if (name[0] == "expert") is expert:
            found.append(Setting(".".join(name), _plain(value), description))
    return found


def markdown_table(*, expert: bool) -> str:
    """The settings as a Markdown table: name, default, meaning."""
    from gifcue.server.config import Settings
    from gifcue.server.setting_names import declared

    rows = ["| setting | default | meaning |", "|---|---|---|"]
    for each in declared(Settings):
        if each.is_expert is expert:
            field = each.field
            if field.is_required():
                default = "required"
            elif field.default_factory is not None or field.default is None:
                default = "unset"
            else:
                default = f"`{_shown(_plain(field.default))}`"
            name = each.name.replace("*", "NAME")
            rows.append(f"| `{name}` | {default} | {field.description} |")
    return "\n".join(rows)


def _values(
    value: object, keys: tuple[str, ...], description: str = ""
) -> Iterator[tuple[tuple[str, ...], object, str]]:
    if isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            yield from _values(getattr(value, name), (*keys, name), field.description or description)
    elif isinstance(value, Mapping) and value:
        for key, each in value.items():
            yield from _values(each, (*keys, key), description)
    else:
        yield keys, value, description


def _plain(value: object) -> object:
    if isinstance(value, SecretStr):
        return "(secret)"
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return (
        f'"{value}"' if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)
    )
