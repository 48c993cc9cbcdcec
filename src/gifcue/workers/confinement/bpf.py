"""A seccomp filter as a program of classic BPF.

The kernel runs it at each system call, over the call's number and arguments, and does what it returns. The language is
frozen and small: loads from a struct of 64 bytes, comparisons with forward jumps, and a return.
https://docs.kernel.org/userspace-api/seccomp_filter.html
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

# What a filter returns. The lower 16 bits of REFUSE are the error number.
ALLOW: Final = 0x7FFF0000
REFUSE: Final = 0x00050000
KILL: Final = 0x80000000

# struct seccomp_data: int nr, u32 arch, u64 instruction_pointer, u64 args[6].
_NUMBER: Final = 0
_ARCHITECTURE: Final = 4
_ARGUMENTS: Final = 16

_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_IF_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_IF_AT_LEAST: Final = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_IF_ANY_BIT: Final = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K

# struct sock_filter: u16 code, u8 jt, u8 jf, u32 k. jt and jf are instructions to skip if true, and if false.
Instruction = tuple[int, int, int, int]

# BPF_MAXINSNS of the kernel.
MAX_INSTRUCTIONS: Final = 4096


def load_number() -> Instruction:
    """Loads the number of the system call."""
    return (_LOAD, 0, 0, _NUMBER)


def load_architecture() -> Instruction:
    """Loads the architecture whose numbers the caller uses."""
    return (_LOAD, 0, 0, _ARCHITECTURE)


def load_argument(index: int, *, high: bool = False) -> Instruction:
    """Loads the lower half of an argument, or the higher, on a little-endian machine."""
    return (_LOAD, 0, 0, _ARGUMENTS + 8 * index + (4 if high else 0))


def return_(action: int) -> Instruction:
    """Ends the program."""
    return (_RETURN, 0, 0, action)


def if_equal(value: int, then: Sequence[Instruction]) -> list[Instruction]:
    """Runs `then` if what was loaded is `value`."""
    return [(_IF_EQUAL, 0, len(then), value), *then]


def if_at_least(value: int, then: Sequence[Instruction]) -> list[Instruction]:
    """Runs `then` if what was loaded is `value` or more, without a sign."""
    return [(_IF_AT_LEAST, 0, len(then), value), *then]


def if_any_bit(mask: int, then: Sequence[Instruction]) -> list[Instruction]:
    """Runs `then` if what was loaded has any bit of `mask`."""
    return [(_IF_ANY_BIT, 0, len(then), mask), *then]


def unless_equal(value: int, then: Sequence[Instruction]) -> list[Instruction]:
    """Runs `then` unless what was loaded is `value`."""
    return [(_IF_EQUAL, len(then), 0, value), *then]


def unless_any_bit(mask: int, then: Sequence[Instruction]) -> list[Instruction]:
    """Runs `then` unless what was loaded has any bit of `mask`."""
    return [(_IF_ANY_BIT, len(then), 0, mask), *then]


def assemble(instructions: Sequence[Instruction]) -> bytes:
    """The program as an array of `struct sock_filter`.

    Raises ValueError where it is longer than the kernel takes.
    """
    if len(instructions) > MAX_INSTRUCTIONS:
        raise ValueError(f"expected at most {MAX_INSTRUCTIONS} instructions, got {len(instructions)}")
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)
