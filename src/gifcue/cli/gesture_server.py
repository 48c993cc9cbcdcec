"""`gifcue gesture list`, `add` and `delete`: the gestures of a running server, over HTTP (docs/teaching-api.md)."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote, urlsplit

import typer
from rich.markup import escape
from rich.table import Table

from gifcue.access.hosts import is_loopback
from gifcue.cli import connection
from gifcue.cli.connection import TOKEN_VARIABLE, read_token
from gifcue.cli.console import err, out
from gifcue.cli.detector import ModelDigest, detector_for
from gifcue.cli.gesture_capture import (
    Backend,
    EveryHand,
    Fps,
    Label,
    Model,
    Sources,
    capture_from,
    model_folder,
)
from gifcue.errors import ConfigError, GifcueError, Unavailable, without_secrets

if TYPE_CHECKING:
    from gifcue.gestures.samples import HandSample

DEFAULT_SERVER = "http://127.0.0.1:8080"
# Seconds for a call. A training takes about two.
_TIMEOUT_S = 240.0

Address = Annotated[
    str,
    typer.Option(
        "--server",
        "-s",
        metavar="URL",
        envvar="GIFCUE_HTTP_TARGET",
        help="The address of the server's HTTP port (server.http_listen).",
    ),
]


class RefusedByServer(GifcueError):
    """The server answered that it does not do this."""


def show(
    server: Address = DEFAULT_SERVER,
    ca: connection.Ca = None,
    token_file: connection.TokenFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the server's answer as JSON.")] = False,
) -> None:
    """List the gestures that a running server serves, and the files that it cannot."""
    catalog = _call(server, ca, token_file, "GET", "/gestures")
    if as_json:
        typer.echo(json.dumps(catalog))
        return
    table = Table("label", "GIF", "samples", "kept in", box=None)
    for each in catalog["gestures"]:
        gif = "by the rule book" if each["has_rule"] else each["gif"] or "none"
        table.add_row(
            each["label"],
            escape(gif),
            str(each["samples"]),
            escape(each["file"] or "memory, until the server stops"),
        )
    out.print(table if catalog["gestures"] else "no gestures")
    for each in catalog["problems"]:
        err.print(f"[yellow]{escape(each['file'] or 'the folder')}:[/] {escape(each['problem'])}")


def add(
    label: Label,
    sources: Sources,
    server: Address = DEFAULT_SERVER,
    against: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SOURCE",
            help="Recording, picture or folder whose hands do not show the gesture. May be repeated.",
        ),
    ] = None,
    gif: Annotated[str | None, typer.Option(help="Name of the GIF of the rule book that answers it.")] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a gesture with this label that is in service.")
    ] = False,
    limit: Annotated[int, typer.Option(help="Maximum number of hands from each source.", min=1)] = 30,
    fps: Fps = 4.0,
    every_hand: EveryHand = False,
    model_dir: Model = None,
    backend: Backend = "litert",
    model_sha256: ModelDigest = None,
    ca: connection.Ca = None,
    token_file: connection.TokenFile = None,
) -> None:
    """Teach a running server a gesture from recordings and pictures. Landmarks are sent, and no pictures."""
    catalog = _call(server, ca, token_file, "GET", "/gestures")
    opener = partial(detector_for, model_folder(model_dir), backend, sha256=model_sha256)
    samples = [
        each for part in capture_from(sources, limit, fps, every_hand, opener) for each in part.samples
    ]
    others = (
        [each for part in capture_from(against, limit, fps, True, opener) for each in part.samples]
        if against
        else []
    )
    limits = catalog["limits"]
    body = {
        "label": label,
        "samples": _bodies(samples, limits["max_samples"], label),
        "others": _bodies(others, limits["max_others"], "other hands"),
    }
    trained = _call(server, ca, token_file, "POST", "/candidates", body)
    report = trained["report"]
    typer.echo(f"  {report['samples_found']} of {report['samples']} samples found")
    if report["others"]:
        typer.echo(f"  {report['others_taken']} of {report['others']} other hands taken for it")
    typer.echo(f"  {report['negatives_taken']} of {report['negatives']} hands of other people taken for it")
    kept = _call(
        server,
        ca,
        token_file,
        "POST",
        f"/candidates/{trained['candidate']}/keep",
        {"gif": gif, "replace": replace},
    )
    typer.echo(
        f"{label} is served"
        if kept["stored"]
        else f"{label} is served until the server stops: it has no folder of gestures that it can write to"
    )


def delete(
    label: Label,
    server: Address = DEFAULT_SERVER,
    ca: connection.Ca = None,
    token_file: connection.TokenFile = None,
) -> None:
    """Delete a gesture of a running server, and with it what its file holds of the people who taught it."""
    _call(server, ca, token_file, "DELETE", f"/gestures/{quote(label, safe='')}")
    typer.echo(f"{label} is deleted")


def _bodies(samples: Sequence[HandSample], most: int, what: str) -> list[dict[str, Any]]:
    if len(samples) > most:
        # Evenly, so that every source is among them.
        err.print(f"[yellow]warning:[/] of {len(samples)} {escape(what)}, {most} are sent")
        samples = [samples[place * len(samples) // most] for place in range(most)]
    return [
        {
            "landmarks": [[round(float(value), 5) for value in point] for point in sample.landmarks],
            "aspect": sample.aspect,
        }
        for sample in samples
    ]


def _call(
    server: str, ca: Path | None, token_file: Path | None, method: str, path: str, body: Any = None
) -> dict[str, Any]:
    """The server's answer to one call.

    Raises:
        ConfigError: the address is no URL, or the token or the authority cannot be read.
        Unavailable: the server cannot be reached.
        RefusedByServer: it refuses; the message is the server's.
    """
    problem = f"--server: expected an address such as {DEFAULT_SERVER}, got {without_secrets(server)!r}"
    try:
        parts = urlsplit(server)
    except ValueError:
        raise ConfigError(problem) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(problem)
    token = read_token(token_file)
    if token and parts.scheme == "http" and not is_loopback(parts.hostname):
        err.print("[yellow]warning:[/] the token is sent without encryption; https encrypts")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"--ca: expected PEM in {ca}, got: {error}") from None
    return asyncio.run(_request(method, f"{server.rstrip('/')}/teach/v1{path}", headers, context, body))


async def _request(
    method: str, url: str, headers: dict[str, str], context: ssl.SSLContext, body: Any
) -> dict[str, Any]:
    # Imported here: it takes a third of a second, and most commands need no HTTP.
    import aiohttp

    shown = without_secrets(url)
    try:
        async with (
            aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(_TIMEOUT_S)) as session,
            session.request(method, url, json=body, ssl=context) as answer,
        ):
            value = await answer.json(content_type=None)
            if not isinstance(value, dict):
                raise RefusedByServer(f"expected a gifcue server at {shown}, got another answer")
            if answer.status >= 400:
                hint = f" (--token-file or {TOKEN_VARIABLE} gives a token)" if answer.status == 401 else ""
                raise RefusedByServer(f"{value.get('error', f'status {answer.status}')}{hint}")
            return value
    except aiohttp.InvalidURL:  # its message is the address
        raise ConfigError(f"--server: expected an address such as {DEFAULT_SERVER}, got {shown!r}") from None
    except (TimeoutError, aiohttp.ClientError, ValueError) as error:
        raise Unavailable(
            f"expected a gifcue server at {shown}, got: {error or type(error).__name__}"
        ) from None
