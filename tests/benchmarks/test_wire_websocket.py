from __future__ import annotations

import select
import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from benchmarks.sender import Over
from benchmarks.transports import report
from benchmarks.wire import CallEnded
from benchmarks.wire_websocket import WebSocketCall

ANSWER = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"


class Peer:
    """The server's end of a connection."""

    def __init__(self, listening: socket.socket, answer: bytes = ANSWER) -> None:
        self._listening, self._answer = listening, answer
        accepting = threading.Thread(target=self._accept)
        accepting.start()
        try:
            self.call = WebSocketCall("127.0.0.1", listening.getsockname()[1], "/stream")
        except CallEnded:
            accepting.join()
            self.socket.close()
            raise
        accepting.join()

    def _accept(self) -> None:
        self.socket, _ = self._listening.accept()
        self.socket.settimeout(5.0)
        self.head = b""
        while b"\r\n\r\n" not in self.head:
            self.head += self.socket.recv(65536)
        self.socket.sendall(self._answer)

    def send(self, data: bytes) -> list[bytes]:
        self.socket.sendall(data)
        readable, _, _ = select.select([self.call], [], [], 5.0)
        assert readable, "expected data within 5 s"
        return self.call.receive()

    def frame(self) -> tuple[int, bytes]:
        """The next frame that the call sent: opcode, payload."""
        first, size = self._read(2)
        assert size & 0x80, "expected a masked frame"
        size &= 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", self._read(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self._read(8))
        mask, data = self._read(4), self._read(size)
        return first, bytes(byte ^ mask[place % 4] for place, byte in enumerate(data))

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            data += self.socket.recv(size - len(data))
        return data


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


@pytest.fixture
def peer(listening: socket.socket) -> Iterator[Peer]:
    peer = Peer(listening)
    yield peer
    peer.call.close()
    peer.socket.close()


@pytest.mark.parametrize("size", [0, 5, 125, 126, 65_535, 65_536, 200_001])
def test_a_message_is_a_masked_binary_frame(peer: Peer, size: int) -> None:
    message = bytes(index % 251 for index in range(size))
    peer.call.send(message)
    # The kernel takes so much at once.
    assert not peer.call.wants_to_write
    assert peer.frame() == (0x82, message)


def test_messages_are_read_from_frames_of_any_length(peer: Peer) -> None:
    assert b"Sec-WebSocket-Protocol: gifcue.v1\r\n" in peer.head
    long = b"x" * 300
    assert peer.send(b"\x82\x03abc\x82\x7e\x01\x2c" + long[:100]) == [b"abc"]
    assert peer.send(long[100:] + b"\x82\x00") == [long, b""]


def test_a_ping_is_answered(peer: Peer) -> None:
    assert peer.send(b"\x89\x02hi") == []
    assert peer.frame() == (0x8A, b"hi")


def test_the_close_frame_ends_a_call_that_is_half_closed(peer: Peer) -> None:
    peer.call.half_close()
    assert peer.frame() == (0x88, struct.pack("!H", 1000))
    peer.send(b"\x88\x02" + struct.pack("!H", 4000))
    assert peer.call.is_ended


def test_a_stream_that_the_server_ends_first_is_an_error(peer: Peer) -> None:
    with pytest.raises(CallEnded, match="4008 too many"):
        peer.send(b"\x88\x0a" + struct.pack("!H", 4008) + b"too many")


def test_a_refused_handshake_is_an_error(listening: socket.socket) -> None:
    with pytest.raises(CallEnded, match=r"got HTTP/1\.1 403 Forbidden"):
        Peer(listening, b"HTTP/1.1 403 Forbidden\r\n\r\n")


def run(front: float, **changes: object) -> dict[str, object]:
    figures = {"cpu_cores": {"front": front}, "participants": 10, "due_to_decision_ms": {"p95": 50.0}}
    return {**figures, "lost_on_the_way": 0, "consistent": True, **changes}


def test_the_ratio_is_that_of_the_medians() -> None:
    runs = [
        (over, run(front))
        for over, fronts in ((Over.GRPC, (0.1, 0.2, 9.0)), (Over.WEBSOCKET, (0.1, 0.1, 0.5)))
        for front in fronts
    ]
    figures = report(runs)
    assert figures["front_ms_per_participant_s"] == {"grpc": 20.0, "websocket": 10.0}
    assert figures["ratio"] == 0.5


def test_runs_that_lost_frames_are_not_compared() -> None:
    with pytest.raises(ValueError, match="accounted for"):
        report([(Over.GRPC, run(0.1)), (Over.WEBSOCKET, run(0.1, lost_on_the_way=3))])
