"""`gifcue status`: the state of a running server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
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
from gifcue.client import DrainStatus, ReactionClient, ServerStatus, ServingState

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")

WATCH_INTERVAL_S = 1.0
# The service of gRPC health that `gifcue.server.health` reports liveness as. Importing it would load the server.
LIVENESS_SERVICE = "gifcue.liveness"
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
    alive: Annotated[
        bool,
        typer.Option(
            "--alive",
            help="Print nothing, and ask only whether the server can do without a restart. Needs no token.",
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
    for operators; with `--probe` and `--alive` any gRPC port of the server will do.
    """
    client = client_of(server, tls, ca, cert, key, server_name, token_file)
    if probe or alive:
        service = LIVENESS_SERVICE if alive else ""
        raise typer.Exit(0 if connection.run(server, _probe(client, service)) == "SERVING" else 1)
    state = connection.run(server, _status(client, watch, metrics, as_json))
    if state not in (None, ServingState.SERVING):
        raise typer.Exit(1)


async def _probe(client: ReactionClient, service: str) -> str:
    async with client:
        return await client.health(service)


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
    capacity = now.capacity
    head.add_row("streams", _of(now.streams, capacity.max_streams) + _moving(now.drain))
    head.add_row("participants", _of(now.participants, capacity.max_participants))
    head.add_row("frames", accounting_sum(now.frames) if now.frames.is_consistent else accounting(now.frames))
    head.add_row(
        "latency", f"{now.latency_p50_ms:.1f} ms median, {now.latency_p95_ms:.1f} ms 95th percentile"
    )
    if now.max_analysis_fps:
        rate = f"{now.analysis_fps:.1f} of {now.max_analysis_fps:g} pictures a second of each participant"
        head.add_row("analysis", rate if now.analysis_fps >= now.max_analysis_fps else f"[yellow]{rate}[/]")
    head.add_row("reactions", _counts(now.reactions))
    for name, counts in (
        ("dismissed", now.dismissals),
        ("withheld", now.withheld),
        ("faults", now.faults),
        ("ended", now.streams_by_status),
    ):
        if any(counts.values()):
            head.add_row(name, _counts(counts))
    if now.process.rss_bytes:
        process = now.process
        head.add_row("front", f"{_mib(process.rss_bytes)}, {process.cpu_s:.0f} s of CPU time")
        head.add_row("loop lag", f"{now.loop_lag.mean_ms:.1f} ms mean, {now.loop_lag.max_ms:.0f} ms longest")
    workers = Table(box=None, header_style="dim", pad_edge=False)
    for name in ("worker", "state", "pid", "memory", "restarts", "last failure"):
        workers.add_column(name)
    for worker in now.workers:
        state = "[green]ready[/]" if worker.state == "ready" else f"[yellow]{escape(worker.state)}[/]"
        workers.add_row(
            escape(worker.name),
            state,
            str(worker.pid or ""),
            "" if worker.process is None else _mib(worker.process.rss_bytes),
            str(worker.restarts),
            escape(worker.last_failure),
        )
    return Group(head, Text(), workers)


def _of(number: int, most: int) -> str:
    """A number beside its limit; older servers name none."""
    return f"{number} of {most}" if most else str(number)


def _moving(drain: DrainStatus) -> str:
    moving = f", {drain.streams_moving} moving" if drain.streams_moving else ""
    return moving + (", [yellow]new ones are refused[/]" if drain.refuses_streams else "")


def _counts(counts: Mapping[str, int]) -> str:
    shown = (f"{name} × {count}" for name, count in sorted(counts.items()) if count)
    return escape(", ".join(shown)) or "none"


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:.0f} MiB"


def _span(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"
