"""Which system calls a sealed worker may make.

Three answers. What a decoder needs to compute, wait, take its memory and use its open descriptors is allowed. What
nobody needs who computes, and what every known way out begins with, ends the process at once: a sound decoder never
makes such a call. Everything else is refused with an error, because libraries ask for files and properties of the
system and go on without them.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from collections.abc import Iterator
from typing import Final

from gifcue.workers.confinement.bpf import (
    ALLOW,
    KILL,
    REFUSE,
    Instruction,
    assemble,
    if_any_bit,
    if_at_least,
    if_equal,
    load_architecture,
    load_argument,
    load_number,
    return_,
    unless_any_bit,
    unless_equal,
)
from gifcue.workers.confinement.syscalls import (
    NUMBERS,
    X86_64,
    Architecture,
    this_architecture,
)

_SET_MODE_FILTER: Final = 1
# Applies to all threads of the process.
_TSYNC: Final = 1
# Numbers from here on belong to x32, a second set of calls on x86_64.
_X32: Final = 0x40000000

_PROT_EXEC: Final = 0x4
_CLONE_THREAD: Final = 0x00010000
# CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_CLONE_NEW: Final = 0x7E020080


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_COMPUTES: Final = _names("""
    brk munmap mremap madvise membarrier
    futex set_robust_list rseq sched_yield sched_getaffinity getcpu restart_syscall
    rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack
    setitimer getitimer timer_create timer_settime timer_gettime timer_delete
    clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time times getrusage
    getpid gettid getppid getuid geteuid getgid getegid getrandom uname sysinfo exit exit_group
""")
# None of them opens a descriptor. recvmsg and sendmsg are missing, since they pass descriptors on.
_USES_DESCRIPTORS: Final = _names("""
    read readv write writev close lseek fstat pread64 poll ppoll recvfrom sendto
""")
_ALLOWED: Final = (*_COMPUTES, *_USES_DESCRIPTORS)

_KILLED: Final = _names("""
    execve execveat fork vfork ptrace process_vm_readv process_vm_writev process_madvise kcmp
    pidfd_open pidfd_getfd pidfd_send_signal rt_sigqueueinfo rt_tgsigqueueinfo
    socket socketpair connect bind listen accept accept4 sendmsg sendmmsg recvmsg recvmmsg
    io_uring_setup io_uring_enter io_uring_register bpf perf_event_open userfaultfd
    setns unshare mount umount2 pivot_root chroot move_mount open_tree fsopen fsmount
    keyctl add_key request_key init_module finit_module delete_module kexec_load kexec_file_load reboot
    setuid setgid setreuid setregid setresuid setresgid setgroups setfsuid setfsgid capset
    modify_ldt ioperm iopl
""")


def install() -> None:
    """Filters the system calls of this process, all threads, for good. It needs `no_new_privileges` first.

    Raises:
        OSError: the kernel has no filters, refuses this one, or the machine's calls are not known here.
    """
    if sys.platform != "linux":
        raise OSError("expected Linux")
    architecture = this_architecture()
    code = assemble(program(architecture, os.getpid()))

    class Program(ctypes.Structure):  # struct sock_fprog
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))

    filter_ = Program(len(code) // 8, code)
    function = ctypes.CDLL(None, use_errno=True).syscall
    function.restype = ctypes.c_long
    result = function(
        ctypes.c_long(_number("seccomp", architecture)),
        ctypes.c_long(_SET_MODE_FILTER),
        ctypes.c_long(_TSYNC),
        ctypes.byref(filter_),
    )
    if result != 0:
        # Above 0: a thread that has other filters.
        code_ = ctypes.get_errno() if result < 0 else errno.EBUSY
        raise OSError(code_, os.strerror(code_))


def program(architecture: Architecture, pid: int) -> list[Instruction]:
    """The filter for a process of this number."""
    instructions = [
        load_architecture(),
        *unless_equal(architecture.audit_number, [return_(KILL)]),
        load_number(),
    ]
    if architecture is X86_64:
        instructions += if_at_least(_X32, [return_(KILL)])
    for name, then in _rules(pid):
        number = NUMBERS[name][architecture.column]
        # None: the architecture has a newer call in its place.
        if number is not None:
            instructions += if_equal(number, then)
    return [*instructions, _refuse(errno.EPERM)]


def _rules(pid: int) -> Iterator[tuple[str, list[Instruction]]]:
    """Names of calls, and what is done for each; every list ends with a return, since it may load arguments."""
    for name in _ALLOWED:
        yield name, [return_(ALLOW)]
    for name, index in (("mmap", 2), ("mprotect", 2), ("pkey_mprotect", 2)):
        # No code besides that which is there.
        refuse = if_any_bit(_PROT_EXEC, [_refuse(errno.EACCES)])
        yield name, [load_argument(index), *refuse, return_(ALLOW)]
    for name in ("kill", "tgkill", "tkill"):
        # As abort() sends one to its own process. The kernel reads the lower half of the argument alone. tkill takes
        # the number of a thread, and that of the first is the process' own.
        yield name, [load_argument(0), *if_equal(pid, [return_(ALLOW)]), return_(KILL)]
    # A thread, and nothing that is more than one.
    more = [*if_any_bit(_CLONE_NEW, [return_(KILL)]), *unless_any_bit(_CLONE_THREAD, [return_(KILL)])]
    yield "clone", [load_argument(0), *more, return_(ALLOW)]
    # Its flags are in memory, where a filter cannot look. C libraries use clone() where this does not exist.
    yield "clone3", [_refuse(errno.ENOSYS)]
    yield "prlimit64", list(_own_limits_to_read(pid))
    for name in _KILLED:
        yield name, [return_(KILL)]


def _own_limits_to_read(pid: int) -> Iterator[Instruction]:
    """Refuses other processes, and any change."""
    refuse = [_refuse(errno.EPERM)]
    yield load_argument(0)
    yield from if_any_bit(0xFFFFFFFF, unless_equal(pid, refuse))
    for high in (False, True):
        yield load_argument(2, high=high)
        yield from unless_equal(0, refuse)
    yield return_(ALLOW)


def _number(name: str, architecture: Architecture) -> int:
    number = NUMBERS[name][architecture.column]
    assert number is not None, f"expected a number of {name} on every architecture"
    return number


def _refuse(number: int) -> Instruction:
    return return_(REFUSE | number)
