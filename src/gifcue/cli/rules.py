"""`gifcue rules`: checks a rule book and explains its choices."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from gifcue.cli.console import err, out, print_json

app = typer.Typer(
    help="Check a rule book, or explain what it would choose.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

Config = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help="The server's configuration file.")
]


@app.command()
def explain(
    label: Annotated[str, typer.Option(help="The reaction.")],
    score: Annotated[float, typer.Option(min=0.0, max=1.0, help="Its score, 0..1.")] = 1.0,
    room: Annotated[str, typer.Option(help="The room, whose differences from the book apply.")] = "",
    participant: Annotated[str, typer.Option(help="The participant, for cooldowns.")] = "participant",
    times: Annotated[
        int, typer.Option(min=1, max=1000, help="How many such reactions to try, one after the other.")
    ] = 1,
    every: Annotated[float, typer.Option(min=0.0, help="Seconds between two reactions.")] = 60.0,
    book: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The rule book. Default: that of the configuration.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the choice. Default: that of the configuration.")
    ] = None,
    config: Config = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per reaction, one per line.")
    ] = False,
) -> None:
    """Print which GIF a reaction would get, and why."""
    from gifcue.gestures.extra import extra_gifs
    from gifcue.rules import Chooser, load_book
    from gifcue.server.config import load_settings

    settings = load_settings(config)
    chooser = Chooser(
        load_book(book or settings.rules.book), seed=settings.rules.seed if seed is None else seed
    )
    chooser.use_gestures(extra_gifs(settings.detect.extra_gestures))
    for number in range(times):
        choice = chooser.choose(label, score, room, participant, number * every)
        if as_json:
            print_json(choice.as_dict())
            continue
        if choice.gif is None:
            out.print(f"[yellow]no GIF[/]: {escape(choice.reason)}")
        else:
            gif = choice.gif
            out.print(f"[green]{escape(gif.id)}[/] “{escape(gif.title)}” {escape(gif.url)}")
            out.print(f"  {escape(choice.reason)}, priority {choice.priority}")
        if not choice.considered:
            continue
        table = Table.grid(padding=(0, 2))
        for each in choice.considered:
            mark = "[green]✓[/]" if each.taken else "[dim]·[/]"
            table.add_row("", mark, escape(each.rule), escape(each.gif or ""), f"[dim]{escape(each.why)}[/]")
        out.print(table)


@app.command()
def check(
    book: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="A YAML file. Default: the book of the configuration."),
    ] = None,
    config: Config = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per mistake, one per line.")
    ] = False,
) -> None:
    """Print every mistake in a rule book with its line. The exit code is 1 if there is one."""
    from gifcue.gestures.library import GestureLibrary
    from gifcue.rules import check_book, default_book_path, gifs_folder
    from gifcue.server.config import load_settings

    settings = load_settings(config)
    path = book or settings.rules.book or default_book_path()
    # Without a configuration the folder behind /gifs/ is not known. Without an HTTP port, another server has the files.
    is_served = config is not None and settings.server.http_listen
    gifs = gifs_folder(settings.rules.gifs) if is_served else None
    extra = settings.detect.extra_gestures
    taught = GestureLibrary(settings.detect.gestures_dir).labels
    labels = settings.reactions.with_extra_gestures(extra).with_gestures(taught).reaction_labels
    mistakes = check_book(path, labels, gifs)
    for mistake in mistakes:
        if as_json:
            print_json({"line": mistake.line, "where": mistake.where, "message": mistake.message})
        else:
            at = f"{mistake.where}: " if mistake.where else ""
            err.print(f"[red]{escape(str(path))}:{mistake.line}:[/] {escape(at)}{escape(mistake.message)}")
    if mistakes:
        raise typer.Exit(1)
    if not as_json:
        out.print(f"[green]{escape(str(path))}: no mistakes[/]")
