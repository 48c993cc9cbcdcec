"""Sends a signed POST for each chosen GIF, as specified by https://www.standardwebhooks.com.

webhook-id         the reaction's id, the same in every attempt, so that the receiver recognises repetitions
idempotency-key    the reaction's id and its phase; the body has it as well, where the signature covers it
webhook-timestamp  seconds since 1970 at this attempt; the receiver refuses requests that are minutes old
webhook-signature  "v1," and the base64 of HMAC-SHA256 over "{id}.{timestamp}.{body}"
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable

from yarl import URL

from gifcue.delivery.http import Poster
from gifcue.delivery.settings import WebhookSettings, secret_bytes
from gifcue.delivery.sink import AttemptOutcome, AttemptResult, Cue, CueGif, DeadReason


def sign(key: bytes, message_id: str, timestamp_s: int, body: bytes) -> str:
    """The value of `webhook-signature`. Receivers must compare it in constant time (`hmac.compare_digest`)."""
    signed = f"{message_id}.{timestamp_s}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


class WebhookSink:
    """Posts to one address. `wall_clock` returns seconds since 1970."""

    name = "webhook"

    def __init__(self, settings: WebhookSettings, wall_clock: Callable[[], float]) -> None:
        self._url = URL(settings.url)
        self._key = secret_bytes(settings.secret)
        self._wall_clock = wall_clock
        self._poster = Poster()

    def reject_reason(self, gif: CueGif, room_id: str | None = None) -> DeadReason | None:
        return None

    async def send(self, cue: Cue, on_sent: Callable[[], None]) -> AttemptResult:
        body = _body(cue)
        timestamp_s = int(self._wall_clock())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": cue.reaction_id,
            "idempotency-key": cue.idempotency_key,
            "webhook-timestamp": str(timestamp_s),
            "webhook-signature": sign(self._key, cue.reaction_id, timestamp_s, body),
        }
        status = await self._poster.post(self._url, body, headers, on_sent)
        if status is None:
            return AttemptResult(AttemptOutcome.NO_ANSWER)
        return status.common_result() or AttemptResult(AttemptOutcome.REFUSED, DeadReason.REFUSED)

    async def close(self) -> None:
        await self._poster.close()


def _body(cue: Cue) -> bytes:
    gif = {
        "id": cue.gif.id,
        "url": cue.gif.url,
        "title": cue.gif.title,
        "media_type": cue.gif.media_type,
    }
    if cue.gif.video_url is not None:
        gif["video_url"] = cue.gif.video_url
    values = {
        "type": "reaction.started",
        "idempotency_key": cue.idempotency_key,
        "reaction_id": cue.reaction_id,
        "room_id": cue.room_id,
        "participant_id": cue.participant_id,
        "label": cue.label,
        "score": round(cue.score, 4),
        "gif": gif,
    }
    return json.dumps(values, separators=(",", ":"), ensure_ascii=False).encode()
