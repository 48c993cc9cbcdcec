"""What only WebSocket has: the handshake, frames that are no messages, and the close frame."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import struct

import aiohttp
import grpc
import pytest

from gifcue.access.bearer import SUBPROTOCOL
from gifcue.access.peers import TrustedProxies
from gifcue.server import websocket_transport
from gifcue.server.config import Settings, load_settings
from gifcue.server.http_connections import BoundedConnection, ConnectionCounts
from gifcue.server.lifecycle import Server
from gifcue.server.transport import StreamStatus
from gifcue.server.unread import UnreadBytes
from gifcue.server.websocket_transport import (
    CONTROL_FRAMES_AT_ONCE,
    MAX_REASON_BYTES,
    Socket,
    WebSocketTransport,
    reason_of,
)
from gifcue.v1 import reaction_service_pb2 as pb
from tests.support.colour_detector import TARGET
from tests.support.raw_streams import Over, WebSocketStream, raw_stream, websocket
from tests.support.silent_websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    frame,
    silent_websocket,
)
from tests.support.waiting import TIMEOUT_S, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG = pb.StreamReactionsRequest(config=pb.StreamConfig(room_id="room"))
STATISTICS = pb.StreamReactionsRequest(statistics=pb.StatisticsRequest())


@pytest.fixture
def server(shared_server: Server) -> Server:
    return shared_server


# The handshake


HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    "Sec-WebSocket-Protocol": SUBPROTOCOL,
}


async def answer(
    server: Server, changes: dict[str, str | None], method: str = "GET"
) -> tuple[int, str, dict[str, str]]:
    """The answer to a handshake with `changes`: status, text and headers."""
    headers = {name: value for name, value in {**HANDSHAKE, **changes}.items() if value is not None}
    url = f"http://127.0.0.1:{server.http_port}/stream"
    async with aiohttp.ClientSession() as session, session.request(method, url, headers=headers) as got:
        # After 101 comes no body.
        return got.status, "" if got.status == 101 else await got.text(), dict(got.headers)


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"Upgrade": None}, 426, "expected a WebSocket handshake"),
        ({"Upgrade": "h2c"}, 426, "expected a WebSocket handshake"),
        ({"Sec-WebSocket-Version": "8"}, 426, "expected version 13"),
        ({"Sec-WebSocket-Key": "short"}, 400, ""),
        ({"Sec-WebSocket-Key": None}, 400, ""),
        ({"Sec-WebSocket-Protocol": "gifcue.v2"}, 400, "expected the subprotocol gifcue.v1"),
        ({"Sec-WebSocket-Protocol": "gifcue.token.x"}, 400, "expected the subprotocol gifcue.v1"),
        ({"Origin": "https://evil.example.com"}, 403, "server.allowed_origins"),
        ({"Origin": "null"}, 403, "server.allowed_origins"),
        ({"Host": "rebound.example.com"}, 421, "server.allowed_hosts"),
    ],
)
async def test_other_requests_are_answered_before_the_upgrade(
    server: Server, changes: dict[str, str | None], status: int, words: str
) -> None:
    got, text, _ = await answer(server, changes)
    assert (got, words in text) == (status, True), text


async def test_an_answer_says_which_version_is_spoken(server: Server) -> None:
    _, _, headers = await answer(server, {"Sec-WebSocket-Version": "8"})
    assert headers["Sec-WebSocket-Version"] == "13"


async def test_other_methods_are_refused(server: Server) -> None:
    assert (await answer(server, {}, "POST"))[0] == 405


@pytest.mark.parametrize("origin", ["http://127.0.0.1:{port}", "http://localhost:3000"])
async def test_a_page_of_this_server_and_of_this_machine_may_connect(server: Server, origin: str) -> None:
    async with websocket(server, origin=origin.format(port=server.http_port)) as socket:
        assert socket.protocol == SUBPROTOCOL


async def test_a_site_that_is_allowed_may_connect(settings: Settings) -> None:
    made = settings.model_dump()
    made["server"]["allowed_origins"] = ["https://meet.example.org"]
    async with (
        Server(load_settings(None, made), detector_target=TARGET) as server,
        websocket(server, origin="https://meet.example.org") as socket,
    ):
        assert socket.protocol == SUBPROTOCOL


async def test_a_client_need_not_propose_subprotocols_and_may_name_the_room_for_proxies(
    server: Server,
) -> None:
    async with websocket(server, "?room=weekly", protocols=()) as socket:
        assert socket.protocol is None
        await socket.send_bytes(CONFIG.SerializeToString())
        assert (await socket.receive()).type is aiohttp.WSMsgType.BINARY


async def test_a_token_of_a_client_with_other_subprotocols_is_not_logged(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        await answer(server, {"Sec-WebSocket-Protocol": "gifcue.v2, gifcue.token.secret"})
        await answer(server, {"Sec-WebSocket-Protocol": "gifcue.token.secret"})
    assert "secret" not in caplog.text


async def test_compression_is_not_negotiated(server: Server) -> None:
    async with websocket(server, compress=15) as socket:
        assert not socket.compress


# Frames that are no messages


@pytest.mark.parametrize(
    ("frames", "status", "words"),
    [
        (
            frame(b"{}", TEXT),
            grpc.StatusCode.INVALID_ARGUMENT,
            "expected binary WebSocket messages, got a text",
        ),
        # Compressed, although that was not agreed upon.
        (frame(b"x", reserved=4), grpc.StatusCode.INVALID_ARGUMENT, "expected WebSocket frames (RFC 6455)"),
        (frame(b"x", 0x3), grpc.StatusCode.INVALID_ARGUMENT, "expected WebSocket frames (RFC 6455)"),
        (frame(b"x", CONTINUATION), grpc.StatusCode.INVALID_ARGUMENT, "expected WebSocket frames (RFC 6455)"),
        (frame(b"x" * 126, PING), grpc.StatusCode.INVALID_ARGUMENT, "expected WebSocket frames (RFC 6455)"),
        (frame(b"x", CLOSE), grpc.StatusCode.INVALID_ARGUMENT, "expected WebSocket frames (RFC 6455)"),
        (
            frame(b"x", last=False) + frame(b"x"),
            grpc.StatusCode.INVALID_ARGUMENT,
            "expected WebSocket frames (RFC 6455)",
        ),
        (
            # Whoever announces it need not send it.
            frame(b"")[:1] + struct.pack("!BQ", 0xFF, 1 << 40) + b"mask",
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "expected messages of at most 2228224 bytes, got a larger one",
        ),
        (
            frame(bytes(1 << 20), last=False) + frame(bytes(1 << 20), CONTINUATION, last=False) * 2,
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "expected messages of at most 2228224 bytes, got a larger one",
        ),
        (
            frame(b"x", PING) * (CONTROL_FRAMES_AT_ONCE + 50),
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "expected at most 4 pings and pongs a second",
        ),
        (
            frame(b"", PONG) * (CONTROL_FRAMES_AT_ONCE + 50),
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "expected at most 4 pings and pongs a second",
        ),
    ],
    ids=[
        "text",
        "compressed",
        "unknown opcode",
        "continuation of nothing",
        "large ping",
        "close of one byte",
        "message within a message",
        "announced size",
        "fragments",
        "pings",
        "pongs",
    ],
)
async def test_what_is_no_message_ends_the_stream(
    server: Server, frames: bytes, status: grpc.StatusCode, words: str
) -> None:
    async with silent_websocket(server.http_port) as client:
        await client.send(CONFIG)
        await client.send_raw(frames)
        async with asyncio.timeout(TIMEOUT_S):
            got = await client.read_to_the_end()
    assert got[0][0] == BINARY  # ready
    opcode, payload = got[-1]
    assert opcode == CLOSE
    (code,) = struct.unpack("!H", payload[:2])
    assert (code, payload[2:].decode()[: len(words)]) == (4000 + status.value[0], words)
    assert len(payload) <= 125


async def test_a_message_of_the_greatest_size_is_taken_whole_and_in_fragments(server: Server) -> None:
    async with raw_stream(server, Over.WEBSOCKET) as stream, silent_websocket(server.http_port) as fragments:
        limit = 2_228_224
        # A field that no version knows, which protobuf skips.
        padding = b"\xfa\x7f" + _varint(limit - 2 - 4) + bytes(limit - 2 - 4)
        assert len(padding) == limit
        await stream.send(CONFIG)
        await stream.send(padding)
        # It is read and understood, and says nothing.
        code, details = await stream.status()
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert "got an empty message" in details
        await fragments.send(CONFIG)
        step = 65_536
        parts = [padding[start : start + step] for start in range(0, limit, step)]
        for index, part in enumerate(parts):
            opcode = BINARY if index == 0 else CONTINUATION
            # A ping may come between the fragments of a message.
            await fragments.send_raw(frame(b"", PING) + frame(part, opcode, last=index == len(parts) - 1))
        async with asyncio.timeout(TIMEOUT_S):
            got = await fragments.read_to_the_end()
    # `ready` comes when it is ready, between the pongs.
    assert sorted(opcode for opcode, _ in got) == [BINARY, CLOSE, *([PONG] * len(parts))]
    assert got[-1][0] == CLOSE
    assert b"got an empty message" in got[-1][1]


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


async def test_a_ping_is_answered_with_its_payload(server: Server) -> None:
    async with websocket(server, autoping=False) as socket:
        await socket.ping(b"are you there")
        pong = await asyncio.wait_for(socket.receive(), TIMEOUT_S)
        assert (pong.type, pong.data) == (aiohttp.WSMsgType.PONG, b"are you there")


async def test_half_messages_of_many_clients_have_a_bound_together(settings: Settings) -> None:
    megabyte = 1 << 20
    async with Server(settings, detector_target=TARGET) as server, contextlib.AsyncExitStack() as stack:
        counts = server._ports.http[0].counts
        counts.unread = UnreadBytes(4 * megabyte, on_cut=counts.unread._on_cut)
        half = frame(bytes(2 * megabyte))[: 3 * megabyte // 2]
        clients = []
        for _ in range(4):
            client = await stack.enter_async_context(silent_websocket(server.http_port))
            await client.send(CONFIG)
            with contextlib.suppress(ConnectionError):
                await client.send_raw(half)
            clients.append(client)
        await until(lambda: counts.refused.get("unread_bytes"), expected="a client that was cut off")
        assert counts.unread.total <= 4 * megabyte
        # Somebody who sends whole messages is not the fullest.
        async with raw_stream(server, Over.WEBSOCKET) as stream:
            await stream.send(CONFIG)
            assert await stream.read() is not None
    assert counts.unread.total == 0


# The end


@pytest.mark.parametrize(
    ("payload", "status"),
    [
        (b"", grpc.StatusCode.OK),
        (struct.pack("!H", 1000), grpc.StatusCode.OK),
        # The page goes away, or the client gives up.
        (struct.pack("!H", 1001), grpc.StatusCode.CANCELLED),
        (struct.pack("!H", 4001) + b"bye", grpc.StatusCode.CANCELLED),
    ],
)
async def test_the_close_code_of_a_client_says_whether_it_is_done(
    server: Server, payload: bytes, status: grpc.StatusCode
) -> None:
    async with websocket(server) as socket:
        stream = WebSocketStream(socket)
        await stream.send(CONFIG)
        assert await stream.read() is not None
        await socket.send_frame(payload, aiohttp.WSMsgType.CLOSE)
        assert (await stream.status())[0] is status


async def test_a_client_that_does_not_answer_the_close_frame_is_cut_off(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket_transport, "CLOSE_S", 0.05)
    async with silent_websocket(server.http_port) as client:
        await client.send(CONFIG)
        await client.send(CONFIG)
        await until(lambda: not server._ports.http[0].counts.open, expected="no connection")


# What is received, without a network


class FakeConnection:
    """The asyncio transport below a WebSocket."""

    def __init__(self) -> None:
        counts = ConnectionCounts(1, TrustedProxies(()))
        self._protocol = BoundedConnection(asyncio.Protocol, counts, None)

    def get_extra_info(self, name: str) -> None:
        return None

    def get_protocol(self) -> BoundedConnection:
        return self._protocol

    def abort(self) -> None:
        pass


class FakeRequest:
    """The request that was upgraded; its client does not read."""

    class Protocol:
        writing_paused = True

    def __init__(self) -> None:
        self.protocol = self.Protocol()
        self.transport = FakeConnection()


class FilledSocket(Socket):
    """A WebSocket whose queue holds messages."""

    def __init__(self, *messages: tuple[aiohttp.WSMsgType, bytes]) -> None:
        super().__init__(SUBPROTOCOL, 100)
        self.pongs: list[bytes] = []
        self.messages = list(messages)

    async def receive(self, timeout: float | None = None) -> aiohttp.WSMessage:  # noqa: ASYNC109
        return aiohttp.WSMessage(*self.messages.pop(0), "")

    async def pong(self, message: bytes = b"") -> None:
        self.pongs.append(message)

    async def send_frame(
        self, message: bytes, opcode: aiohttp.WSMsgType, compress: int | None = None
    ) -> None:
        pass


async def test_a_pong_to_a_client_that_does_not_read_is_left_out() -> None:
    """Otherwise pongs would wait in memory, or keep what came after the ping from being read."""
    socket = FilledSocket((aiohttp.WSMsgType.PING, b"x"), (aiohttp.WSMsgType.BINARY, b"message"))
    transport = WebSocketTransport(FakeRequest(), socket, 100)  # type: ignore[arg-type]
    assert await transport.receive() == b"message"
    assert socket.pongs == []


async def test_messages_of_a_full_queue_leave_others_their_turn() -> None:
    socket = FilledSocket(*([(aiohttp.WSMsgType.BINARY, b"x")] * 100))
    transport = WebSocketTransport(FakeRequest(), socket, 100)  # type: ignore[arg-type]
    turns = 0

    async def read_all() -> None:
        while socket.messages:
            await transport.receive()

    reader = asyncio.create_task(read_all())
    while not reader.done():
        turns += 1
        await asyncio.sleep(0)
    await reader
    assert turns >= 100 // 8


def refusal(details: str, retry_after_ms: int = 0) -> StreamStatus:
    return StreamStatus(grpc.StatusCode.UNAVAILABLE, details, retry_after_ms)


async def test_a_reason_says_when_to_come_back_and_is_cut_between_characters() -> None:
    assert reason_of(refusal("short", 1500)) == b"1500 short"
    assert reason_of(refusal("short")) == b"short"
    cut = reason_of(refusal("é" * 100))
    assert (len(cut), cut.decode()) == (MAX_REASON_BYTES - 1, "é" * 61)


class FakeTransport(asyncio.Transport):
    def abort(self) -> None:
        pass


async def test_what_came_with_the_handshake_counts() -> None:
    counts = ConnectionCounts(2, TrustedProxies(()))
    connection = BoundedConnection(asyncio.Protocol, counts, None)
    connection.connection_made(FakeTransport())
    connection.data_received(bytes(1000))
    connection.data_received(bytes(70))
    meter = connection.measure(FakeTransport())
    assert counts.unread.total == 70
    connection.data_received(bytes(30))
    assert counts.unread.total == 100
    # Once the connection was waited for, nothing is left but what came during the wait.
    meter.take(20, 30)
    assert counts.unread.total == 30
    connection.connection_lost(None)
    assert counts.unread.total == 0


async def test_what_is_discarded_after_the_end_counts_until_then() -> None:
    """A client may send for a second after the end of its stream."""
    socket = FilledSocket((aiohttp.WSMsgType.BINARY, bytes(60)), (aiohttp.WSMsgType.CLOSE, b""))
    request = FakeRequest()
    transport = WebSocketTransport(request, socket, 100)  # type: ignore[arg-type]
    meter = request.transport.get_protocol().meter
    assert meter is not None
    meter.add(100)
    await transport.close(StreamStatus(grpc.StatusCode.OK, ""))
    assert not meter.is_closed, "the connection ends it"
    assert meter.held == 40
