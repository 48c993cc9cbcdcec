"""Messages between the front and one child, over a socket pair.

The front's end never blocks: what the kernel does not take at once is buffered and counted. The child's end blocks.

The child's end answers a ping between two messages, after all messages that were sent before the ping. So a child that
hangs in its work does not answer, which is how the front notices.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import select
import socket
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from gifcue.workers.confinement.profile import LayerReport
from gifcue.workers.framing import FrameBuffer, Kind, decoders_of_a_child, decoders_of_the_front, encode
from gifcue.workers.messages import Crash, InvalidMessage, MessageTypes, bounded

# Buffers handed to one sendmsg; the kernel's own limit (IOV_MAX) is 1024.
_MAX_BUFFERS = 512
# A message up to this long is joined with its header before it is sent.
_JOINED_BYTES = 64 * 1024


class ChannelClosed(Exception):
    """The other end is gone."""


class AsyncChannel:
    """The front's end. Everything is called from the loop's thread.

    `on_frame` is called for each frame in order, `on_closed` once when the channel closes by itself: without a reason
    where the other end is gone, with one where it sent what does not fit. Neither is called after `close`. `on_frame`
    raises `InvalidMessage` for a message that does not fit; none after it is read.
    """

    def __init__(
        self,
        sock: socket.socket,
        types: MessageTypes,
        on_frame: Callable[[Kind, Any], None],
        on_closed: Callable[[str], None],
    ) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._on_frame = on_frame
        self._on_closed = on_closed
        self._loop = asyncio.get_running_loop()
        self._received = FrameBuffer(decoders_of_the_front(types), types.max_to_front_bytes)
        self._outbox: deque[memoryview | bytes] = deque()
        self._buffered_bytes = 0
        self._flush: asyncio.Handle | None = None
        self._writing = False
        self._finishing = False
        self._open = True
        self._loop.add_reader(sock, self._readable)

    @property
    def buffered_bytes(self) -> int:
        """Bytes that the kernel has not taken yet."""
        return self._buffered_bytes

    def send(self, message: Any, kind: Kind = Kind.MESSAGE) -> None:
        """Queues a message; never blocks. What is sent into a closed channel is lost.

        Raises TypeError for a message that msgpack cannot express, and ValueError for one that is too long.
        """
        header, body = encode(kind, message)
        if not self._open or self._finishing:
            return
        self._outbox.append(header)
        if body:
            self._outbox.append(body)
        self._buffered_bytes += len(header) + len(body)
        if self._flush is None and not self._writing:
            # At the end of this turn of the loop, so that what one turn sends leaves in one system call.
            self._flush = self._loop.call_soon(self._write)

    def finish(self) -> None:
        """Closes for writing once the buffered messages are sent; answers are still read."""
        if self._open and not self._finishing:
            self._finishing = True
            if not self._outbox:
                self._shutdown()

    def drain(self) -> None:
        """Reads what has already arrived from a peer that is known to be dead."""
        while self._open and self._read_once():
            pass

    def close(self) -> None:
        """Closes at once; buffered messages are lost. Calling it again does nothing."""
        if not self._open:
            return
        self._open = False
        self._loop.remove_reader(self._sock)
        if self._writing:
            self._loop.remove_writer(self._sock)
        if self._flush is not None:
            self._flush.cancel()
        self._outbox.clear()
        self._buffered_bytes = 0
        self._sock.close()

    def _readable(self) -> None:
        self._read_once()

    def _read_once(self) -> bool:
        """False where nothing more can be read."""
        try:
            with self._received.space() as space:
                count = self._sock.recv_into(space)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            count = 0
        if count == 0:
            self._lost("")
            return False
        self._received.filled(count)
        while self._open:
            try:
                frame = self._received.next()
            except Exception as error:
                self._refuse(error)
                return False
            if frame is None:
                break
            try:
                self._on_frame(*frame)
            except InvalidMessage as error:
                self._refuse(error)
                return False
            except Exception as error:
                # A fault in one message's handling must not lose the others.
                self._report("a worker's message could not be handled", error)
        return self._open

    def _write(self) -> None:
        self._flush = None
        while self._outbox:
            try:
                sent = self._sock.sendmsg(list(itertools.islice(self._outbox, _MAX_BUFFERS)))
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                # Not closed here: the reader sees the end of the stream, too, after the answers that are still in it.
                self._outbox.clear()
                self._buffered_bytes = 0
                break
            self._buffered_bytes -= sent
            while sent:
                first = self._outbox.popleft()
                if len(first) > sent:
                    self._outbox.appendleft(memoryview(first)[sent:])
                    break
                sent -= len(first)
        if bool(self._outbox) != self._writing:
            self._writing = not self._writing
            if self._writing:
                self._loop.add_writer(self._sock, self._write)
            else:
                self._loop.remove_writer(self._sock)
        if self._finishing and not self._outbox:
            self._shutdown()

    def _shutdown(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def _refuse(self, error: Exception) -> None:
        # Nothing that follows is read: the sender is out of step, or somebody else speaks through it.
        self._report("a worker's message does not fit", error)
        self._lost(bounded(f"sent a message that does not fit: {error}"))

    def _lost(self, reason: str) -> None:
        self.close()
        self._on_closed(reason)

    def _report(self, what: str, error: Exception) -> None:
        self._loop.call_exception_handler({"message": what, "exception": error})


class BlockingChannel:
    """The child's end, used by one thread. Before `expect` it accepts nothing but INIT."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(True)
        self._sock = sock
        self._received = FrameBuffer(decoders_of_a_child(None))
        self._ended = False
        self._confine: Callable[[], tuple[LayerReport, ...]] = tuple

    def expect(self, types: MessageTypes, confine: Callable[[], tuple[LayerReport, ...]] = tuple) -> None:
        """Sets what the front may send from now on, and what confines the process once it is ready."""
        self._received.decoders = decoders_of_a_child(types)
        self._confine = confine

    def ready(self, info: Any = None) -> None:
        """Confines the process and reports that it is ready; `info` goes to the front's `on_ready`.

        To be called once, after everything that needs files: imports and the model. Raises ConfigError where the
        process cannot be confined as the settings require.
        """
        self._send(Kind.READY, (self._confine(), info))

    def send(self, message: Any) -> None:
        """Sends a message; waits while the front does not read. Raises ChannelClosed if the front is gone."""
        self._send(Kind.MESSAGE, message)

    def send_all(self, messages: Iterable[Any]) -> None:
        """Sends messages in one go. Raises ChannelClosed where the front is gone."""
        self._send_bytes(b"".join(part for message in messages for part in encode(Kind.MESSAGE, message)))

    def receive(self) -> Any:
        """Waits for the next message. Raises ChannelClosed if the front is gone or wants the child to end."""
        return self.receive_frame(Kind.MESSAGE)

    def receive_frame(self, expected: Kind) -> Any:
        """Waits for the next frame and returns its body; answers pings on the way."""
        while True:
            frame = self._received.next()
            if frame is None:
                if not self._fill(wait=True):
                    raise ChannelClosed
                continue
            kind, body = frame
            if kind is Kind.PING:
                self._send(Kind.PONG, None)
            elif kind is expected:
                return body
            else:
                raise ValueError(f"expected a frame of kind {expected.name}, got {kind.name}")

    def receive_ready(self) -> list[Any]:
        """All messages that have already come, without waiting; answers pings on the way.

        At the end of the stream it returns no messages, and the next `receive` raises ChannelClosed.
        """
        messages: list[Any] = []
        while True:
            for kind, body in self._received.frames():
                if kind is Kind.PING:
                    self._send(Kind.PONG, None)
                else:
                    messages.append(body)
            if not self._fill(wait=False):
                return messages

    def wait(self, timeout_s: float | None = None) -> bool:
        """Waits until something has come; False after the timeout. True at the end of the stream."""
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        return bool(poll.poll(None if timeout_s is None else timeout_s * 1000.0))

    def fileno(self) -> int:
        """The socket, for a child that waits for other things as well."""
        return self._sock.fileno()

    def crash(self, what: str, *, hopeless: bool) -> None:
        """Tells the front why the child ends; `hopeless` where a restart would fail in the same way."""
        self._send(Kind.CRASH, Crash(bounded(what), hopeless))

    def close(self) -> None:
        self._sock.close()

    def _fill(self, *, wait: bool) -> bool:
        if self._ended:
            return False
        with self._received.space() as space:
            try:
                count = self._sock.recv_into(space, 0, 0 if wait else socket.MSG_DONTWAIT)
            except BlockingIOError:
                return False
            except OSError:
                count = 0
        self._ended = count == 0
        self._received.filled(count)
        return count > 0

    def _send(self, kind: Kind, body: Any) -> None:
        header, payload = encode(kind, body)
        if len(payload) > _JOINED_BYTES:
            # A large body, mostly pixels: a second system call costs less than a copy.
            self._send_bytes(header)
            self._send_bytes(payload)
        else:
            self._send_bytes(header + payload)

    def _send_bytes(self, data: bytes) -> None:
        try:
            self._sock.sendall(data)
        except OSError as error:
            raise ChannelClosed from error


def serve(channel: BlockingChannel, handle: Callable[[Any], None]) -> None:
    """Hands every message to `handle` until the front is gone or wants the child to end.

    Pings are answered between messages only. So `handle` must return within `stuck_after_s` or send something before
    that: a child that is silent for longer counts as stuck.
    """
    with contextlib.suppress(ChannelClosed):
        while True:
            handle(channel.receive())
