"""Settings of the server itself: addresses, rules and logs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, IPvAnyAddress

from gifcue.expert import EXPERT

_ADDRESS = r"^$|.+:\d+$"


class ServerSettings(BaseModel):
    """Where the server listens and how it stops. Addresses are host:port; port 0 takes a free one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Seconds between two HTTP/2 pings of a client, at least. No client needs to ping more often.
    min_ping_interval_s: ClassVar[float] = 10.0

    listen: str = Field("127.0.0.1:50051", pattern=r".+:\d+$", description="Address for gRPC, host:port.")
    http_listen: str = Field(
        "127.0.0.1:8080", pattern=_ADDRESS, description="Address for HTTP, host:port. Empty: no HTTP."
    )
    operator_listen: str = Field(
        "127.0.0.1:50052",
        pattern=_ADDRESS,
        description="Address for gRPC of operators: status, actions, metrics and reflection, host:port. Empty: none.",
    )
    operator_http_listen: str = Field(
        "127.0.0.1:8081",
        pattern=_ADDRESS,
        description="Address for HTTP of operators: the page /operate, /metrics, host:port. Empty: none.",
    )
    insecure: bool = Field(
        False,
        description="True: ports that other machines reach may lack TLS, or a check of who calls. The server warns.",
    )
    tls_certificate: Path | None = Field(
        None,
        description="PEM file with the server's certificate chain, which is read again when it changes. Unset: no TLS. "
        "Operators' ports on the loopback never have it.",
    )
    tls_key: Path | None = Field(None, description="PEM file with the server's private key.")
    tls_client_ca: Path | None = Field(
        None,
        description="PEM file with the authorities of client certificates. Set: every client needs one (mutual TLS).",
    )
    trusted_proxies: tuple[str, ...] = Field(
        (),
        description="Addresses or networks of proxies whose X-Forwarded-For and Forwarded headers are believed.",
    )
    allowed_hosts: tuple[str, ...] = Field(
        (),
        description="Names under which HTTP is served, besides addresses, the loopback's names and the host of "
        '`delivery.public_url`. "*.example.org": all below; "*": any.',
    )
    allowed_origins: tuple[str, ...] = Field(
        (),
        description='Sites whose pages may call, such as "https://meet.example.org". "*": any.',
    )
    idle_timeout_s: float = Field(
        60.0, ge=0.0, description="Seconds without a message after which the server ends a stream. 0: never."
    )
    heartbeat_interval_s: Annotated[float, EXPERT] = Field(
        0.4,
        ge=0.0,
        le=3600.0,
        description="Seconds without a message to a client after which it is sent a heartbeat. 0: never.",
    )
    lame_duck_s: float = Field(
        0.0,
        ge=0.0,
        le=3600.0,
        description="Seconds from SIGTERM to the drain. Meanwhile every probe says that the server drains, new streams "
        "are refused, and open ones are served on, so that load balancers learn of it first.",
    )
    drain_timeout_s: float = Field(
        10.0,
        ge=0.0,
        description="Seconds that a stop waits for frames in flight before it ends the streams.",
    )
    teaching: Literal["auto", "always", "never"] = Field(
        "auto",
        description='Who may teach gestures over HTTP (/teach). "auto": callers with the scope `operate`; on a server '
        'without tokens, this machine alone. "always": on a server without tokens, whoever reaches the HTTP port. '
        '"never": nobody.',
    )
    write_timeout_s: Annotated[float, EXPERT] = Field(
        10.0,
        gt=0.0,
        description="Seconds for which a client may leave a message unread before the server ends its stream.",
    )
    max_streams: int = Field(1024, ge=1, description="Largest number of streams at the same time.")

    @property
    def stop_s(self) -> float:
        """Seconds that a stop gives the streams, from SIGTERM on."""
        return self.lame_duck_s + self.drain_timeout_s


class WhipSettings(BaseModel):
    """Video by WHIP (RFC 9725): senders of WebRTC ask over HTTP, and send to a UDP port."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    listen: str = Field(
        "",
        pattern=_ADDRESS,
        description="UDP address that senders send to, host:port. Empty: no WHIP. Needs `server.http_listen` and the "
        "extra `webrtc`.",
    )
    addresses: tuple[IPvAnyAddress, ...] = Field(
        (),
        description="IP addresses at which senders reach that port, where they are not this machine's own, as behind "
        "address translation. Unset: the address of `listen`, or all of this machine.",
    )
    max_sessions: int = Field(
        256, ge=1, description="Largest number of WHIP sessions at the same time, unconnected ones included."
    )


class RulesSettings(BaseModel):
    """Which GIF answers a reaction."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    book: Path | None = Field(None, description="The rule book. Unset: the default book.")
    gifs: Path | None = Field(
        None, description="Folder that HTTP serves under /gifs/. Unset: the default GIFs."
    )
    seed: Annotated[int, EXPERT] = Field(0, description="Seed of the random choice among weighted GIFs.")
    reload_interval_s: Annotated[float, EXPERT] = Field(
        2.0, ge=0.1, description="Seconds between two checks whether the rule book's file has changed."
    )


class TracingSettings(BaseModel):
    """Where traces go. No attribute names a room or a person."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint: str | None = Field(
        None,
        pattern=r"^https?://.+",
        description="Address that takes traces over OTLP and HTTP, such as http://127.0.0.1:4318/v1/traces. Needs the "
        "packages of gifcue[otel]. Unset: no traces.",
    )
    sample_share: Annotated[float, EXPERT] = Field(
        1.0,
        ge=0.0,
        le=1.0,
        description="Share of traces that are sampled. A caller that does not sample its trace is followed.",
    )


class LogSettings(BaseModel):
    """What is logged. Names, payloads and pictures are never logged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least severe level that is logged."
    )
    format: Literal["json", "console"] = Field(
        "json", description='"json": one JSON object a line. "console": text for people.'
    )
