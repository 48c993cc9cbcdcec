"""`gifcue serve`: the server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(add_completion=False, rich_markup_mode="rich")


@app.command()
def serve(
    config: Annotated[
        Path | None, typer.Option("--config", "-c", metavar="FILE", help="Settings, a TOML file.")
    ] = None,
    listen: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="gRPC address; port 0: a free one.")
    ] = None,
    http: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="HTTP address; an empty one turns HTTP off.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the model: weights, label map, metadata.")
    ] = None,
    backend: Annotated[str | None, typer.Option(help="What runs the model: litert or savedmodel.")] = None,
    decode_workers: Annotated[int | None, typer.Option(metavar="N", help="Decode processes.")] = None,
    detect_workers: Annotated[int | None, typer.Option(metavar="N", help="Detector processes.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
) -> None:
    """Run the server until SIGTERM or Ctrl-C; it then finishes what is in flight.

    What is given here goes over the environment (GIFCUE_SERVER__LISTEN=…), and that over the file.
    """
    from gifcue.config import load_settings

    overrides: dict[str, dict[str, Any]] = {}
    for table, field, value in (
        ("server", "listen", listen),
        ("server", "http_listen", http),
        ("detect", "model_dir", model),
        ("detect", "backend", backend),
        ("media", "workers", decode_workers),
        ("detect", "workers", detect_workers),
        ("log", "level", log_level),
    ):
        if value is not None:
            overrides.setdefault(table, {})[field] = value
    settings = load_settings(config, overrides)
    # Only now: a mistake in the settings is told before anything heavy is imported.
    from gifcue.server.lifecycle import run

    raise typer.Exit(run(settings))
