"""A gRPC client that never opens its HTTP/2 window: the server can send it nothing."""

from __future__ import annotations

import asyncio
import contextlib
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

PATH = "/gifcue.v1.ReactionService/StreamReactions"


@dataclass(slots=True)
class ClosedWindow:
    """One stream whose window is closed. Reads the connection, so that its end is noticed, and grants nothing."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    connection: h2.connection.H2Connection
    stream_id: int
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    # The gRPC status that the stream ended with, -1 until it comes, and its message.
    status: int = -1
    details: str = ""

    def send(self, request: Request) -> None:
        """Sends one message; the harness stays within the server's own window."""
        data = request.SerializeToString()
        self.connection.send_data(self.stream_id, b"\0" + struct.pack(">I", len(data)) + data)
        self.writer.write(self.connection.data_to_send())

    async def ask_statistics(self, times: int) -> None:
        """Asks for answers that cannot be delivered."""
        for _ in range(times):
            self.send(Request(statistics=reaction_service_pb2.StatisticsRequest()))
        await self.writer.drain()

    async def until_ended(self, timeout_s: float) -> float:
        """Seconds until the server ended the stream or the connection; infinity where it did not."""
        began_s = now_s()
        try:
            await asyncio.wait_for(self.ended.wait(), timeout_s)
        except TimeoutError:
            return float("inf")
        return now_s() - began_s

    async def read(self) -> None:
        """Follows the connection until the stream or the connection ends."""
        while data := await self.reader.read(65536):
            try:
                events = self.connection.receive_data(data)
            except h2.exceptions.ProtocolError:
                break  # h2 takes nothing after a GOAWAY, and the server still sends a ping behind it
            for event in events:
                if isinstance(event, h2.events.TrailersReceived | h2.events.ResponseReceived):
                    headers = {str(name): str(value) for name, value in event.headers or ()}
                    self.status = int(headers.get("grpc-status", self.status))
                    self.details = headers.get("grpc-message", self.details)
                if isinstance(
                    event, h2.events.StreamEnded | h2.events.StreamReset | h2.events.ConnectionTerminated
                ):
                    self.ended.set()
            self.writer.write(self.connection.data_to_send())
        self.ended.set()


@contextlib.asynccontextmanager
async def closed_window(target: str) -> AsyncIterator[ClosedWindow]:
    """Opens a stream, sends its configuration, and never grants a byte."""
    host, _, port = target.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    connection = h2.connection.H2Connection(
        h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
    )
    connection.local_settings = h2.settings.Settings(
        client=True, initial_values={h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0}
    )
    connection.initiate_connection()
    stream_id = connection.get_next_available_stream_id()
    connection.send_headers(
        stream_id,
        [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", PATH),
            (":authority", target),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        ],
    )
    writer.write(connection.data_to_send())
    client = ClosedWindow(reader, writer, connection, stream_id)
    task = asyncio.create_task(client.read(), name="closed window")
    try:
        client.send(
            Request(config=reaction_service_pb2.StreamConfig(room_id="chaos", client_name="closed window"))
        )
        yield client
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, OSError):
            await task
        writer.close()
