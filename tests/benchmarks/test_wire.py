from __future__ import annotations

import select
import socket
import struct
from collections.abc import Iterator

import pytest

from benchmarks.wire import CallEnded, GrpcCall

DATA, HEADERS, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE = 0, 1, 3, 4, 6, 8
END_STREAM = ACK = 1
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Peer:
    """The server's end of a connection, frame by frame."""

    def __init__(self, listening: socket.socket) -> None:
        self.call = GrpcCall("127.0.0.1", listening.getsockname()[1], "/package.Service/Method")
        self.socket, _ = listening.accept()
        self.socket.settimeout(5.0)
        self._bytes = b""
        assert self._read(len(PREFACE)) == PREFACE

    def send(self, kind: int, flags: int, stream: int, body: bytes = b"") -> list[bytes]:
        """Sends a frame to the call. Returns the messages that the call has received."""
        head = struct.pack(">I", len(body))[1:] + bytes([kind, flags]) + struct.pack(">I", stream)
        self.socket.sendall(head + body)
        return self.received()

    def received(self) -> list[bytes]:
        """Lets the call read once data has arrived. Returns the messages that it has received."""
        readable, _, _ = select.select([self.call], [], [], 5.0)
        assert readable, "expected data within 5 s"
        return self.call.receive()

    def frame(self) -> tuple[int, int, int, bytes]:
        """The next frame that the call sent: kind, flags, stream, body."""
        head = self._read(9)
        length = int.from_bytes(head[:3], "big")
        return head[3], head[4], int.from_bytes(head[5:9], "big"), self._read(length)

    def _read(self, size: int) -> bytes:
        while len(self._bytes) < size:
            self._bytes += self.socket.recv(65536)
        data, self._bytes = self._bytes[:size], self._bytes[size:]
        return data


@pytest.fixture
def peer() -> Iterator[Peer]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        peer = Peer(listening)
        yield peer
        peer.call.close()
        peer.socket.close()


def opened(peer: Peer) -> None:
    assert peer.frame()[0] == SETTINGS
    assert peer.frame()[0] == WINDOW_UPDATE
    kind, flags, stream, block = peer.frame()
    assert (kind, flags, stream) == (HEADERS, 0x4, 1)
    assert b"/package.Service/Method" in block


def test_a_message_is_sent_with_its_prefix_in_a_data_frame(peer: Peer) -> None:
    opened(peer)

    peer.call.send(b"hello")

    assert peer.frame() == (DATA, 0, 1, b"\0\0\0\0\5hello")


def test_messages_wait_for_the_window_and_follow_in_order(peer: Peer) -> None:
    opened(peer)
    peer.send(SETTINGS, 0, 0, struct.pack(">HI", 4, 8))
    assert peer.frame() == (SETTINGS, ACK, 0, b"")

    peer.call.send(b"hello")
    peer.call.send(b"you")

    assert peer.frame() == (DATA, 0, 1, b"\0\0\0\0\5hel")
    assert peer.call.unsent_bytes == 2 + 8
    peer.send(WINDOW_UPDATE, 0, 1, struct.pack(">I", 100))
    assert peer.frame() == (DATA, 0, 1, b"lo")
    assert peer.frame() == (DATA, 0, 1, b"\0\0\0\0\3you")
    assert peer.call.unsent_bytes == 0


def test_a_long_message_is_cut_into_frames(peer: Peer) -> None:
    opened(peer)

    peer.call.send(b"x" * 20_000)

    assert len(peer.frame()[3]) == 16_384
    assert len(peer.frame()[3]) == 20_005 - 16_384


def test_half_close_follows_the_queued_messages(peer: Peer) -> None:
    opened(peer)
    peer.send(SETTINGS, 0, 0, struct.pack(">HI", 4, 0))
    peer.frame()
    peer.call.send(b"last")
    peer.call.half_close()

    peer.send(WINDOW_UPDATE, 0, 1, struct.pack(">I", 100))

    assert peer.frame() == (DATA, 0, 1, b"\0\0\0\0\4last")
    assert peer.frame() == (DATA, END_STREAM, 1, b"")
    peer.send(HEADERS, END_STREAM | 0x4, 1, b"trailers")
    assert peer.call.is_ended


def test_messages_are_assembled_from_frames(peer: Peer) -> None:
    assert peer.send(DATA, 0, 1, b"\0\0\0\0\4ab") == []
    assert peer.send(DATA, 0, 1, b"cd\0\0\0\0\0\0\0\0\0\1e") == [b"abcd", b"", b"e"]


def test_a_ping_is_answered(peer: Peer) -> None:
    opened(peer)

    peer.send(PING, 0, 0, b"12345678")

    assert peer.frame() == (PING, ACK, 0, b"12345678")


def test_a_reset_is_an_error(peer: Peer) -> None:
    with pytest.raises(CallEnded, match="HTTP/2 error 11"):
        peer.send(RST_STREAM, 0, 1, struct.pack(">I", 11))


def test_a_call_that_the_server_ends_first_is_an_error(peer: Peer) -> None:
    with pytest.raises(CallEnded, match="expected the client to end the call first"):
        peer.send(HEADERS, END_STREAM | 0x4, 1, b"trailers")


def test_a_closed_connection_is_an_error(peer: Peer) -> None:
    peer.socket.shutdown(socket.SHUT_WR)

    with pytest.raises(CallEnded, match="closed the connection"):
        peer.received()


def test_metadata_is_sent_with_the_call() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        call = GrpcCall("127.0.0.1", listening.getsockname()[1], "/a.B/C", [("gifcue-room", "the-key")])
        accepted, _ = listening.accept()
        with accepted:
            assert b"\x0bgifcue-room\x07the-key" in accepted.recv(65536)
        call.close()
