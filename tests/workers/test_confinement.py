"""A worker that an attacker has taken over tries to get out. Each attempt runs in a real, confined process."""

from __future__ import annotations

import asyncio
import os
import platform
import struct
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gifcue.errors import WorkerStartError
from gifcue.protocol.statistics import WorkerState
from gifcue.workers.arena import Arena
from gifcue.workers.confinement import landlock, privileges
from gifcue.workers.confinement.bpf import ALLOW, KILL, REFUSE, Instruction, assemble
from gifcue.workers.confinement.profile import DECODER, DETECTOR, Profile
from gifcue.workers.confinement.seccomp import program
from gifcue.workers.confinement.syscalls import AARCH64, NUMBERS, X86_64, Architecture
from gifcue.workers.messages import MessageTypes
from gifcue.workers.settings import SupervisionSettings
from gifcue.workers.supervised import SupervisedWorker
from tests.support.confined_targets import ESCAPED
from tests.support.waiting import until, until_changed

SETTINGS = SupervisionSettings(start_timeout_s=60.0, stuck_after_s=30.0, backoff_initial_s=0.0)
TARGET = "tests.support.confined_targets:attempt"
SECCOMP = "killed by SIGSYS: it made a system call that no sound worker makes"
ON_LINUX = sys.platform == "linux"


def has_landlock() -> bool:
    try:
        return landlock.version() >= 1
    except OSError:
        return False


confined = pytest.mark.skipif(
    not ON_LINUX or platform.machine() not in ("x86_64", "aarch64"), reason="seccomp: Linux on x86-64 or ARM"
)
with_landlock = pytest.mark.skipif(not has_landlock(), reason="the kernel has no Landlock")
as_root = pytest.mark.skipif(
    not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can become another user"
)


class Kit:
    """One worker, and what it answers."""

    def __init__(
        self,
        profile: Profile | None = DECODER,
        init: Any = None,
        settings: SupervisionSettings = SETTINGS,
        fds: dict[str, int] | None = None,
    ) -> None:
        self.said: list[str] = []
        self.changed = asyncio.Event()
        self.worker = SupervisedWorker(
            "confined-0",
            TARGET,
            init,
            types=MessageTypes(str, str),
            profile=profile,
            fds=fds,
            on_message=self._note,
            on_lost=lambda loss: self._note(loss.reason),
            settings=settings,
        )

    def _note(self, what: str) -> None:
        self.said.append(what)
        self.changed.set()

    async def start(self) -> Kit:
        self.worker.start()
        await self.worker.wait_ready()
        return self

    async def attempt(self, name: str) -> str:
        """What came of an attempt: the worker's answer, or why it was lost."""
        count = len(self.said)
        self.worker.send(name)
        await until_changed(self.changed, lambda: len(self.said) > count)
        return self.said[count]

    @property
    def layers(self) -> dict[str, str]:
        return {each.layer: each.state for each in self.worker.statistics().confinement}


@pytest.fixture
async def kit() -> AsyncIterator[Kit]:
    kit = await Kit().start()
    yield kit
    await kit.worker.stop()


# EPERM and EACCES: by seccomp. SECCOMP: the kernel ends the process.
EXPECTED = {
    "open a file": "refused: EPERM",
    "open a folder": "refused: EPERM",
    "write a file": "refused: EPERM",
    "read the front's memory": "refused: EPERM",
    "read the front's environment": "refused: EPERM",
    "make a TCP socket": SECCOMP,
    "make a UDP socket": SECCOMP,
    "make a Unix socket": SECCOMP,
    "fork": SECCOMP,
    "execute a program": SECCOMP,
    "signal the front": SECCOMP,
    "trace the front": SECCOMP,
    "allocate 4 GB": "refused: ENOMEM",
    "make executable memory": "refused: EACCES",
    "make memory executable": "refused: EACCES",
    "become root": SECCOMP,
    "raise its limits": "refused: EPERM",
    "limit the front": "refused: EPERM",
    "duplicate a descriptor": "refused: EPERM",
    "make a namespace": SECCOMP,
    "make an io_uring": SECCOMP,
}


@confined
@pytest.mark.parametrize("name", EXPECTED)
async def test_a_sealed_worker_cannot_get_out(kit: Kit, name: str) -> None:
    assert await kit.attempt(name) == EXPECTED[name]
    await until(lambda: kit.worker.is_ready)
    # The worker, or its successor, works.
    assert (await kit.attempt("live")).startswith("uid ")
    assert not await asyncio.to_thread(os.path.lexists, ESCAPED)


@confined
@pytest.mark.skipif(platform.machine() != "x86_64", reason="x32 belongs to x86-64")
async def test_the_second_set_of_system_calls_is_closed(kit: Kit) -> None:
    assert await kit.attempt("call by x32") == SECCOMP


@confined
async def test_the_layers_are_reported(kit: Kit) -> None:
    layers = dict(kit.layers)
    if not has_landlock():
        assert layers.pop("landlock") == "missing"
    assert set(layers.values()) == {"active"}
    assert set(kit.layers) == {"no_new_privileges", "user", "landlock", "limits", "seccomp"}


@confined
async def test_the_shared_memory_cannot_be_taken_from_the_others() -> None:
    arena = Arena.create(ranges=1, slots_per_range=1, slot_bytes=8)
    for profile in (DECODER, None):
        kit = await Kit(profile, fds={"arena": arena.fd}).start()
        assert await kit.attempt("shrink the arena") == "refused: EPERM"
        await kit.worker.stop()
    assert bytes(arena.slot(0)) == bytes(8)
    arena.close()


@with_landlock
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("open a file", "refused: EACCES"),
        ("open a folder", "refused: EACCES"),
        ("write a file", "refused: EACCES"),
        ("read the front's memory", "refused: EACCES"),
        ("execute a program", "refused: EACCES"),
        ("trace the front", "refused: EPERM"),
        ("signal the front", "refused: EPERM"),
    ],
)
async def test_landlock_alone_holds(name: str, expected: str) -> None:
    if name == "signal the front" and landlock.version() < 6:
        pytest.skip("Landlock keeps signals in from version 6 on")
    kit = await Kit(None, "landlock").start()
    assert await kit.attempt(name) == expected
    await kit.worker.stop()


@as_root
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("read the front's memory", "refused: EACCES"),
        ("read the front's environment", "refused: EACCES"),
        ("signal the front", "refused: EPERM"),
        ("trace the front", "refused: EPERM"),
        ("become root", "refused: EPERM"),
        ("limit the front", "refused: EPERM"),
        ("live", "uid 65534"),
    ],
)
async def test_another_user_alone_holds(name: str, expected: str) -> None:
    kit = await Kit(None, "user").start()
    assert await kit.attempt(name) == expected
    await kit.worker.stop()


@pytest.mark.skipif(not ON_LINUX, reason="other systems count otherwise")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("open a file", "refused: EMFILE"),
        ("make a TCP socket", "refused: EMFILE"),
        ("duplicate a descriptor", "refused: EMFILE"),
        ("allocate 4 GB", "refused: ENOMEM"),
    ],
)
async def test_limits_alone_hold(name: str, expected: str) -> None:
    kit = await Kit(None, "limits").start()
    assert await kit.attempt(name) == expected
    assert (await kit.attempt("live")).startswith("uid ")
    await kit.worker.stop()


@pytest.mark.skipif(not ON_LINUX, reason="reads /proc")
async def test_no_confined_worker_leaves_a_core_dump() -> None:
    for profile in (DECODER, DETECTOR):
        kit = await Kit(profile).start()
        limits = (
            await asyncio.to_thread(Path(f"/proc/{kit.worker.statistics().pid}/limits").read_text)
        ).splitlines()
        (core,) = [line.split() for line in limits if line.startswith("Max core file size")]
        # 1 byte: neither a file nor the program that collects dumps gets one.
        assert core[4:6] == ["1", "1"]
        await kit.worker.stop()


@confined
async def test_a_detector_keeps_what_its_runtime_needs() -> None:
    kit = await Kit(DETECTOR).start()
    assert kit.layers == {
        "no_new_privileges": "active",
        "user": "not_applied",
        "landlock": "not_applied",
        "limits": "active",
        "seccomp": "not_applied",
    }
    assert await kit.attempt("open a file") == "done"
    await kit.worker.stop()


async def test_an_error_of_a_sealed_worker_is_still_reported(kit: Kit) -> None:
    assert await kit.attempt("raise") == "KeyError: 'raise'"


async def test_off_confines_nothing_and_says_so() -> None:
    kit = await Kit(settings=SETTINGS.model_copy(update={"confinement": "off"})).start()
    assert set(kit.layers.values()) == {"off"}
    assert await kit.attempt("open a file") == "done"
    await kit.worker.stop()


@as_root
async def test_a_missing_layer_is_survived_and_named() -> None:
    kit = await Kit(settings=SETTINGS.model_copy(update={"user": "no-such-user"})).start()
    (user,) = [each for each in kit.worker.statistics().confinement if each.layer == "user"]
    assert (user.state, user.why) == (
        "missing",
        "supervision.user: expected a user of this system, got 'no-such-user'",
    )
    # The other layers hold.
    assert await kit.attempt("signal the front") == SECCOMP
    await kit.worker.stop()


@as_root
async def test_a_missing_layer_is_fatal_where_all_are_required() -> None:
    strict = SETTINGS.model_copy(update={"user": "no-such-user", "confinement": "required"})
    kit = Kit(settings=strict)
    with pytest.raises(WorkerStartError, match=r"expected a system with all layers, got one without user \("):
        await kit.start()
    assert kit.worker.state is WorkerState.FAILED
    await kit.worker.stop()


@confined
@with_landlock
async def test_all_layers_can_be_required() -> None:
    kit = await Kit(settings=SETTINGS.model_copy(update={"confinement": "required"})).start()
    assert set(kit.layers.values()) == {"active"}
    await kit.worker.stop()


class TestUser:
    def test_a_number_is_user_and_group(self) -> None:
        assert privileges.ids_of("1234") == (1234, 1234)

    @pytest.mark.parametrize("user", ["root", "0"])
    def test_root_is_no_user_to_become(self, user: str) -> None:
        with pytest.raises(LookupError, match="expected a user without root's rights"):
            privileges.ids_of(user)


def run(instructions: list[Instruction], architecture: int, number: int, *arguments: int) -> int:
    """What a filter returns for one system call: an interpreter of the language that the kernel runs."""
    data = struct.pack("<iIQ6Q", number, architecture, 0, *(arguments + (0,) * 6)[:6])
    loaded, position = 0, 0
    while True:
        code, if_true, if_false, value = instructions[position]
        position += 1
        match code:
            case 0x20:
                (loaded,) = struct.unpack_from("<I", data, value)
            case 0x06:
                return value
            case 0x15 | 0x35 | 0x45:
                holds = {0x15: loaded == value, 0x35: loaded >= value, 0x45: bool(loaded & value)}[code]
                position += if_true if holds else if_false
            case _:
                raise AssertionError(f"expected an instruction of the filter, got {code:#x}")


@pytest.mark.parametrize("architecture", [X86_64, AARCH64], ids=["x86_64", "aarch64"])
class TestFilter:
    """The filter itself, also for the machine that runs no tests."""

    def result(self, architecture: Architecture, name: str, *arguments: int) -> int:
        number = NUMBERS[name][architecture.column]
        assert number is not None
        return run(program(architecture, 1000), architecture.audit_number, number, *arguments)

    def test_it_fits_the_kernel(self, architecture: Architecture) -> None:
        assert len(assemble(program(architecture, 1000))) < 8 * 4096

    def test_the_numbers_are_distinct(self, architecture: Architecture) -> None:
        numbers = [
            each[architecture.column] for each in NUMBERS.values() if each[architecture.column] is not None
        ]
        assert len(numbers) == len(set(numbers))

    def test_numbers_of_another_architecture_end_the_process(self, architecture: Architecture) -> None:
        other = AARCH64 if architecture is X86_64 else X86_64
        assert run(program(architecture, 1000), other.audit_number, 0) == KILL

    def test_an_unknown_call_is_refused(self, architecture: Architecture) -> None:
        for number in (9999, 2**29):
            assert run(program(architecture, 1000), architecture.audit_number, number) == REFUSE | 1

    @pytest.mark.parametrize("name", ["read", "write", "futex", "recvfrom", "munmap", "exit_group"])
    def test_what_a_decoder_does_is_allowed(self, architecture: Architecture, name: str) -> None:
        assert self.result(architecture, name) == ALLOW

    @pytest.mark.parametrize(
        "name", ["execve", "socket", "ptrace", "sendmsg", "bpf", "setns", "process_vm_readv"]
    )
    def test_a_way_out_ends_the_process(self, architecture: Architecture, name: str) -> None:
        assert self.result(architecture, name) == KILL

    def test_a_signal_goes_to_the_process_itself_alone(self, architecture: Architecture) -> None:
        for name in ("kill", "tgkill", "tkill"):
            assert self.result(architecture, name, 1000, 6) == ALLOW
            for pid in (999, 1, 0, 2**32 - 1, 2**64 - 1):
                assert self.result(architecture, name, pid, 6) == KILL

    def test_memory_is_never_executable(self, architecture: Architecture) -> None:
        for name in ("mmap", "mprotect", "pkey_mprotect"):
            assert self.result(architecture, name, 0, 4096, 3) == ALLOW
            assert self.result(architecture, name, 0, 4096, 5) == REFUSE | 13
            assert self.result(architecture, name, 0, 4096, 2**32 + 4) == REFUSE | 13

    def test_a_clone_is_a_thread_and_nothing_more(self, architecture: Architecture) -> None:
        thread = 0x3D0F00  # what pthread_create asks for
        assert self.result(architecture, "clone", thread) == ALLOW
        assert self.result(architecture, "clone", 17) == KILL
        assert self.result(architecture, "clone", thread | 0x10000000) == KILL
        assert self.result(architecture, "clone3") == REFUSE | 38

    def test_limits_of_the_process_itself_are_read_only(self, architecture: Architecture) -> None:
        for pid in (0, 1000):
            assert self.result(architecture, "prlimit64", pid, 7, 0, 0x7FFF) == ALLOW
            assert self.result(architecture, "prlimit64", pid, 7, 0x7FFF, 0) == REFUSE | 1
            assert self.result(architecture, "prlimit64", pid, 7, 2**32, 0) == REFUSE | 1
        assert self.result(architecture, "prlimit64", 999, 7, 0, 0x7FFF) == REFUSE | 1
