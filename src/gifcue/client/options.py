"""How a client reaches a server: TLS, limits, timeouts, and the delay between attempts."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from gifcue.client.exceptions import ClientError
from gifcue.client.tokens import TokenProvider

# Attempts after which the delay no longer grows: after a night without a server, the power would overflow a float.
_MAX_EXPONENT = 64


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """PEM bytes. Without `root_certificates` the system's are used; a chain and its key are for mutual TLS.

    `server_name` is the name that the server's certificate must carry, where that is not the name dialled.
    """

    root_certificates: bytes | None = None
    certificate_chain: bytes | None = None
    private_key: bytes | None = field(default=None, repr=False)
    server_name: str | None = None

    def __post_init__(self) -> None:
        if (self.certificate_chain is None) != (self.private_key is None):
            raise ClientError("expected certificate_chain and private_key together, got one of them")

    @classmethod
    def from_files(
        cls,
        ca: Path | None = None,
        certificate: Path | None = None,
        key: Path | None = None,
        server_name: str | None = None,
    ) -> TlsOptions:
        """The options with their bytes read from PEM files.

        Raises:
            ClientError: a file cannot be read.
        """
        return cls(_read(ca), _read(certificate), _read(key), server_name)

    def credentials(self) -> grpc.ChannelCredentials:
        """The channel credentials of grpc."""
        return grpc.ssl_channel_credentials(self.root_certificates, self.private_key, self.certificate_chain)


def _read(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise ClientError(f"expected a PEM file at {path}, got {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """How a client talks to a server.

    `token` is the access token, or a function that returns it, which may be asynchronous. The function is called for
    every call and every new connection, so that a token that has expired is replaced. Without TLS the token can be read
    on its way.
    `max_message_bytes` bounds one message in either direction, so it must not be below the server's `max_frame_bytes`.
    `outbox_bytes` may wait for the network before `send` waits. On a stream of 16 participants or more, a frame waits
    `batch_s` for others that travel in the same message; 0 joins only those that wait anyway. `keepalive_s` pings a
    silent connection, which keeps proxies from closing it; a server that is gone is noticed without it, by its
    heartbeat. A server ends the connection of a client that pings more often than `Limits.min_ping_interval_ms` says.
    """

    tls: TlsOptions | None = None
    token: str | TokenProvider | None = field(default=None, repr=False)
    metadata: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    max_message_bytes: int = 32 * 1024 * 1024
    outbox_bytes: int = 4 * 1024 * 1024
    batch_s: float = 0.005
    keepalive_s: float | None = None
    open_timeout_s: float = 15.0
    call_timeout_s: float = 30.0
    close_timeout_s: float = 30.0

    def channel_arguments(self, server_name: str = "") -> list[tuple[str, int | str]]:
        """The channel arguments of grpc. `server_name` is the name in the certificate, where `tls` has none."""
        arguments: list[tuple[str, int | str]] = [
            ("grpc.max_send_message_length", self.max_message_bytes),
            ("grpc.max_receive_message_length", self.max_message_bytes),
            # Every client has a connection of its own. Otherwise clients of one process and target share a
            # connection, and with it the delay that grpc imposes after a failed attempt.
            ("grpc.use_local_subchannel_pool", 1),
            # `Backoff` decides when to dial; these keep grpc's own delay below it.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 1000),
            ("grpc.max_reconnect_backoff_ms", 2000),
        ]
        if self.keepalive_s is not None:
            arguments += [
                ("grpc.keepalive_time_ms", round(self.keepalive_s * 1000)),
                ("grpc.keepalive_timeout_ms", 10_000),
                ("grpc.keepalive_permit_without_calls", 0),
            ]
        name = None if self.tls is None else self.tls.server_name or server_name
        if name:
            arguments.append(("grpc.ssl_target_name_override", name))
        return arguments


@dataclass(frozen=True, slots=True)
class Backoff:
    """The delay before each attempt to reconnect: first_s * factor^n, at most max_s, plus or minus a share of `jitter`.

    After `max_attempts` failures in a row the stream ends with the last error; None never gives up. Tests pass their
    own `uniform`, which returns 0..1, and `sleep`.
    """

    first_s: float = 0.25
    factor: float = 2.0
    max_s: float = 10.0
    jitter: float = 0.2
    max_attempts: int | None = None
    uniform: Callable[[], float] = random.random
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    def delay_s(self, attempt: int) -> float:
        """Seconds before attempt number `attempt`, counted from 1 since the last connection that worked."""
        mean_s = min(self.max_s, self.first_s * self.factor ** min(attempt - 1, _MAX_EXPONENT))
        return mean_s * (1 + self.jitter * (2 * self.uniform() - 1))

    async def wait(self, delay_s: float, until: asyncio.Event) -> None:
        """Waits before the next attempt, until `delay_s` are over or the event is set."""
        waits = {asyncio.ensure_future(self.sleep(delay_s)), asyncio.ensure_future(until.wait())}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
