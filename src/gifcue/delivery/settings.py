"""Settings of delivery: where chosen GIFs are sent. Nowhere, unless configured."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, field_validator

from gifcue.expert import EXPERT

HttpUrl = Annotated[str, StringConstraints(max_length=2048, pattern=r"^https?://[^/\s?#@]+(/[^\s?#]*)?$")]

SECRET_PREFIX = "whsec_"
# The bounds of the Standard Webhooks specification.
MIN_SECRET_BYTES = 24
MAX_SECRET_BYTES = 64

# pydantic quotes the input in the text of an error, which would be the secret.
_SECRET_CONFIG = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class QueueSettings(BaseModel):
    """How long delivery to a sink is attempted, and how many deliveries run at once."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    retry_unanswered: bool = Field(
        False,
        description="True: an attempt that got no answer is repeated under the same id. Only for receivers that take a "
        "reaction once and know it again by its id.",
    )
    max_queued: Annotated[int, EXPERT] = Field(
        256,
        ge=1,
        le=100_000,
        description="GIFs that may wait for delivery. Further ones are given up at once.",
    )
    max_requests: Annotated[int, EXPERT] = Field(
        8, ge=1, le=256, description="Requests to the sink at the same time."
    )
    timeout_s: Annotated[float, EXPERT] = Field(
        5.0, gt=0.0, le=120.0, description="Seconds that an attempt may take to be answered."
    )
    max_age_s: Annotated[float, EXPERT] = Field(
        20.0,
        gt=0.0,
        le=3600.0,
        description="Seconds after which delivery is not attempted again: the moment has passed.",
    )
    backoff_initial_s: Annotated[float, EXPERT] = Field(
        0.5,
        gt=0.0,
        le=60.0,
        description="Seconds before the second attempt. Each further wait is twice as long.",
    )
    backoff_max_s: Annotated[float, EXPERT] = Field(
        8.0, gt=0.0, le=600.0, description="Longest wait between two attempts before jitter, in seconds."
    )
    jitter: Annotated[float, EXPERT] = Field(
        0.5, ge=0.0, le=1.0, description="Share by which each wait is made longer or shorter at random."
    )


class WebhookSettings(BaseModel):
    """A POST for each chosen GIF, signed as the Standard Webhooks specification says."""

    model_config = _SECRET_CONFIG

    url: HttpUrl = Field(
        description="Address that the webhook posts to. It is not a secret, so a query or credentials are refused."
    )
    secret: SecretStr = Field(
        description='Key that signs the posts: "whsec_" and 24 to 64 bytes in base64. Never logged.'
    )
    queue: QueueSettings = Field(
        default_factory=QueueSettings, description="The delivery queue: attempts and retries."
    )

    @field_validator("secret")
    @classmethod
    def _is_key(cls, secret: SecretStr) -> SecretStr:
        secret_bytes(secret)
        return secret


class EyesonRoom(BaseModel):
    """One meeting."""

    model_config = _SECRET_CONFIG

    access_key: SecretStr = Field(description="The meeting's access key. Never logged.")
    audio: bool = Field(False, description="True: the sound of the video is played too.")
    replace_participant: bool = Field(
        False,
        description="True: the video takes the place of the participant who reacted; participant ids must then be "
        "eyeson's user ids. False: it gets a place of its own.",
    )

    @field_validator("access_key")
    @classmethod
    def _is_key(cls, key: SecretStr) -> SecretStr:
        # The key becomes part of a path.
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", key.get_secret_value()):
            raise ValueError("expected 1 to 256 letters, digits, '-' and '_'")
        return key


class EyesonSettings(BaseModel):
    """Playbacks in eyeson meetings."""

    model_config = _SECRET_CONFIG

    api_url: HttpUrl = Field("https://api.eyeson.team", description="Base address of eyeson's API.")
    rooms: dict[str, EyesonRoom] = Field(
        default_factory=dict, description="The meetings, each under the `room_id` of its streams."
    )
    queue: QueueSettings = Field(
        default_factory=QueueSettings, description="The delivery queue: attempts and retries."
    )


class DeliverySettings(BaseModel):
    """The sinks. Each is off unless its table exists."""

    model_config = _SECRET_CONFIG

    public_url: HttpUrl | None = Field(
        None,
        description="Base address under which receivers and clients reach this server's HTTP port. It goes before the "
        "addresses of GIFs in the rule book that are only a path.",
    )
    webhook: WebhookSettings | None = Field(None, description="The webhook. Unset: none.")
    eyeson: EyesonSettings | None = Field(None, description="Delivery to eyeson meetings. Unset: none.")

    @property
    def base_url(self) -> str:
        """`public_url` without a slash at its end; empty where it is unset."""
        return (self.public_url or "").rstrip("/")


def secret_bytes(secret: SecretStr) -> bytes:
    """The key bytes of a webhook's secret. Raises ValueError, whose message never holds the secret."""
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
