"""Workers that try to get out, for the tests of the confinement.

The front sends the name of an attempt. The worker answers what came of it: "refused: EPERM" where the system returned
an error, or "done". An attempt for which the kernel ends the process has no answer.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import resource
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

from gifcue.workers.channel import BlockingChannel, serve
from gifcue.workers.confinement import landlock, privileges

LIBC = ctypes.CDLL(None, use_errno=True)
GIGABYTE = 1 << 30
UNSHARE = 272 if os.uname().machine == "x86_64" else 97
# Must never exist.
ESCAPED = f"{tempfile.gettempdir()}/gifcue-escaped"


def _syscall(*arguments: int | bytes | None) -> int:
    values = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    result: int = LIBC.syscall(*values)
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
    return result


def _read(path: str) -> Callable[[], object]:
    return lambda: os.close(os.open(path, os.O_RDONLY))


def _write_anywhere() -> None:
    os.close(os.open(ESCAPED, os.O_WRONLY | os.O_CREAT, 0o600))


def _allocate() -> None:
    mmap.mmap(-1, 4 * GIGABYTE)


def _execute_memory() -> None:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)


def _make_memory_executable() -> None:
    memory = mmap.mmap(-1, 4096)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    if LIBC.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(4096), ctypes.c_int(5)) != 0:
        raise OSError(ctypes.get_errno(), "")


def _peek() -> None:
    # PTRACE_ATTACH, which a debugger begins with.
    if LIBC.ptrace(ctypes.c_long(16), ctypes.c_long(os.getppid()), None, None) != 0:
        raise OSError(ctypes.get_errno(), "")


def _raise_limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def _x32() -> None:
    # getpid by its number on x32: a set of calls that a filter by number alone would miss.
    _syscall(0x40000000 + 39)


def _shrink(fds: Mapping[str, int]) -> None:
    for fd in fds.values():
        os.ftruncate(fd, 0)


ATTEMPTS: dict[str, Callable[[], object]] = {
    "open a file": _read("/etc/passwd"),
    "open a folder": _read("/"),
    "write a file": _write_anywhere,
    "read the front's memory": lambda: os.close(os.open(f"/proc/{os.getppid()}/mem", os.O_RDWR)),
    "read the front's environment": lambda: os.close(os.open(f"/proc/{os.getppid()}/environ", os.O_RDONLY)),
    "make a TCP socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
    "make a UDP socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
    "make a Unix socket": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM),
    "fork": os.fork,
    "execute a program": lambda: os.execv(sys.executable, [sys.executable, "-c", "pass"]),
    # A signal that does nothing where it arrives: the front is the process that runs the tests.
    "signal the front": lambda: os.kill(os.getppid(), signal.SIGWINCH),
    "trace the front": _peek,
    "allocate 4 GB": _allocate,
    "make executable memory": _execute_memory,
    "make memory executable": _make_memory_executable,
    "become root": lambda: os.setuid(0),
    "raise its limits": _raise_limit,
    "limit the front": lambda: resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (1, 1)),
    "duplicate a descriptor": lambda: os.dup(2),
    "make a namespace": lambda: _syscall(UNSHARE, 0x10000000),
    "make an io_uring": lambda: _syscall(425, 8, bytes(120)),
    "call by x32": _x32,
}


def attempt(channel: BlockingChannel, init: Any, fds: Mapping[str, int]) -> None:
    """Tries what it is told. `init` names the only layer to apply; None: the profile's layers are."""
    channel.ready()
    match init:
        case "landlock":
            privileges.forbid_new_privileges()
            landlock.restrict()
        case "user":
            privileges.become("nobody")
        case "limits":
            privileges.limit_resources((privileges.address_space_bytes() or 0) + GIGABYTE)

    def handle(name: str) -> None:
        try:
            if name == "shrink the arena":
                _shrink(fds)
            elif name == "live":
                # What a decoder does all the time.
                bytearray(50_000_000)
                os.getrandom(8)
                channel.send(f"uid {os.getuid()}")
                return
            else:
                ATTEMPTS[name]()
        except MemoryError:
            channel.send("refused: MemoryError")
        except ValueError:
            # What `resource` makes of EPERM.
            channel.send("refused: EPERM")
        except OSError as error:
            channel.send(f"refused: {errno.errorcode[error.errno]}" if error.errno else f"refused: {error}")
        else:
            channel.send("done")

    serve(channel, handle)
