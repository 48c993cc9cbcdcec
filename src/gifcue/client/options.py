"""How to reach a server, and what to say first on a stream."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path

import grpc

from gifcue.client.exceptions import ClientError


class SubjectPolicy(enum.StrEnum):
    """Whose reactions count where several people share a camera."""

    LARGEST = "largest"
    CENTRE = "centre"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """What holds for a whole stream; `gifcue.v1.StreamConfig` explains each field.

    An empty `preset` takes the server's own; `speaking_suppresses_hands` and `subject` go over what the server
    has for the preset, and None leaves it. So a room in which people talk with their hands, three of them on
    one camera, is

        StreamOptions(room_id="weekly", speaking_suppresses_hands=True, subject=SubjectPolicy.LARGEST)

    The first takes `Participant.set_speaking`. Servers that do not know the two yet ignore them.
    """

    room_id: str = ""
    client_name: str = "gifcue-client"
    preset: str = ""
    send_holding: bool = False
    send_decisions: bool = False
    speaking_suppresses_hands: bool | None = None
    subject: SubjectPolicy | None = None


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """PEM bytes. Without `root_certificates` the system's are used; a chain and its key are for mutual TLS.

    `server_name` is what the server's certificate must name, where that is not the name dialled.
    """

    root_certificates: bytes | None = None
    certificate_chain: bytes | None = None
    private_key: bytes | None = None
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
        """The same out of PEM files. ClientError where one cannot be read."""
        return cls(_read(ca), _read(certificate), _read(key), server_name)

    def credentials(self) -> grpc.ChannelCredentials:
        """What grpc wants of it."""
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

    `max_message_bytes` bounds one message either way, so it must not be below the server's `max_frame_bytes`.
    `outbox_bytes` may wait for the network before `send` itself waits. `keepalive_s` pings a silent
    connection; leave it unset unless the server allows pings that often (grpc's own default is one in five
    minutes, and a server ends the connection of a client that pings more).
    """

    tls: TlsOptions | None = None
    metadata: tuple[tuple[str, str], ...] = ()
    max_message_bytes: int = 32 * 1024 * 1024
    outbox_bytes: int = 4 * 1024 * 1024
    keepalive_s: float | None = None
    open_timeout_s: float = 15.0
    call_timeout_s: float = 30.0
    close_timeout_s: float = 30.0

    def channel_arguments(self) -> list[tuple[str, int | str]]:
        """The same as grpc's channel arguments."""
        arguments: list[tuple[str, int | str]] = [
            ("grpc.max_send_message_length", self.max_message_bytes),
            ("grpc.max_receive_message_length", self.max_message_bytes),
            # Its own connection: not the backoff that another client of this process has run into.
            ("grpc.use_local_subchannel_pool", 1),
            # gifcue's own backoff decides when to dial; grpc's second one beneath it shall not make it wait
            # longer.
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
        if self.tls is not None and self.tls.server_name is not None:
            arguments.append(("grpc.ssl_target_name_override", self.tls.server_name))
        return arguments
