"""Reactions as data messages to everybody in the room, over LiveKit's API for servers."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import aiohttp

from gifcue.client import Event, Phase, Reaction, Ready
from gifcue.ingest.livekit.access import Tokens
from gifcue.ingest.livekit.signal import http_address
from gifcue.ingest.report import Notice

TOPIC = "gifcue.reaction"
# The number in each message. It changes where a field changes its meaning.
VERSION = 1
# Messages that may wait.
MAX_WAITING = 256
# Seconds after which the beginning of a reaction is of no use.
LATE_S = 3.0
# Reactions whose beginning was late, and whose end is awaited.
_MAX_LATE = 4096
# Seconds at the end for messages that wait.
DRAIN_S = 3.0
# Seconds for one message.
SEND_S = 5.0
_MAX_REASON_BYTES = 2048
_PATH = "/twirp/livekit.RoomService/SendData"


def message_of(reaction: Reaction, gif_base_url: str) -> Mapping[str, Any] | None:
    """The JSON object that is sent to the room; None for steps of a reaction that are not sent."""
    if reaction.phase not in (Phase.STARTED, Phase.ENDED):
        return None
    gif = reaction.gif
    message: dict[str, Any] = {
        "version": VERSION,
        "participant": reaction.participant_id,
        "reaction_id": reaction.reaction_id,
        "label": reaction.label,
        "phase": reaction.phase.name,
    }
    if reaction.phase is Phase.ENDED:
        return {**message, "end_reason": reaction.end_reason}
    if gif is not None:
        url = gif_base_url.rstrip("/") + gif.url if gif.url.startswith("/") else gif.url
        message["gif"] = {"id": gif.gif_id, "url": url, "title": gif.title, "media_type": gif.media_type}
    return {**message, "score": round(reaction.score, 4)}


class ReactionPublisher:
    """`put` takes events of gifcue; what follows from them is sent in order. Use it with `async with`, which waits at
    the end until the last messages are sent, for `DRAIN_S` at most.

    Each message is sent once, and the beginning of a reaction is not sent late: that is worse than none. `sent` counts
    messages, `not_sent` those that were not sent or that LiveKit did not take, by reason. `now` is in seconds.
    """

    def __init__(
        self,
        url: str,
        room: str,
        tokens: Tokens,
        tell: Callable[[Notice], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address = http_address(url) + _PATH
        self._room = room
        self._tokens = tokens
        self._tell = tell
        self._now = now
        self._waiting: asyncio.Queue[tuple[float, Mapping[str, Any]]] = asyncio.Queue(MAX_WAITING)
        self._unfinished = 0  # messages that wait, and the one that is being sent
        self._late: dict[str, None] = {}  # reactions whose beginning was not sent
        self._sending: asyncio.Task[None] | None = None
        self._gif_base_url = ""
        self._problem = ""  # of the last message, so that it is told once
        self._not_sent: Counter[str] = Counter()
        self.sent = 0

    async def __aenter__(self) -> Self:
        self._sending = asyncio.create_task(self._send_forever(), name="data messages to LiveKit")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._sending is not None
        drained = asyncio.ensure_future(self._waiting.join())
        try:
            await asyncio.wait({self._sending, drained}, timeout=DRAIN_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._sending.cancel()
            drained.cancel()
            await asyncio.wait({self._sending, drained})
            self._not_sent["ended"] += self._unfinished
            self._unfinished = 0
        if not self._sending.cancelled():
            self._sending.result()

    @property
    def not_sent(self) -> Mapping[str, int]:
        """By reason."""
        return +self._not_sent

    def put(self, event: Event) -> None:
        """Takes an event. Anything but the beginning and the end of a reaction is left out."""
        if isinstance(event, Ready):
            self._gif_base_url = event.gif_base_url
        if not isinstance(event, Reaction):
            return
        message = message_of(event, self._gif_base_url)
        if message is None:
            return
        try:
            self._waiting.put_nowait((self._now(), message))
            self._unfinished += 1
        except asyncio.QueueFull:
            self._not_sent["slow_livekit"] += 1

    async def _send_forever(self) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SEND_S)) as http:
            while True:
                since_s, message = await self._waiting.get()
                if self._is_too_late(since_s, message):
                    self._not_sent["too_late"] += 1
                else:
                    problem = await self._send(http, message)
                    if problem and problem != self._problem:
                        self._tell(Notice("refused", detail=f"a data message: {problem}"))
                    self._problem = problem
                self._unfinished -= 1
                self._waiting.task_done()

    def _is_too_late(self, since_s: float, message: Mapping[str, Any]) -> bool:
        """Whether a reaction begins too late to be shown, or ends that was not shown. What was shown has to end."""
        reaction = message["reaction_id"]
        if message["phase"] == Phase.ENDED.name:
            was_late = reaction in self._late
            self._late.pop(reaction, None)
            return was_late
        if self._now() - since_s <= LATE_S:
            return False
        if len(self._late) >= _MAX_LATE:
            del self._late[next(iter(self._late))]
        self._late[reaction] = None
        return True

    async def _send(self, http: aiohttp.ClientSession, message: Mapping[str, Any]) -> str:
        """Sends a message; returns why LiveKit did not take it, empty where it did."""
        body = {
            "room": self._room,
            "data": base64.b64encode(json.dumps(message, ensure_ascii=False).encode()).decode(),
            "kind": "RELIABLE",
            "topic": TOPIC,
        }
        headers = {"Authorization": f"Bearer {self._tokens.admin()}"}
        try:
            async with http.post(self._address, json=body, headers=headers) as answer:
                if answer.status == 200:
                    self.sent += 1
                    return ""
                reason = await answer.content.read(_MAX_REASON_BYTES)
                self._not_sent[f"status_{answer.status}"] += 1
                text = self._tokens.without(" ".join(reason.decode("utf-8", "replace").split()))[:300]
                return f"expected LiveKit to take it, got status {answer.status}: {text}"
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            self._not_sent["unreachable"] += 1
            return f"expected LiveKit to take it, got: {type(error).__name__}"
