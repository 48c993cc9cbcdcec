"""A way to a server that can be cut or held up, for tests that are not asynchronous."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

# Bytes that the kernel takes off the sender while the way is held up.
_BUFFER_BYTES = 4096
_READ_BYTES = 65_536


class Network:
    """Hands bytes on between clients of `port` and a server. `is_open` cleared: nothing is read from clients."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self.port: int = self._listener.getsockname()[1]
        self.is_open = threading.Event()
        self.is_open.set()
        self._is_over = threading.Event()
        self._sockets: list[socket.socket] = []
        self._opened: list[socket.socket] = []  # those of `_sockets` and the ones that were cut
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def cut(self) -> None:
        """Ends all connections without a word. New ones are taken."""
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._sockets.clear()

    def close(self) -> None:
        """Ends everything, and returns once all threads have ended."""
        self._is_over.set()
        self.is_open.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join()
        for each in self._opened:
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while not self._is_over.is_set():
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server_port))
                self._sockets += [client, server]
                self._opened += [client, server]
                for source, to, is_held in ((client, server, True), (server, client, False)):
                    self._threads.append(threading.Thread(target=self._copy, args=(source, to, is_held)))
                    self._threads[-1].start()

    def _copy(self, source: socket.socket, to: socket.socket, is_held: bool) -> None:
        with contextlib.suppress(OSError):
            while True:
                if is_held:
                    self.is_open.wait()
                data = source.recv(_READ_BYTES)
                if not data:
                    break
                to.sendall(data)
        # Both directions end together, and the other thread then finds an end, too.
        for each in (source, to):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def network(server_port: int) -> Iterator[Network]:
    """A way to a server on this machine."""
    way = Network(server_port)
    try:
        yield way
    finally:
        way.close()
