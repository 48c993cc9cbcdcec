"""The options that name a server, and the client made from them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from gifcue.client import ConnectionOptions, ReactionClient, ServerUnavailable, TlsOptions
from gifcue.errors import ConfigError

DEFAULT_SERVER = "127.0.0.1:50051"

T = TypeVar("T")

Server = Annotated[
    str,
    typer.Option(
        "--server",
        "-s",
        metavar="HOST:PORT",
        envvar="GIFCUE_TARGET",
        help="The address of the gifcue server.",
    ),
]
Tls = Annotated[bool, typer.Option("--tls", help="Encrypt, trusting the system's certificate authorities.")]
Ca = Annotated[
    Path | None, typer.Option("--ca", metavar="PEM", help="Encrypt, trusting this certificate authority.")
]
Certificate = Annotated[
    Path | None, typer.Option("--cert", metavar="PEM", help="The client's certificate, for mutual TLS.")
]
Key = Annotated[Path | None, typer.Option("--key", metavar="PEM", help="The client certificate's key.")]


def client_of(
    server: str,
    tls: bool = False,
    ca: Path | None = None,
    certificate: Path | None = None,
    key: Path | None = None,
) -> ReactionClient:
    """The client that the options describe.

    Raises:
        ConfigError: the options contradict each other, or the address is no HOST:PORT.
    """
    host, colon, port = server.rpartition(":")
    if "//" not in server and not (host and colon and port.isdigit() and 0 < int(port) < 65536):
        raise ConfigError(f"--server: expected HOST:PORT such as {DEFAULT_SERVER}, got {server!r}")
    if (certificate is None) != (key is None):
        raise ConfigError("--cert, --key: expected both or none, got one of them")
    options = ConnectionOptions()
    if tls or ca is not None or certificate is not None:
        options = ConnectionOptions(tls=TlsOptions.from_files(ca, certificate, key))
    return ReactionClient(server, options)


def run(server: str, work: Coroutine[Any, Any, T]) -> T:
    """Runs a command's coroutine. Where the server cannot be reached, the error names the server and what to do."""
    try:
        return asyncio.run(work)
    except ServerUnavailable as error:
        if "failed to connect" in error.details.lower() or "dns" in error.details.lower():
            raise ServerUnavailable(
                error.code,
                f"expected a gifcue server at {server}, got no connection. `gifcue serve` starts one; "
                "--server names another.",
            ) from error
        raise
