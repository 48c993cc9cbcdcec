"""`gifcue operate`: what an operator makes a running server do."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from gifcue.cli import connection
from gifcue.cli.as_json import streams_json
from gifcue.cli.connection import DEFAULT_OPERATOR, client_of
from gifcue.cli.console import out, print_error, print_json
from gifcue.client import ReactionClient, StreamFigures
from gifcue.errors import ConfigError

app = typer.Typer(
    add_completion=False,
    rich_markup_mode="markdown",
    no_args_is_help=True,
    help="Drain a running server, reload its rules, change its log level, list its streams (docs/operating.md).",
)

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@app.command()
def drain(
    share: Annotated[
        float, typer.Argument(min=0.0, max=1.0, help="The share of the streams to move, such as 0.5.")
    ] = 1.0,
    deadline_s: Annotated[
        float | None,
        typer.Option(
            "--deadline",
            metavar="SECONDS",
            min=0.001,
            max=3600.0,
            help="After so long, streams are ended regardless. Default: the server's server.drain_timeout_s.",
        ),
    ] = None,
    exit_: Annotated[
        bool, typer.Option("--exit", help="End the server, too, as SIGTERM does. Needs the share 1.")
    ] = False,
    yes: Yes = False,
    server: connection.Operator = DEFAULT_OPERATOR,
    tls: connection.Tls = False,
    ca: connection.Ca = None,
    cert: connection.Certificate = None,
    key: connection.Key = None,
    server_name: connection.ServerName = None,
    token_file: connection.TokenFile = None,
) -> None:
    """Ask open streams to move to another server.

    With the share 1, which is the default, the server also refuses new streams, until `gifcue operate resume`. With a
    smaller one it goes on to take streams.
    """
    if share == 0:
        raise ConfigError("SHARE: expected a number above 0 and at most 1, got 0")
    if exit_ and (share != 1 or deadline_s is not None):
        raise ConfigError("--exit: expected the share 1 and no --deadline")
    if not yes:
        what = "End the server" if exit_ else f"Ask {share:.0%} of the streams to move"
        typer.confirm(f"{what} at {server}?", abort=True)
    client = client_of(server, tls, ca, cert, key, server_name, token_file)
    deadline_ms = 0 if deadline_s is None else round(deadline_s * 1000)

    async def call() -> None:
        async with client:
            drained = await client.drain(share, deadline_ms=deadline_ms, exit=exit_)
        staying = f", {drained.remaining} stay" if share < 1 else ""
        out.print(
            f"{drained.streams} streams were asked to move within {drained.deadline_ms / 1000:g} s{staying}"
        )

    connection.run(server, call())


@app.command()
def resume(
    server: connection.Operator = DEFAULT_OPERATOR,
    tls: connection.Tls = False,
    ca: connection.Ca = None,
    cert: connection.Certificate = None,
    key: connection.Key = None,
    server_name: connection.ServerName = None,
    token_file: connection.TokenFile = None,
) -> None:
    """Take new streams again after a drain."""
    client = client_of(server, tls, ca, cert, key, server_name, token_file)

    async def call() -> None:
        async with client:
            changed = await client.resume()
        out.print("new streams are taken again" if changed else "new streams were not refused")

    connection.run(server, call())


@app.command("reload-rules")
def reload_rules(
    server: connection.Operator = DEFAULT_OPERATOR,
    tls: connection.Tls = False,
    ca: connection.Ca = None,
    cert: connection.Certificate = None,
    key: connection.Key = None,
    server_name: connection.ServerName = None,
    token_file: connection.TokenFile = None,
) -> None:
    """Read the file of the rule book at once. Exits with 1 where the file has mistakes, and names them."""
    client = client_of(server, tls, ca, cert, key, server_name, token_file)

    async def call() -> None:
        async with client:
            book = await client.reload_rules()
        state = "taken" if book.changed else "unchanged"
        out.print(f"{state}: {book.rules} rules, {book.gifs} GIFs are in force")
        if book.doubtful_lines:
            lines = ", ".join(map(str, book.doubtful_lines))
            out.print(f"[yellow]lines that name labels or GIFs that this server does not have:[/] {lines}")

    connection.run(server, call())


@app.command("reload-gestures")
def reload_gestures(
    server: connection.Operator = DEFAULT_OPERATOR,
    tls: connection.Tls = False,
    ca: connection.Ca = None,
    cert: connection.Certificate = None,
    key: connection.Key = None,
    server_name: connection.ServerName = None,
    token_file: connection.TokenFile = None,
) -> None:
    """Read the folder of custom gestures at once. Exits with 1 where a file is not served as it stands."""
    client = client_of(server, tls, ca, cert, key, server_name, token_file)

    async def call() -> bool:
        async with client:
            found = await client.reload_gestures()
        out.print(escape(f"in service: {', '.join(found.labels) or 'no custom gesture'}"))
        for file, problem in found.problems.items():
            print_error(f"{file or 'the folder'}: {problem}")
        return not found.problems

    if not connection.run(server, call()):
        raise typer.Exit(1)


@app.command("log-level")
def log_level(
    level: Annotated[str, typer.Argument(help="debug, info, warning or error.")],
    server: connection.Operator = DEFAULT_OPERATOR,
    tls: connection.Tls = False,
    ca: connection.Ca = None,
    cert: connection.Certificate = None,
    key: connection.Key = None,
    server_name: connection.ServerName = None,
    token_file: connection.TokenFile = None,
) -> None:
    """Change the least severe level that is logged, until the server restarts."""
    client = client_of(server, tls, ca, cert, key, server_name, token_file)

    async def call() -> None:
        async with client:
            previous = await client.set_log_level(level)
        out.print(f"the log level is {level}, it was {previous}")

    connection.run(server, call())


@app.command()
def streams(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    server: connection.Operator = DEFAULT_OPERATOR,
    tls: connection.Tls = False,
    ca: connection.Ca = None,
    cert: connection.Certificate = None,
    key: connection.Key = None,
    server_name: connection.ServerName = None,
    token_file: connection.TokenFile = None,
) -> None:
    """List the open streams as figures, those opened first at first."""
    client = client_of(server, tls, ca, cert, key, server_name, token_file)
    connection.run(server, _list(client, as_json))


async def _list(client: ReactionClient, as_json: bool) -> None:
    found: list[StreamFigures] = []
    async with client:
        token = ""
        while True:
            page = await client.streams(page_token=token)
            found += page.streams
            if as_json:
                for line in streams_json(page):
                    print_json(line)
            token = page.next_page_token
            if not token:
                break
    if not as_json:
        out.print(_table(found) if found else "no stream is open")


def _table(streams: list[StreamFigures]) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("stream")
    for name in ("age s", "participants", "frames/s", "received", "dropped", "reactions", "p50 ms", "p95 ms"):
        table.add_column(name, justify="right")
    table.add_column("")
    for each in streams:
        table.add_row(
            each.session_id,
            f"{each.age_s:.0f}",
            str(each.participants),
            f"{each.frames_per_s:.1f}",
            str(each.frames.received),
            str(sum(each.frames.dropped.values())),
            str(each.reactions),
            f"{each.latency_p50_ms:.1f}",
            f"{each.latency_p95_ms:.1f}",
            "[yellow]moving[/]" if each.is_moving else "",
        )
    return table
