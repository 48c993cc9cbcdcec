"""`gifcue status`: the state of a running server."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from gifcue.cli import connection
from gifcue.cli.as_json import status_json
from gifcue.cli.connection import DEFAULT_OPERATOR, client_of
from gifcue.cli.console import out, print_json
from gifcue.cli.printing import accounting, accounting_sum
from gifcue.client import ReactionClient, ServerStatus, ServingState

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")

WATCH_INTERVAL_S = 1.0
_COLOURS = {"serving": "green", "starting": "yellow", "draining": "yellow", "not_serving": "red"}


@app.command()
def status(
    server: connection.Operator = DEFAULT_OPERATOR,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Repeat every second, until Ctrl-C.")] = False,
    metrics: Annotated[
        bool, typer.Option("--metrics", help="Print only the metrics, in Prometheus' text format.")
    ] = False,
    probe: Annotated[
        bool,
        typer.Option(
            "--probe", help="Print nothing, and ask only whether the server takes streams. Needs no token."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    tls: connection.Tls = False,
    ca: connection.Ca = None,
    cert: connection.Certificate = None,
    key: connection.Key = None,
    server_name: connection.ServerName = None,
    token_file: connection.TokenFile = None,
) -> None:
    """Show a running server: its state, streams, frame accounting, workers and latency.

    The exit status is 1 where the server does not answer or is not serving. Status and metrics are on the server's port
    for operators; with `--probe` any gRPC port of the server will do.
    """
    client = client_of(server, tls, ca, cert, key, server_name, token_file)
    if probe:
        raise typer.Exit(0 if connection.run(server, _probe(client)) == "SERVING" else 1)
    state = connection.run(server, _status(client, watch, metrics, as_json))
    if state not in (None, ServingState.SERVING):
        raise typer.Exit(1)


async def _probe(client: ReactionClient) -> str:
    async with client:
        return await client.health()


async def _status(client: ReactionClient, watch: bool, metrics: bool, as_json: bool) -> ServingState | None:
    """The state that was shown; None where only metrics were asked for."""
    async with client:
        if metrics:
            out.out(await client.metrics(), end="")
        elif not watch:
            now = await client.status()
            print_json(status_json(now)) if as_json else out.print(_page(client.target, now))
            return now.state
        elif as_json:
            while True:
                print_json(status_json(await client.status()))
                await asyncio.sleep(WATCH_INTERVAL_S)
        else:
            with Live(console=out, auto_refresh=False) as live:
                while True:
                    live.update(_page(client.target, await client.status()), refresh=True)
                    await asyncio.sleep(WATCH_INTERVAL_S)
    return None


def _page(target: str, now: ServerStatus) -> RenderableType:
    colour = _COLOURS.get(now.state, "red")
    head = Table.grid(padding=(0, 2))
    head.add_row(
        "server",
        f"{escape(target)}  [bold {colour}]{now.state}[/]  [dim]gifcue {escape(now.server_version)}[/]",
    )
    if now.model is not None:
        model = now.model
        head.add_row(
            "model", f"{escape(model.name)} {escape(model.version)} [dim]on {escape(model.backend)}[/]"
        )
    head.add_row("up", _span(now.uptime_s))
    head.add_row("streams", f"{now.streams}, {now.participants} participants")
    head.add_row("frames", accounting_sum(now.frames) if now.frames.is_consistent else accounting(now.frames))
    head.add_row(
        "latency", f"{now.latency_p50_ms:.1f} ms median, {now.latency_p95_ms:.1f} ms 95th percentile"
    )
    started = ", ".join(f"{label} × {count}" for label, count in sorted(now.reactions.items()))
    head.add_row("reactions", escape(started) or "none")
    workers = Table(box=None, header_style="dim", pad_edge=False)
    for name in ("worker", "state", "pid", "restarts", "last failure"):
        workers.add_column(name)
    for worker in now.workers:
        state = "[green]ready[/]" if worker.state == "ready" else f"[yellow]{escape(worker.state)}[/]"
        workers.add_row(
            escape(worker.name),
            state,
            str(worker.pid or ""),
            str(worker.restarts),
            escape(worker.last_failure),
        )
    return Group(head, Text(), workers)


def _span(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"
