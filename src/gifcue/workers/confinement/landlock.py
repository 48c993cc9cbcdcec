"""Landlock: a process takes all access to files and to TCP from itself.

The kernel offers three system calls and no C library wraps them. A ruleset handles kinds of access; what it handles and
no rule allows is refused. This ruleset handles all kinds that the kernel knows, and has no rules.
https://docs.kernel.org/userspace-api/landlock.html
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

# The same on every architecture.
_CREATE_RULESET = 444
_RESTRICT_SELF = 446
_VERSION_FLAG = 1

# Kinds of access to files, by the version of the interface that brought them.
_FILES = {1: (1 << 13) - 1, 2: 1 << 13, 3: 1 << 14, 5: 1 << 15}
# From version 4 on: binding and connecting TCP sockets.
_TCP = 0b11
# From version 6 on: abstract Unix sockets and signals of processes outside.
_SCOPES = 0b11


def version() -> int:
    """The version of the interface. Raises OSError where the kernel has none, or where it is switched off."""
    if sys.platform != "linux":
        raise OSError("expected Linux")
    return _syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG)


def restrict() -> None:
    """Restricts the calling thread and what it starts, for good. It needs `no_new_privileges` first.

    Raises:
        OSError: the kernel does not have Landlock, or it is switched off.
    """
    attributes = _ruleset(version())
    ruleset = _syscall(_CREATE_RULESET, attributes, len(attributes), 0)
    try:
        _syscall(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _ruleset(number: int) -> bytes:
    """`struct landlock_ruleset_attr` as a kernel of this version takes it."""
    files = sum(bits for since, bits in _FILES.items() if since <= number)
    values = [files]
    if number >= 4:
        values.append(_TCP)
    if number >= 6:
        values.append(_SCOPES)
    return struct.pack(f"={len(values)}Q", *values)


def _syscall(number: int, *arguments: int | bytes | None) -> int:
    function = ctypes.CDLL(None, use_errno=True).syscall
    function.restype = ctypes.c_long
    # Integers as long: a variadic C function takes what it is given.
    values = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    result: int = function(ctypes.c_long(number), *values)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
