"""LiveKit's connection for signalling: one protobuf a WebSocket message, in both directions."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping

import aiohttp
from google.protobuf.message import DecodeError
from livekit.protocol import rtc

from gifcue.errors import without_secrets
from gifcue.ingest.livekit import requests
from gifcue.ingest.livekit.access import Tokens
from gifcue.ingest.livekit.errors import LiveKitError, LiveKitRefused, LiveKitUnavailable

# Later versions move participants between rooms: consent that was given in one room would be taken for another.
PROTOCOL = 15
# Bytes of one message. The list of a room of 1,000 participants has 400 KB.
MAX_MESSAGE_BYTES = 4 * 1024 * 1024
# Messages that may wait. A reader that is so far behind has missed its time: it connects again, and gets the state.
MAX_WAITING = 1024
# Bytes of an answer over HTTP that are read: a reason.
_MAX_REASON_BYTES = 2048
CONNECT_S = 10.0
# Seconds between two pings of the WebSocket. A connection without an answer to one is lost.
HEARTBEAT_S = 10.0
# Seconds for the answer to a close frame.
_CLOSE_S = 1.0
# Seconds between two pings of LiveKit's own; LiveKit says how often it wants them.
_PING_S = (1.0, 30.0)
_HTTP = {"ws": "http", "wss": "https"}


def http_address(url: str) -> str:
    """The address of LiveKit for HTTP. `ws` becomes `http`, and `wss` becomes `https`."""
    scheme, separator, rest = url.rstrip("/").partition("://")
    return _HTTP.get(scheme, scheme) + separator + rest


class Signal:
    """A connection from `open` to `close`. `resumes` is the session to be taken up again."""

    def __init__(self, url: str, tokens: Tokens, resumes: str | None = None) -> None:
        self._url = http_address(url)
        self._tokens = tokens
        self._query: dict[str, str] = {"protocol": str(PROTOCOL), "auto_subscribe": "0"}
        if resumes is not None:
            self._query |= {"reconnect": "1", "sid": resumes}
        self._http: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._waiting: asyncio.Queue[rtc.SignalResponse | None] = asyncio.Queue()
        self._end: LiveKitUnavailable | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Connects. Call `close` whether it succeeds or not.

        Raises:
            LiveKitUnavailable: there is no connection.
            LiveKitRefused: the token is not accepted.
        """
        await self._connect()
        self._tasks.append(asyncio.create_task(self._read(), name="LiveKit signalling"))

    async def close(self) -> None:
        """Ends the connection. Can be called more than once."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._socket is not None:
            await self._socket.close()
        if self._http is not None:
            await self._http.close()

    async def first(self) -> rtc.SignalResponse:
        """The first message. LiveKit begins with one at once.

        Raises:
            LiveKitUnavailable: there is none.
        """
        try:
            async with asyncio.timeout(CONNECT_S):
                return await anext(self.messages())
        except TimeoutError:
            raise LiveKitUnavailable(
                f"expected LiveKit to begin within {CONNECT_S:g} s, got nothing"
            ) from None

    async def messages(self) -> AsyncIterator[rtc.SignalResponse]:
        """What LiveKit says, as it comes.

        Raises:
            LiveKitUnavailable: the connection is lost.
        """
        while (message := await self._waiting.get()) is not None:
            yield message
        raise self._end or LiveKitUnavailable("expected a connection to LiveKit, got its end")

    async def send(self, request: rtc.SignalRequest) -> None:
        """Sends a request. There is no answer to most of them.

        Raises:
            LiveKitUnavailable: the connection is lost.
        """
        if self._end is not None:
            raise self._end
        if self._socket is None:
            raise LiveKitUnavailable("expected a connection to LiveKit, got none yet")
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._socket.send_bytes(request.SerializeToString())
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._end or LiveKitUnavailable(
                f"expected a connection to LiveKit, got: {str(error) or 'no progress'}"
            ) from None

    def keep_alive(self, interval_s: float) -> None:
        """Begins to send pings. 0: LiveKit did not say how often."""
        lowest, highest = _PING_S
        pinging = self._ping(min(max(interval_s or HEARTBEAT_S, lowest), highest))
        self._tasks.append(asyncio.create_task(pinging, name="LiveKit pings"))

    async def _connect(self) -> None:
        self._http = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=CONNECT_S),
            # Not in the address: addresses are logged.
            headers={"Authorization": f"Bearer {self._tokens.join()}"},
        )
        try:
            async with asyncio.timeout(CONNECT_S):
                self._socket = await self._http.ws_connect(
                    f"{self._url}/rtc",
                    params=self._query,
                    heartbeat=HEARTBEAT_S,
                    timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_S),
                    max_msg_size=MAX_MESSAGE_BYTES,
                )
        except aiohttp.WSServerHandshakeError as error:
            raise await self._refusal(error.status) from None
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            # aiohttp repeats the address in some of its messages.
            reason = without_secrets(str(error)) or f"no answer within {CONNECT_S:g} s"
            raise LiveKitUnavailable(
                f"expected LiveKit at {without_secrets(self._url)}, got: {reason}"
            ) from None

    async def _refusal(self, status: int) -> LiveKitError:
        """A refused WebSocket has no body that can be read: the reason is asked for as browsers ask for it."""
        reason = await self._reason(self._query)
        text = f"expected LiveKit to accept the token and the room, got status {status}"
        text = f"{text}: {reason}" if reason else text
        # 404: the room does not exist yet, where LiveKit makes none by itself; or a proxy has no LiveKit at the moment.
        is_final = status in (400, 401, 403)
        return LiveKitRefused(text) if is_final else LiveKitUnavailable(text)

    async def _reason(self, query: Mapping[str, str]) -> str:
        assert self._http is not None
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
            async with self._http.get(f"{self._url}/rtc/validate", params=query) as answer:
                body = await answer.content.read(_MAX_REASON_BYTES)
            line = " ".join(body.decode("utf-8", "replace").split())
            return self._tokens.without(line)[:300]
        return ""

    async def _read(self) -> None:
        assert self._socket is not None
        reason = "LiveKit closed the connection"
        try:
            async for each in self._socket:
                if each.type is not aiohttp.WSMsgType.BINARY:
                    continue
                if self._waiting.qsize() >= MAX_WAITING:
                    reason = f"{MAX_WAITING} messages that nobody took"
                    break
                self._waiting.put_nowait(rtc.SignalResponse.FromString(each.data))
            problem = self._socket.exception()
            if problem is not None:
                reason = str(problem) or type(problem).__name__
        except DecodeError:
            reason = "a message that is no SignalResponse"
        except (aiohttp.ClientError, OSError) as error:
            reason = str(error)
        finally:
            self._over(LiveKitUnavailable(f"expected a connection to LiveKit, got: {reason}"))

    def _over(self, problem: LiveKitUnavailable) -> None:
        if self._end is None:
            self._end = problem
            self._waiting.put_nowait(None)

    async def _ping(self, interval_s: float) -> None:
        while True:
            await asyncio.sleep(interval_s)
            try:
                await self.send(requests.ping(int(time.time() * 1000)))
            except LiveKitUnavailable as error:
                self._over(error)
                return
