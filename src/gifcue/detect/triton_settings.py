"""Which inference servers run the networks, and how long they may take."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from gifcue.expert import EXPERT

MAX_ENDPOINTS = 32
_ADDRESS = re.compile(r"[^/\s]+:\d+")


class TritonSettings(BaseModel):
    """Servers that speak the Open Inference Protocol over gRPC, as Triton does."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoints: tuple[str, ...] = Field(
        (),
        max_length=MAX_ENDPOINTS,
        description="Addresses of the inference servers, host:port of their gRPC, which are called in turn. A name "
        "with several addresses is one endpoint, whose calls also take turns.",
    )
    model: Annotated[str, EXPERT] = Field(
        "gifcue",
        pattern=r"^[A-Za-z0-9_.-]{1,100}$",
        description="Prefix of the names of the three models, as `gifcue-lab export --triton` writes them: "
        "gifcue_detector, gifcue_face and gifcue_hand.",
    )
    deadline_ms: Annotated[int, EXPERT] = Field(
        200,
        ge=10,
        le=400,
        description="Milliseconds that one call may take. Then another endpoint is asked, once, and after that the "
        "networks run in the detector worker.",
    )
    max_mbit_s: Annotated[float, EXPERT] = Field(
        0.0,
        ge=0.0,
        le=1e6,
        description="Megabits a second that this server sends to the inference servers at most, shared evenly by its "
        "detector processes. What exceeds it is analysed in the detector worker. 0: no limit.",
    )
    tls_ca: Path | None = Field(
        None,
        description="PEM file with the authorities of the inference servers (TLS). Unset: those that gRPC knows.",
    )
    tls_certificate: Annotated[Path | None, EXPERT] = Field(
        None,
        description="PEM file with the certificate chain that is shown to the inference servers (mutual TLS).",
    )
    tls_key: Annotated[Path | None, EXPERT] = Field(
        None, description="PEM file with the private key of that certificate."
    )
    insecure: bool = Field(
        False,
        description="True: calls are not encrypted, and pictures of people cross the network as they are.",
    )
    probe_interval_s: Annotated[float, EXPERT] = Field(
        1.0,
        ge=0.1,
        le=60.0,
        description="Seconds between two checks of an endpoint, and until one that failed is tried again.",
    )

    @field_validator("endpoints")
    @classmethod
    def _check_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for address in value:
            if not _ADDRESS.fullmatch(address):
                raise ValueError(f"expected addresses host:port, got {address!r}")
        if len(set(value)) != len(value):
            raise ValueError("expected each address once, got one twice")
        return value

    @model_validator(mode="after")
    def _check_tls(self) -> TritonSettings:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("expected tls_certificate and tls_key, or neither, got one")
        if self.insecure and (self.tls_ca or self.tls_certificate):
            raise ValueError("expected insecure = false where files for TLS are named, got true")
        return self
