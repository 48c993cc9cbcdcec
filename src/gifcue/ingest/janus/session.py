"""A session with Janus over its WebSocket API: requests and their answers, events, keep-alive."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import aiohttp

from gifcue.errors import without_secrets
from gifcue.ingest.janus.errors import JanusRefused, JanusUnavailable

SUBPROTOCOL = "janus-protocol"
# Bytes of one message. The list of a room of 1,000 publishers has 300 KB.
MAX_MESSAGE_BYTES = 4 * 1024 * 1024
# Events that may wait. A reader that is so far behind has missed its time: it connects again, and asks for the state.
MAX_WAITING_EVENTS = 1024
CONNECT_S = 10.0
ANSWER_S = 10.0
# Janus ends a session after 60 s without a request, by default.
KEEPALIVE_S = 25.0
# Seconds between two pings of the WebSocket. A connection without an answer to one is lost.
HEARTBEAT_S = 10.0

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class JanusAccess:
    """What Janus itself asks for: `api_secret` of janus.jcfg, and a token where token authentication is on."""

    api_secret: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)


class JanusSession:
    """Use it with `async with`. It is attached to one plugin, and over once the connection is lost.

    Raises, when it is entered:
        JanusUnavailable: there is no connection.
        JanusRefused: Janus wants a secret, or has no such plugin.
    """

    def __init__(self, url: str, plugin: str, access: JanusAccess | None = None) -> None:
        self._url = url
        self._plugin = plugin
        access = access or JanusAccess()
        self._keys = {"apisecret": access.api_secret, "token": access.token}
        self._http: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._session_id: int | None = None
        self._handle_id: int | None = None
        self._answers: dict[str, asyncio.Future[Message]] = {}
        self._events: asyncio.Queue[Message | None] = asyncio.Queue()
        self._end: JanusUnavailable | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        try:
            await self._connect()
            created = await self._request({"janus": "create"}, "a session")
            self._session_id = _id_of(created)
            attached = await self._request({"janus": "attach", "plugin": self._plugin}, self._plugin)
            self._handle_id = _id_of(attached)
            self._tasks.append(asyncio.create_task(self._keep_alive(), name="Janus keep-alive"))
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._end is None:
            with contextlib.suppress(JanusUnavailable, JanusRefused):
                await self._request({"janus": "destroy"}, "the end of the session")
        await self._close()

    async def ask(self, body: Message, what: str) -> Message:
        """Sends a message to the plugin and returns the data of its answer. `what` names it in errors, without secrets.

        Raises:
            JanusRefused: the plugin answered with an error.
            JanusUnavailable: there was no answer.
        """
        answer = await self._request({"janus": "message", "body": body}, what)
        data = _mapping(_mapping(answer.get("plugindata")).get("data"))
        if "error_code" in data or "error" in data:
            raise JanusRefused(what, _integer(data.get("error_code")), str(data.get("error"))[:300])
        return data

    async def events(self) -> AsyncIterator[Message]:
        """The plugin's own messages, as they come.

        Raises:
            JanusUnavailable: the connection is lost, or Janus has ended the session.
        """
        while (event := await self._events.get()) is not None:
            yield event
        raise self._end or JanusUnavailable("expected a session with Janus, got its end")

    async def _connect(self) -> None:
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=CONNECT_S))
        try:
            async with asyncio.timeout(CONNECT_S):
                self._socket = await self._http.ws_connect(
                    self._url,
                    protocols=(SUBPROTOCOL,),
                    heartbeat=HEARTBEAT_S,
                    max_msg_size=MAX_MESSAGE_BYTES,
                )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            # aiohttp repeats the address in some of its messages.
            reason = without_secrets(str(error)) or f"no answer within {CONNECT_S:g} s"
            raise JanusUnavailable(f"expected Janus at {without_secrets(self._url)}, got: {reason}") from None
        self._tasks.append(asyncio.create_task(self._read(), name="Janus reader"))

    async def _request(self, message: Message, what: str) -> Message:
        """Sends a request and waits for its final answer: Janus first says `ack` where that takes time."""
        if self._end is not None:
            raise self._end
        assert self._socket is not None
        transaction = secrets.token_hex(8)
        place = {"session_id": self._session_id, "handle_id": self._handle_id, **self._keys}
        whole = {**message, "transaction": transaction, **{k: v for k, v in place.items() if v is not None}}
        answered: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._answers[transaction] = answered
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._socket.send_str(json.dumps(whole))
                answer = await answered
        except TimeoutError:
            raise JanusUnavailable(
                f"expected Janus to answer {what} within {ANSWER_S:g} s, got nothing"
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            raise self._end or JanusUnavailable(f"expected a connection to Janus, got: {error}") from None
        finally:
            self._answers.pop(transaction, None)
        if answer.get("janus") == "error":
            refusal = _mapping(answer.get("error"))
            raise JanusRefused(what, _integer(refusal.get("code")), str(refusal.get("reason"))[:300])
        return answer

    async def _read(self) -> None:
        assert self._socket is not None
        reason = "Janus closed the connection"
        try:
            async for each in self._socket:
                if each.type is not aiohttp.WSMsgType.TEXT:
                    continue
                message = _message(each.data)
                if message.get("janus") == "timeout" and message.get("session_id") == self._session_id:
                    reason = "Janus ended the session"
                    break
                if not self._take(message):
                    reason = f"{MAX_WAITING_EVENTS} events that nobody took"
                    break
            problem = self._socket.exception()
            if problem is not None:
                reason = str(problem) or type(problem).__name__
        except (aiohttp.ClientError, OSError) as error:
            reason = str(error)
        finally:
            self._over(JanusUnavailable(f"expected a connection to Janus, got: {reason}"))

    def _take(self, message: Message) -> bool:
        """False where too many events wait."""
        answered = self._answers.get(str(message.get("transaction")))
        if answered is not None:
            if message.get("janus") != "ack" and not answered.done():
                answered.set_result(message)
            return True
        if message.get("janus") == "event" and message.get("sender") == self._handle_id:
            if self._events.qsize() >= MAX_WAITING_EVENTS:
                return False
            self._events.put_nowait(_mapping(_mapping(message.get("plugindata")).get("data")))
        elif message.get("janus") == "detached" and message.get("sender") == self._handle_id:
            return False
        return True

    def _over(self, problem: JanusUnavailable) -> None:
        if self._end is None:
            self._end = problem
            self._events.put_nowait(None)
        for answered in self._answers.values():
            if not answered.done():
                answered.set_exception(self._end)

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(KEEPALIVE_S)
            try:
                await self._request({"janus": "keepalive"}, "a keep-alive")
            except (JanusUnavailable, JanusRefused) as error:
                self._over(JanusUnavailable(str(error)))
                return

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._socket is not None:
            await self._socket.close()
        if self._http is not None:
            await self._http.close()


def _message(text: str) -> Message:
    try:
        return _mapping(json.loads(text))
    except (ValueError, RecursionError):
        return {}  # whoever waits for an answer hears of the time limit


def _mapping(value: object) -> Message:
    return value if isinstance(value, dict) else {}


def _integer(value: object) -> int:
    return value if isinstance(value, int) else 0


def _id_of(answer: Message) -> int:
    number = _mapping(answer.get("data")).get("id")
    if not isinstance(number, int):
        raise JanusUnavailable("expected an answer of Janus with an id, got one without")
    return number
