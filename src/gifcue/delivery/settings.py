"""Where chosen GIFs are handed on to. Nothing, unless configured."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, field_validator

HttpUrl = Annotated[str, StringConstraints(max_length=2048, pattern=r"^https?://[^/\s?#@]+(/[^\s?#]*)?$")]

SECRET_PREFIX = "whsec_"
# The bounds of the Standard Webhooks specification.
MIN_SECRET_BYTES = 24
MAX_SECRET_BYTES = 64


class CourierSettings(BaseModel):
    """How long a sink's cues are tried, and how many at once."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_queued: int = Field(256, ge=1, le=100_000, description="Cues open at once; further ones are dead.")
    max_requests: int = Field(8, ge=1, le=256, description="Requests at once.")
    timeout_s: float = Field(5.0, gt=0.0, le=120.0, description="Seconds until an attempt counts as lost.")
    max_age_s: float = Field(
        20.0,
        gt=0.0,
        le=3600.0,
        description="Seconds after which a cue is not tried again: nobody laughs then.",
    )
    backoff_initial_s: float = Field(0.5, gt=0.0, le=60.0, description="Seconds before the second attempt.")
    backoff_max_s: float = Field(
        8.0, gt=0.0, le=600.0, description="Most seconds between two attempts, before jitter."
    )
    jitter: float = Field(
        0.5, ge=0.0, le=1.0, description="Share by which each wait may be longer or shorter."
    )
    retry_unanswered: bool = Field(
        False,
        description="True: an attempt without an answer is repeated, under the same id. Only for receivers that "
        "know a reaction by its id and take it once.",
    )


class WebhookSettings(BaseModel):
    """A POST for each chosen GIF, signed as the Standard Webhooks specification says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: HttpUrl = Field(description="Where to post. Without a query: addresses are not secrets.")
    secret: SecretStr = Field(description='Key of the signatures: "whsec_" and 24 to 64 bytes in base64.')
    courier: CourierSettings = Field(default_factory=CourierSettings, description="Queue, patience, retries.")

    @field_validator("secret")
    @classmethod
    def _is_key(cls, secret: SecretStr) -> SecretStr:
        secret_bytes(secret)
        return secret


class EyesonRoom(BaseModel):
    """One meeting."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    access_key: SecretStr = Field(description="The meeting's access key. Never logged.")
    audio: bool = Field(False, description="True: the video's sound is played, too.")
    replace_participant: bool = Field(
        False,
        description="True: the video takes the place of who reacted (participant ids are then eyeson's user ids); "
        "else it gets a place of its own.",
    )

    @field_validator("access_key")
    @classmethod
    def _is_key(cls, key: SecretStr) -> SecretStr:
        # It becomes a part of a path.
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", key.get_secret_value()):
            raise ValueError("expected 1 to 256 letters, digits, '-' and '_'")
        return key


class EyesonSettings(BaseModel):
    """The playbacks of eyeson's meeting API."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    api_url: HttpUrl = Field("https://api.eyeson.team", description="The API.")
    rooms: dict[str, EyesonRoom] = Field(
        default_factory=dict, description="Meetings, by the streams' room_id."
    )
    courier: CourierSettings = Field(default_factory=CourierSettings, description="Queue, patience, retries.")


class DeliverySettings(BaseModel):
    """The sinks. Each is off unless its table is there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    public_url: HttpUrl | None = Field(
        None,
        description="Where receivers find this server's HTTP port: goes before the rule book's paths.",
    )
    webhook: WebhookSettings | None = Field(None, description="A webhook.")
    eyeson: EyesonSettings | None = Field(None, description="eyeson's meeting API.")


def secret_bytes(secret: SecretStr) -> bytes:
    """The key of a webhook's signatures. Raises ValueError, which never holds the secret."""
    text = secret.get_secret_value()
    expected = f'expected "{SECRET_PREFIX}" and {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes in base64'
    if not text.startswith(SECRET_PREFIX):
        raise ValueError(expected)
    try:
        key = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(expected) from None
    if not MIN_SECRET_BYTES <= len(key) <= MAX_SECRET_BYTES:
        raise ValueError(f"{expected}, got {len(key)} bytes")
    return key
