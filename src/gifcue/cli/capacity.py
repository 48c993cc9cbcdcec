"""`gifcue capacity`: how many participants this machine carries."""

from __future__ import annotations

import asyncio
import math
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command()
def capacity(
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", metavar="FILE", help="The server's settings, a TOML file."),
    ] = None,
    clip: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Video like that of your participants, as each of them sends it. Not set: H.264, 640x360, 30 frames a "
            "second.",
        ),
    ] = None,
    keep: Annotated[
        bool,
        typer.Option(help='Keep the figure for servers with `limits.max_participants = "auto"`.'),
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure how many participants this machine carries, in about half a minute. Nothing else should run meanwhile.

    Starts a server with these settings on the loopback and streams video to it, more and more, until a frame is
    dropped or decisions take too long. Replicas for a number of participants: (participants + spare) / capacity,
    rounded up.
    """
    from gifcue.cli.console import out, print_error, print_json
    from gifcue.server.capacity.measure import measure
    from gifcue.server.capacity.record import about, path_of, write
    from gifcue.server.config import load_settings
    from gifcue.server.logs import configure_logs
    from gifcue.server.settings import LogSettings

    settings = load_settings(config)
    configure_logs(LogSettings(level="error", format="console"))

    def report(line: str) -> None:
        print_error(line, prefix="")

    found = asyncio.run(measure(settings, clip=clip, report=report))
    what, path = about(settings), path_of(settings)
    if keep:
        try:
            write(path, what, found)
        except OSError as error:
            print_error(f"the figure could not be kept: {path}: {error.strerror}", prefix="warning: ")
            keep = False
    if as_json:
        print_json({**asdict(found), "about": what, "kept_in": str(path) if keep else None})
        return
    out.print(
        f"[bold]{found.participants}[/] participants at {found.width}x{found.height}, {found.fps:g} frames a second, "
        f"on {found.cores:g} cores; p95 {found.p95_ms:g} ms; measured in {found.took_s:.0f} s"
    )
    out.print(f"limited by: {found.why_limited}")
    replicas = math.ceil(1000 / found.participants)
    out.print(f"1000 participants without spare: {replicas} such machines")
    if keep:
        out.print(f"kept in {path}")
