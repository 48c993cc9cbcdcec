"""Where the server listens and how it stops."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ServerSettings(BaseModel):
    """The edge. Addresses are host:port; port 0 takes a free one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    listen: str = Field("127.0.0.1:50051", pattern=r".+:\d+$", description="gRPC address, host:port.")
    http_listen: str = Field(
        "127.0.0.1:8080", pattern=r"^$|.+:\d+$", description="HTTP address, host:port; empty turns HTTP off."
    )
    tls_certificate: Path | None = Field(None, description="PEM file of the server's certificate chain.")
    tls_key: Path | None = Field(None, description="PEM file of the server's key.")
    idle_timeout_s: float = Field(
        60.0, ge=0.0, description="Seconds without any message after which a stream ends; 0: never."
    )
    drain_timeout_s: float = Field(
        10.0,
        ge=0.0,
        description="Seconds that a stop waits for what is in flight before it ends streams regardless.",
    )
    max_streams: int = Field(1024, ge=1, description="Streams at once.")
    max_unread_holding: int = Field(
        64,
        ge=1,
        description="HOLDING events that wait for a slow reader; further ones are dropped and counted.",
    )
    max_unread_notices: int = Field(
        10_000,
        ge=100,
        description="Events of other kinds that wait; a stream that reads slower than this ends.",
    )


class RulesSettings(BaseModel):
    """Which GIFs are chosen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    book: Path | None = Field(None, description="Rule book, YAML or TOML; none takes the default book.")
    gifs: Path | None = Field(
        None, description="Folder served under /gifs/ over HTTP; none takes the default pack."
    )
    seed: int = Field(0, description="Seed of the choice among weighted GIFs.")
    reload_interval_s: float = Field(2.0, ge=0.1, description="Seconds between two looks at the book's file.")


class LogSettings(BaseModel):
    """What is logged. Never names, payloads or pictures."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least severe level logged."
    )
    format: Literal["json", "console"] = Field(
        "json", description="One JSON object a line, or text for people."
    )
