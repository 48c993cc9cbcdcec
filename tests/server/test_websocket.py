"""What only WebSocket has: the handshake, frames that are no messages, and the close frame."""

from __future__ import annotations

import grpc
import pytest

from gifcue.server.lifecycle import Server
from gifcue.v1 import reaction_service_pb2 as pb
from tests.support.raw_streams import Over, raw_stream

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG = pb.StreamReactionsRequest(config=pb.StreamConfig(room_id="room"))


@pytest.fixture
def server(shared_server: Server) -> Server:
    return shared_server


async def test_a_client_that_is_done_gets_ok(server: Server) -> None:
    async with raw_stream(server, Over.WEBSOCKET) as stream:
        await stream.send(CONFIG)
        ready = await stream.read()
        assert ready is not None
        assert ready.HasField("ready")
        await stream.half_close()
        assert await stream.status() == (grpc.StatusCode.OK, "")
