"""The options that name a server, and the client made from them.

A token comes from a file or the environment, never from an argument: arguments are in the list of processes.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from gifcue.access.hosts import is_loopback
from gifcue.cli.console import err
from gifcue.client import (
    AccessDenied,
    ConnectionOptions,
    InvalidRequest,
    ReactionClient,
    ServerUnavailable,
    TlsOptions,
    TokenProvider,
)
from gifcue.errors import ConfigError

DEFAULT_SERVER = "127.0.0.1:50051"
DEFAULT_SERVERS = [DEFAULT_SERVER]
DEFAULT_OPERATOR = "127.0.0.1:50052"
TOKEN_VARIABLE = "GIFCUE_TOKEN"
# Bytes of a token's file that are read: more than any token has.
_MAX_TOKEN_BYTES = 65_536

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
Servers = Annotated[
    list[str],
    typer.Option(
        "--server",
        "-s",
        metavar="HOST:PORT",
        envvar="GIFCUE_TARGET",
        help="The address of the gifcue server. Given several times, or as a host name with several addresses: each "
        "room has its server among them, and another one takes over where it fails.",
    ),
]
Operator = Annotated[
    str,
    typer.Option(
        "--server",
        "-s",
        metavar="HOST:PORT",
        envvar="GIFCUE_OPERATOR_TARGET",
        help="The address of the server's operators' port (server.operator_listen).",
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
ServerName = Annotated[
    str | None,
    typer.Option(
        "--server-name", metavar="NAME", help="The name in the server's certificate, if not that of --server."
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        metavar="FILE",
        envvar="GIFCUE_TOKEN_FILE",
        help=f"File with the access token. Without it, the token is taken from the variable {TOKEN_VARIABLE}.",
    ),
]


def client_of(
    server: str | Sequence[str],
    tls: bool = False,
    ca: Path | None = None,
    certificate: Path | None = None,
    key: Path | None = None,
    server_name: str | None = None,
    token_file: Path | None = None,
) -> ReactionClient:
    """The client that the options and the environment describe.

    Raises:
        ConfigError: the options contradict each other, the address is no HOST:PORT, or the token cannot be read.
    """
    servers = [server] if isinstance(server, str) else list(server)
    hosts = [_host(each) for each in servers]
    if (certificate is None) != (key is None):
        raise ConfigError("--cert, --key: expected both or none, got one of them")
    encryption = None
    if tls or ca is not None or certificate is not None or server_name is not None:
        encryption = TlsOptions.from_files(ca, certificate, key, server_name)
    token = _token(token_file)
    if token is not None and encryption is None and not all(map(is_loopback, hosts)):
        err.print("[yellow]warning:[/] the token is sent without encryption; --ca or --tls encrypts")
    options = ConnectionOptions(tls=encryption, token=token)
    if isinstance(server, str):
        return ReactionClient(server, options)
    # A single address is left to grpc, which knows more kinds of them than a list may hold.
    is_single = len(servers) == 1 and (is_loopback(hosts[0]) or _is_target(servers[0]))
    return ReactionClient(servers[0] if is_single else servers, options)


def _host(server: str) -> str:
    """The host of HOST:PORT, or of a target of grpc's own."""
    host, colon, port = server.rpartition(":")
    if not _is_target(server) and not (host and colon and port.isdigit() and 0 < int(port) < 65536):
        raise ConfigError(f"--server: expected HOST:PORT such as {DEFAULT_SERVER}, got {server!r}")
    return host


def _is_target(server: str) -> bool:
    return "//" in server


def read_token(path: Path | None) -> str | None:
    """The token in a file, or without one that of the environment; None for none.

    Raises:
        ConfigError: the file cannot be read.
    """
    if path is None:
        return os.environ.get(TOKEN_VARIABLE) or None
    try:
        with path.open(encoding="ascii") as file:
            return file.read(_MAX_TOKEN_BYTES).strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "other characters than those of a token"
        raise ConfigError(f"--token-file: expected a token in {path}, got: {reason}") from None


def _token(path: Path | None) -> str | TokenProvider | None:
    """The token, or what reads the file whenever a token is needed, as it may be replaced."""
    token = read_token(path)
    return token if path is None else lambda: read_token(path) or ""


def run(server: str | Sequence[str], work: Coroutine[Any, Any, T]) -> T:
    """Runs a command's coroutine. Where the server cannot be reached or refuses, the error says what to do."""
    server = server if isinstance(server, str) else ", ".join(server)
    try:
        return asyncio.run(work)
    except AccessDenied as error:
        if error.code == "UNAUTHENTICATED":
            hint = f"--token-file or {TOKEN_VARIABLE} gives a token (docs/access.md)"
            raise AccessDenied(error.code, f"{error.details}. {hint}") from error
        raise
    except InvalidRequest as error:
        if error.code == "UNIMPLEMENTED":
            raise InvalidRequest(
                error.code,
                f"expected a port of gifcue that has this call, got {server}. Status and metrics are on the operators' "
                f"port (server.operator_listen, by default {DEFAULT_OPERATOR}), streams and stills on the main one.",
            ) from error
        raise
    except ServerUnavailable as error:
        if any(
            word in error.details.lower() for word in ("handshake", "certificate", "hostname verification")
        ):
            raise ServerUnavailable(
                error.code,
                f"expected to trust the server at {server}, got: {error.details}. --ca names its authority, "
                "--server-name the name in its certificate, --cert and --key the client's certificate.",
            ) from error
        if "socket closed" in error.details.lower() or "connection reset" in error.details.lower():
            raise ServerUnavailable(
                error.code,
                f"expected an answer of the server at {server}, got a closed connection. It may want TLS (--ca, --tls) "
                "or a client certificate (--cert, --key).",
            ) from error
        if "failed to connect" in error.details.lower() or "dns" in error.details.lower():
            raise ServerUnavailable(
                error.code,
                f"expected a gifcue server at {server}, got no connection. `gifcue serve` starts one; "
                "--server names another.",
            ) from error
        raise
