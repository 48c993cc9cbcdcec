"""No new privileges, another user, resource limits."""

from __future__ import annotations

import ctypes
import os
import pwd
import resource
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
# A core dump goes to no program either: Linux starts none for a process with a limit of 1 byte, and a file of 1 byte is
# below the smallest dump. 0 would keep the file away and not the program.
_NO_CORE_BYTES = 1
# The process keeps the descriptors that it has. Their numbers are not checked again; a new one would need a number
# below this. 1, not 0: poll() takes no more descriptors than this, and the child polls one.
_MAX_DESCRIPTORS = 1
# The user and group that own nothing, where the system names none.
_NOBODY = 65534


def prctl(option: int, argument: int) -> None:
    """Calls prctl. Raises OSError where the kernel refuses, and AttributeError where the system has none."""
    function = ctypes.CDLL(None, use_errno=True).prctl
    arguments = (ctypes.c_ulong(argument), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))
    if function(ctypes.c_int(option), *arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def die_with_parent() -> None:
    """Lets the kernel kill this process when the one that started it dies. Raises as `prctl` does."""
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def forbid_new_privileges() -> None:
    """Programs that this process executes get no rights that it has not, whatever their files say. Linux only."""
    if sys.platform != "linux":
        raise OSError("expected Linux")
    prctl(_PR_SET_NO_NEW_PRIVS, 1)


def become(user: str) -> None:
    """Becomes `user` for good where this process is root: a name, or a number for user and group. Root's capabilities
    end with it. Does nothing for other users.

    Raises:
        OSError: the system refuses, as in a container without the capability.
        LookupError: there is no user of this name.
    """
    if os.getuid() != 0 and os.geteuid() != 0:
        return
    uid, gid = ids_of(user)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    # The kernel forgets this when a process changes its user.
    die_with_parent()


def ids_of(user: str) -> tuple[int, int]:
    """The numbers of a user and of its group.

    Raises:
        LookupError: there is no user of this name, or it is root.
    """
    if user.isdecimal():
        ids = int(user), int(user)
    else:
        try:
            entry = pwd.getpwnam(user)
        except KeyError:
            if user != "nobody":
                raise LookupError(f"supervision.user: expected a user of this system, got {user!r}") from None
            ids = _NOBODY, _NOBODY
        else:
            ids = entry.pw_uid, entry.pw_gid
    if 0 in ids:
        raise LookupError(f"supervision.user: expected a user without root's rights, got {user!r}")
    return ids


def forbid_core_dumps() -> None:
    """A dump would write the pictures of participants to disk."""
    _lower(resource.RLIMIT_CORE, _NO_CORE_BYTES)


def address_space_bytes() -> int | None:
    """What this process has mapped; None where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_bytes().split()[0]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return None


def limit_resources(memory_bytes: int | None) -> None:
    """Allows no new descriptor, process or file contents, and `memory_bytes` of address space in all.

    Root is not bound by the number of processes. What is printed is lost where standard error is a file.
    """
    _lower(resource.RLIMIT_NOFILE, _MAX_DESCRIPTORS)
    _lower(resource.RLIMIT_NPROC, 0)
    _lower(resource.RLIMIT_FSIZE, 0)
    if memory_bytes is not None:
        _lower(resource.RLIMIT_AS, memory_bytes)


def _lower(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))
