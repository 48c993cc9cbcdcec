"""Settings of the access control."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from gifcue.expert import EXPERT


class AccessSettings(BaseModel):
    """Which tokens are needed, and how much one caller may use. A caller is the subject of a token, without tokens the
    address of the peer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: Path | None = Field(
        None,
        description="TOML file with the keys and static tokens of callers (docs/access.md). Unset: no token is needed.",
    )
    audience: str | None = Field(
        None,
        min_length=1,
        description="What a token must name as its audience (`aud`). Unset: none may be named.",
    )
    issuer: str | None = Field(
        None, min_length=1, description="What a token must name as its issuer (`iss`). Unset: any."
    )
    max_streams: int = Field(
        0, ge=0, description="Streams of one caller at the same time. 0: as many as the server takes."
    )
    max_participants: int = Field(
        0, ge=0, description="Participants of one caller at the same time. 0: as many as the server takes."
    )
    joins_per_s: Annotated[float, EXPERT] = Field(
        100.0,
        ge=0.0,
        description="Joins of one caller a second, on average; ten seconds' worth may come at once. 0: any number.",
    )
    stills_per_s: Annotated[float, EXPERT] = Field(
        100.0,
        ge=0.0,
        description="Stills of one caller a second, on average; ten seconds' worth may come at once. 0: any number.",
    )
    leeway_s: Annotated[float, EXPERT] = Field(
        30.0,
        ge=0.0,
        le=600.0,
        description="Seconds that the clocks of a token's issuer and the server may differ.",
    )
    expired_grace_s: Annotated[float, EXPERT] = Field(
        60.0, ge=0.0, description="Seconds that an open stream goes on after its token has expired."
    )
    reload_interval_s: Annotated[float, EXPERT] = Field(
        2.0, ge=0.1, description="Seconds between two checks whether keys or certificates have changed."
    )
