"""`gifcue serve`: the server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from gifcue.detect.settings import DetectSettings

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command()
def serve(
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", metavar="FILE", help="Settings, a TOML file (docs/settings.md)."),
    ] = None,
    listen: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Address for gRPC; port 0: a free one.")
    ] = None,
    http: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Address for HTTP; empty: no HTTP.")
    ] = None,
    operator: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Address for gRPC of operators; empty: none.")
    ] = None,
    operator_http: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Address for HTTP of operators; empty: none.")
    ] = None,
    insecure: Annotated[
        bool,
        typer.Option(
            "--insecure", help="Let other machines reach ports without TLS, or without a check of who calls."
        ),
    ] = False,
    model: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the model: weights, label map, metadata.")
    ] = None,
    backend: Annotated[str | None, typer.Option(help="Runtime of the model: litert or savedmodel.")] = None,
    decode_workers: Annotated[
        int | None, typer.Option(metavar="N", help="Decode processes; not set: half of the cores.")
    ] = None,
    detect_workers: Annotated[
        int | None, typer.Option(metavar="N", help="Detector processes; not set: half of the cores.")
    ] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
) -> None:
    """Run the server until SIGTERM or Ctrl-C. It then finishes the frames in flight. A second signal ends it at once.

    Options override environment variables (GIFCUE_SERVER__LISTEN=…), and those override the file.
    """
    from gifcue.server.config import load_settings

    overrides: dict[str, dict[str, Any]] = {}
    for table, field, value in (
        ("server", "listen", listen),
        ("server", "http_listen", http),
        ("server", "operator_listen", operator),
        ("server", "operator_http_listen", operator_http),
        ("server", "insecure", insecure or None),
        ("detect", "model_dir", model),
        ("detect", "backend", backend),
        ("media", "workers", decode_workers),
        ("detect", "workers", detect_workers),
        ("log", "level", log_level),
    ):
        if value is not None:
            overrides.setdefault(table, {})[field] = value
    settings = load_settings(config, overrides)
    check_model(settings.detect)
    # Imported only here: a mistake is reported before anything heavy is imported and any process is started.
    from gifcue.server.process import serve_and_exit

    serve_and_exit(settings)


def check_model(detect: DetectSettings) -> None:
    """Reports a model that cannot be opened in one line, instead of a worker that fails to start.

    The worker checks the model again when it opens it, because the files may have changed by then.

    Raises:
        ModelError: there is no model, a file of it is missing or damaged, or its digest is not the expected one.
    """
    from gifcue.detect.metadata import read_metadata
    from gifcue.detect.trust import check_saved_model
    from gifcue.errors import ModelError

    if not detect.model_dir.is_dir():
        raise ModelError(f"detect.model_dir: expected a folder with a model, got {detect.model_dir}")
    if detect.backend == "savedmodel":  # from elsewhere it may come without gifcue's metadata
        check_saved_model(detect.model_dir, detect.model_sha256)
        return
    metadata = read_metadata(detect.model_dir, detect.backend, detect.precision, sha256=detect.model_sha256)
    for weights in metadata.files.values():
        weights.read()
