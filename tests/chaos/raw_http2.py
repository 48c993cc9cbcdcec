"""A gRPC client made by hand: it grants no window, sends half a message, or breaks the connection as it likes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

from gifcue.v1 import reaction_service_pb2
from tests.chaos.streams import Request, now_s

STREAM_REACTIONS = "/gifcue.v1.ReactionService/StreamReactions"
ANNOTATE_IMAGE = "/gifcue.v1.ReactionService/AnnotateImage"
WATCH_HEALTH = "/grpc.health.v1.Health/Watch"


def prefixed(data: bytes, *, compressed: bool = False) -> bytes:
    """A message of gRPC as it goes over HTTP/2."""
    return struct.pack(">BI", compressed, len(data)) + data


@dataclass(slots=True)
class RawConnection:
    """One HTTP/2 connection. It reads, so that its end is noticed, and grants the server only what `window` says."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    connection: h2.connection.H2Connection
    authority: str
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    ended_streams: set[int] = field(default_factory=set)
    # The gRPC status of each call that has ended with one, and its message.
    statuses: dict[int, tuple[int, str]] = field(default_factory=dict)
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    def call(self, path: str, *headers: tuple[str, str]) -> int:
        """Begins a call and returns the number of its HTTP/2 stream."""
        stream_id = self.connection.get_next_available_stream_id()
        self.connection.send_headers(
            stream_id,
            [
                (":method", "POST"),
                (":scheme", "http"),
                (":path", path),
                (":authority", self.authority),
                ("content-type", "application/grpc"),
                ("te", "trailers"),
                *headers,
            ],
        )
        return stream_id

    async def flush(self) -> None:
        """Writes what was prepared. Raises ConnectionError where the server has closed the connection."""
        self.writer.write(self.connection.data_to_send())
        await self.writer.drain()

    async def send_data(self, stream_id: int, data: bytes) -> bool:
        """Sends bytes of a call within the server's windows; False where the call or the connection is over."""
        view = memoryview(data)
        while view:
            if self.ended.is_set() or stream_id in self.ended_streams:
                return False
            try:
                room = min(
                    self.connection.local_flow_control_window(stream_id),
                    self.connection.max_outbound_frame_size,
                )
                if room <= 0:
                    self._moved.clear()
                    await asyncio.wait_for(self._moved.wait(), 10.0)
                    continue
                self.connection.send_data(stream_id, bytes(view[:room]))
                view = view[room:]
                await self.flush()
            except (h2.exceptions.ProtocolError, ConnectionError, TimeoutError):
                return False
        return True

    def reset(self, stream_id: int) -> None:
        """Ends a call by RST_STREAM."""
        with contextlib.suppress(h2.exceptions.ProtocolError):
            self.connection.reset_stream(stream_id)

    def half_close(self) -> None:
        """Ends the writing side of the TCP connection, without a word of HTTP/2."""
        self.writer.write_eof()

    def break_off(self) -> None:
        """Ends the TCP connection with a reset in place of an orderly end."""
        sock = self.writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def until_ended(self, timeout_s: float) -> float:
        """Seconds until the server ended a call or the connection; infinity where it did not."""
        began_s = now_s()
        try:
            await asyncio.wait_for(self.ended.wait(), timeout_s)
        except TimeoutError:
            return float("inf")
        return now_s() - began_s

    async def read(self, *, one_call: bool) -> None:
        """Follows the connection until it ends, or until a call ends where `one_call`."""
        with contextlib.suppress(OSError, h2.exceptions.ProtocolError):
            while data := await self.reader.read(65536):
                for event in self.connection.receive_data(data):
                    if isinstance(event, h2.events.TrailersReceived | h2.events.ResponseReceived):
                        self._take_status(event)
                    if isinstance(event, h2.events.StreamEnded | h2.events.StreamReset):
                        if event.stream_id is not None:
                            self.ended_streams.add(event.stream_id)
                        if one_call:
                            self.ended.set()
                    elif isinstance(event, h2.events.ConnectionTerminated):
                        self.ended.set()
                self._moved.set()
                self.writer.write(self.connection.data_to_send())
        self.ended.set()
        self._moved.set()

    def _take_status(self, event: h2.events.TrailersReceived | h2.events.ResponseReceived) -> None:
        headers = {str(name): str(value) for name, value in event.headers or ()}
        if event.stream_id is not None and "grpc-status" in headers:
            self.statuses[event.stream_id] = (int(headers["grpc-status"]), headers.get("grpc-message", ""))


@contextlib.asynccontextmanager
async def raw_connection(
    target: str, *, window: int | None = None, one_call: bool = False
) -> AsyncIterator[RawConnection]:
    """Opens a connection; `window` is what each call of it may be sent, in bytes, and HTTP/2's 65,535 where None."""
    host, _, port = target.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    connection = h2.connection.H2Connection(
        h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
    )
    if window is not None:
        connection.local_settings = h2.settings.Settings(
            client=True, initial_values={h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window}
        )
    connection.initiate_connection()
    raw = RawConnection(reader, writer, connection, target)
    task = asyncio.create_task(raw.read(one_call=one_call), name="raw connection")
    try:
        await raw.flush()
        yield raw
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, OSError):
            await task
        writer.close()


@dataclass(slots=True)
class ClosedWindow:
    """A call of StreamReactions whose client can be sent nothing."""

    raw: RawConnection
    stream_id: int

    async def ask_statistics(self, times: int) -> None:
        """Asks for answers that cannot be delivered."""
        message = prefixed(Request(statistics=reaction_service_pb2.StatisticsRequest()).SerializeToString())
        await self.raw.send_data(self.stream_id, message * times)

    async def until_ended(self, timeout_s: float) -> float:
        """Seconds until the server ended the call or the connection; infinity where it did not."""
        return await self.raw.until_ended(timeout_s)


@contextlib.asynccontextmanager
async def closed_window(target: str) -> AsyncIterator[ClosedWindow]:
    """Opens a stream, sends its configuration, and never grants a byte."""
    async with raw_connection(target, window=0, one_call=True) as raw:
        client = ClosedWindow(raw, raw.call(STREAM_REACTIONS))
        config = reaction_service_pb2.StreamConfig(room_id="chaos", client_name="closed window")
        await raw.send_data(client.stream_id, prefixed(Request(config=config).SerializeToString()))
        yield client
