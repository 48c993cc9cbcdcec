"""Supervision of real child processes."""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gifcue.errors import WorkerLost, WorkerStartError
from gifcue.protocol.statistics import WorkerState
from gifcue.workers.arena import Arena
from gifcue.workers.loss import Loss
from gifcue.workers.message_order import MAX_UNASKED, MESSAGES_FOR_ONE
from gifcue.workers.messages import MessageTypes
from gifcue.workers.restart_policy import FAILED_AFTER_STARTS
from gifcue.workers.settings import SupervisionSettings
from gifcue.workers.supervised import SupervisedWorker
from tests.support.waiting import until_changed

TARGETS = "tests.support.worker_targets"
ANYTHING = MessageTypes(Any, Any, Any, max_to_front_bytes=8 * 1024 * 1024)
# Long timeouts, so that no test fails on a slow machine. Tests of timeouts set their own.
LONG_TIMEOUTS = SupervisionSettings(start_timeout_s=60.0, stuck_after_s=30.0, backoff_initial_s=0.0)


class Kit:
    """A worker and the calls of its callbacks."""

    def __init__(
        self,
        function: str = "echo",
        init: Any = None,
        settings: SupervisionSettings = LONG_TIMEOUTS,
        fds: dict[str, int] | None = None,
    ) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.states: list[WorkerState] = []
        self.losses: list[Loss] = []
        self.fails = False
        self.changed = asyncio.Event()
        self.worker = SupervisedWorker(
            "test-0",
            f"{TARGETS}:{function}",
            init,
            types=ANYTHING,
            fds=fds,
            on_message=lambda message: self._note("message", message),
            on_ready=lambda info: self._note("ready", info),
            on_lost=self._on_lost,
            on_state=self._on_state,
            settings=settings,
        )

    def _note(self, what: str, argument: Any) -> None:
        self.calls.append((what, argument))
        self.changed.set()

    def _on_lost(self, loss: Loss) -> None:
        self.losses.append(loss)
        self._note("lost", loss.reason)
        if self.fails:
            raise LookupError

    def _on_state(self, state: WorkerState) -> None:
        self.states.append(state)
        self.changed.set()

    def of(self, what: str) -> list[Any]:
        return [argument for name, argument in self.calls if name == what]

    async def until(self, condition: Callable[[], bool]) -> None:
        await until_changed(self.changed, condition)

    async def start(self) -> SupervisedWorker:
        self.worker.start()
        await self.worker.wait_ready()
        return self.worker


@pytest.fixture
async def kit() -> AsyncIterator[Kit]:
    kit = Kit()
    await kit.start()
    yield kit
    await kit.worker.stop()


def is_gone(pid: int) -> bool:
    """True if the process does not exist, not even as a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def descriptors() -> list[str]:
    """The open file descriptors, from /proc."""
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


class TestLife:
    async def test_a_child_receives_its_arguments_and_reports_itself(self) -> None:
        arena = Arena.create(ranges=1, slots_per_range=1, slot_bytes=8)
        kit = Kit(init={"threads": 2}, fds={"arena": arena.fd})
        worker = await kit.start()
        statistics = worker.statistics()
        assert kit.of("ready") == [{"pid": statistics.pid, "init": {"threads": 2}, "fds": ["arena"]}]
        assert (statistics.name, statistics.state, statistics.restarts) == ("test-0", WorkerState.READY, 0)
        await worker.stop()
        assert kit.states == [WorkerState.STARTING, WorkerState.READY, WorkerState.STOPPED]
        arena.close()

    async def test_messages_are_answered_in_order(self, kit: Kit) -> None:
        for number in range(5000):
            kit.worker.send(number)
        await kit.until(lambda: len(kit.of("message")) == 5000)
        assert kit.of("message") == list(range(5000))

    async def test_a_child_works_in_the_arena(self) -> None:
        arena = Arena.create(ranges=2, slots_per_range=2, slot_bytes=8)
        kit = Kit("add_one", arena.shape, fds={"arena": arena.fd})
        await kit.start()
        kit.worker.send(3)
        await kit.until(lambda: bool(kit.of("message")))
        assert bytes(arena.slot(3)) == b"\x01" * 8
        assert bytes(arena.slot(2)) == bytes(8)
        await kit.worker.stop()
        arena.close()

    async def test_what_a_child_prints_does_not_reach_the_commands_output(
        self, kit: Kit, capfd: pytest.CaptureFixture[str]
    ) -> None:
        kit = Kit()
        await kit.start()
        kit.worker.send("print")
        await kit.until(lambda: kit.of("message") == ["printed"])
        await kit.worker.stop()
        captured = capfd.readouterr()
        assert (captured.out, captured.err) == ("", "printed\n")

    async def test_a_child_ignores_sigint_and_sigterm(self, kit: Kit) -> None:
        pid = kit.worker.statistics().pid
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(pid, number)
        kit.worker.send("still there?")
        await kit.until(lambda: bool(kit.of("message")))
        assert kit.worker.statistics().pid == pid

    async def test_a_message_that_cannot_be_sent_is_the_callers_error(self, kit: Kit) -> None:
        with pytest.raises((TypeError, AttributeError)):
            Kit(init=lambda: None)
        with pytest.raises(TypeError):
            kit.worker.send(lambda: None)
        kit.worker.send("fine")
        await kit.until(lambda: kit.of("message") == ["fine"])


class TestLoss:
    async def test_a_killed_child_is_reported_once_before_its_restart(self, kit: Kit) -> None:
        before = kit.worker.statistics().pid
        os.kill(before, signal.SIGKILL)
        await kit.until(lambda: len(kit.of("ready")) == 2)
        assert [name for name, _ in kit.calls] == ["ready", "lost", "ready"]
        assert kit.of("lost") == ["killed by SIGKILL"]
        statistics = kit.worker.statistics()
        assert (statistics.restarts, statistics.last_failure) == (1, "killed by SIGKILL")
        assert statistics.pid != before
        assert is_gone(before)
        assert kit.states[1:] == [WorkerState.READY, WorkerState.RESTARTING, WorkerState.READY]

    async def test_nothing_can_be_sent_during_a_restart(self) -> None:
        slow = LONG_TIMEOUTS.model_copy(update={"backoff_initial_s": 60.0, "backoff_max_s": 60.0})
        kit = Kit(settings=slow)
        worker = await kit.start()
        worker.send("die")
        await kit.until(lambda: bool(kit.of("lost")))
        assert not worker.is_ready
        with pytest.raises(WorkerLost, match="expected worker test-0 to be ready, got restarting"):
            worker.send("hello")
        await worker.stop()

    async def test_messages_sent_before_a_crash_are_delivered(self, kit: Kit) -> None:
        kit.worker.send("answer and die")
        await kit.until(lambda: bool(kit.of("lost")))
        assert [name for name, _ in kit.calls] == ["ready", "message", "lost"]

    async def test_an_exception_is_the_reason_of_the_loss(self, kit: Kit) -> None:
        kit.worker.send("raise")
        await kit.until(lambda: len(kit.of("ready")) == 2)
        assert kit.of("lost") == ["RuntimeError: told to"]

    async def test_a_child_that_returns_is_lost_and_restarted(self) -> None:
        kit = Kit("return_at_once")
        kit.worker.start()
        await kit.until(lambda: len(kit.of("lost")) >= 7)
        await kit.worker.stop()
        assert set(kit.of("lost")) == {"ended with exit status 0"}
        assert WorkerState.FAILED not in kit.states

    async def test_a_child_that_sends_garbage_is_replaced(self, kit: Kit) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: None)
        kit.worker.send("garbage")
        await kit.until(lambda: len(kit.of("ready")) == 2)
        assert kit.of("lost") == [
            "sent a message that does not fit: expected a frame of at most 8388608 bytes, got 4294967295"
        ]

    async def test_a_child_that_floods_the_front_is_replaced(self, kit: Kit) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: None)
        kit.worker.send("flood")
        await kit.until(lambda: len(kit.of("ready")) == 2)
        assert kit.of("lost") == [
            "sent a message that does not fit: expected no MESSAGE at this point, got one"
        ]
        assert len(kit.of("message")) == MAX_UNASKED + MESSAGES_FOR_ONE

    async def test_a_stopped_child_is_replaced(self) -> None:
        kit = Kit(settings=LONG_TIMEOUTS.model_copy(update={"ping_interval_s": 0.1, "stuck_after_s": 1.0}))
        worker = await kit.start()
        before = worker.statistics().pid
        os.kill(before, signal.SIGSTOP)
        await kit.until(lambda: len(kit.of("ready")) == 2)
        (loss,) = kit.losses
        assert loss.reason.startswith("stopped by a signal: expected a sign of life, got none for 1.")
        assert loss.is_blameless
        assert is_gone(before)
        await worker.stop()

    async def test_a_child_that_hangs_in_its_work_is_replaced(self) -> None:
        kit = Kit(settings=LONG_TIMEOUTS.model_copy(update={"ping_interval_s": 0.1, "stuck_after_s": 1.0}))
        worker = await kit.start()
        worker.send("hang")
        await kit.until(lambda: len(kit.of("ready")) == 2)
        (loss,) = kit.losses
        assert loss.reason.startswith("stuck: expected a sign of life, got none for 1.")
        assert not loss.is_blameless
        await worker.stop()

    async def test_a_child_that_computes_without_an_end_is_replaced(self) -> None:
        settings = LONG_TIMEOUTS.model_copy(update={"ping_interval_s": 0.1, "max_silent_cpu_s": 0.2})
        kit = Kit(settings=settings)
        worker = await kit.start()
        worker.send("compute")
        await kit.until(lambda: len(kit.of("ready")) == 2)
        assert kit.of("lost") == ["stuck: expected a sign of life within 0.2 s of CPU time, got none"]
        await worker.stop()

    async def test_sending_to_a_stopped_child_buffers_and_is_counted(self, kit: Kit) -> None:
        pid = kit.worker.statistics().pid
        os.kill(pid, signal.SIGSTOP)
        keyframe = b"x" * 200_000
        for _ in range(20):
            kit.worker.send(keyframe)
        await asyncio.sleep(0)
        assert kit.worker.buffered_bytes > 1_000_000
        os.kill(pid, signal.SIGCONT)
        await kit.until(lambda: len(kit.of("message")) == 20)
        assert kit.of("message") == [keyframe] * 20
        assert kit.worker.buffered_bytes == 0

    async def test_a_fault_in_a_callback_does_not_end_the_supervision(self) -> None:
        faults: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context["message"]))
        kit = Kit()
        kit.fails = True
        await kit.start()
        kit.worker.send("die")
        await kit.until(lambda: len(kit.of("ready")) == 2)
        assert faults == ["a callback of worker test-0 failed"]
        await kit.worker.stop()


class TestFailure:
    async def test_starts_that_fail_in_a_row_are_a_failure_and_are_tried_again(self, tmp_path: Path) -> None:
        lucky = tmp_path / "lucky"
        kit = Kit("unlucky", init=str(lucky))
        with pytest.raises(WorkerStartError, match="got failed: OSError: no luck today"):
            await kit.start()
        assert kit.worker.statistics().restarts >= FAILED_AFTER_STARTS
        # A worker that was never ready has lost nothing.
        assert kit.calls == []
        lucky.touch()
        await kit.until(lambda: bool(kit.of("ready")))
        assert kit.states == [WorkerState.STARTING, WorkerState.FAILED, WorkerState.READY]
        await kit.worker.stop()

    async def test_a_configuration_error_is_a_failure_at_once(self) -> None:
        slow = LONG_TIMEOUTS.model_copy(update={"backoff_initial_s": 60.0, "backoff_max_s": 60.0})
        kit = Kit("misconfigured", settings=slow)
        with pytest.raises(WorkerStartError, match="ConfigError: expected a port, got a starboard"):
            await kit.start()
        assert kit.worker.statistics().restarts == 1
        await kit.worker.stop()
        assert kit.worker.state is WorkerState.STOPPED

    async def test_what_makes_a_restart_hopeless_may_be_mended(self, tmp_path: Path) -> None:
        model = tmp_path / "model"
        model.touch()
        kit = Kit("needs_file", init=str(model))
        worker = await kit.start()
        model.unlink()
        worker.send("die")
        await kit.until(lambda: worker.state is WorkerState.FAILED)
        assert "ModelError" in worker.statistics().last_failure
        model.touch()
        await kit.until(lambda: worker.is_ready)
        await worker.stop()

    async def test_a_missing_target_is_the_reason(self) -> None:
        kit = Kit("no_such_function")
        with pytest.raises(WorkerStartError, match="no attribute 'no_such_function'"):
            await kit.start()
        await kit.worker.stop()

    async def test_a_child_that_does_not_become_ready_is_killed(self) -> None:
        kit = Kit("never_ready", settings=LONG_TIMEOUTS.model_copy(update={"start_timeout_s": 0.3}))
        with pytest.raises(WorkerStartError, match=r"expected to be ready within 0.3 s, was not"):
            await kit.start()
        await kit.worker.stop()
        assert kit.worker.statistics().pid == 0

    async def test_a_process_that_cannot_be_started_is_tried_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        python = sys.executable
        monkeypatch.setattr(sys, "executable", "/nowhere/python")
        kit = Kit()
        with pytest.raises(WorkerStartError, match="expected to start a process, got"):
            await kit.start()
        monkeypatch.setattr(sys, "executable", python)
        await kit.until(lambda: bool(kit.of("ready")))
        await kit.worker.stop()

    async def test_a_lack_of_descriptors_is_survived(self, monkeypatch: pytest.MonkeyPatch) -> None:
        kit = Kit()
        worker = await kit.start()
        make = socket.socketpair
        refused = itertools.count()

        def refuse() -> tuple[socket.socket, socket.socket]:
            if next(refused) < 20:
                raise OSError(errno.EMFILE, "Too many open files")
            return make()

        monkeypatch.setattr(socket, "socketpair", refuse)
        worker.send("die")
        await kit.until(lambda: len(kit.of("ready")) == 2)
        assert WorkerState.FAILED in kit.states
        assert len(kit.of("lost")) == 1
        await worker.stop()

    async def test_an_error_of_the_supervision_is_reported_and_survived(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        faults: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context["message"]))
        kit = Kit()

        def fail(arguments: list[str], **options: Any) -> None:
            raise LookupError("a bug")

        with monkeypatch.context() as patch:
            patch.setattr("gifcue.workers.process.Process", fail)
            with pytest.raises(WorkerStartError, match="LookupError: a bug"):
                await kit.start()
        assert set(faults) == {"the supervision of worker test-0 failed"}
        await kit.until(lambda: bool(kit.of("ready")))
        await kit.worker.stop()


class TestStop:
    async def test_stop_lets_a_child_finish_its_messages(self) -> None:
        kit = Kit()
        worker = await kit.start()
        pid = worker.statistics().pid
        for number in range(1000):
            worker.send(number)
        await worker.stop()
        assert kit.of("message") == list(range(1000))
        assert kit.of("lost") == []
        assert worker.state is WorkerState.STOPPED
        assert is_gone(pid)
        with pytest.raises(WorkerLost):
            worker.send("hello")
        await worker.stop()

    async def test_a_child_that_does_not_finish_is_killed_after_the_grace_period(self) -> None:
        kit = Kit()
        worker = await kit.start()
        pid = worker.statistics().pid
        worker.send("hang")
        await worker.stop(grace_s=0.1)
        assert is_gone(pid)
        assert kit.of("lost") == []

    async def test_stop_does_not_wait_for_a_starting_child(self) -> None:
        kit = Kit("never_ready", settings=LONG_TIMEOUTS.model_copy(update={"stop_grace_s": 600.0}))
        kit.worker.start()
        await kit.worker.stop()
        assert kit.states == [WorkerState.STARTING, WorkerState.STOPPED]

    async def test_stop_before_start_does_nothing(self) -> None:
        await Kit().worker.stop()

    async def test_waiting_for_a_stopped_worker_is_an_error(self) -> None:
        kit = Kit("never_ready")
        kit.worker.start()
        waiting = asyncio.create_task(kit.worker.wait_ready())
        await asyncio.sleep(0)
        await kit.worker.stop()
        with pytest.raises(WorkerStartError, match="got stopped"):
            await waiting

    async def test_a_cancelled_supervision_leaves_no_process(self) -> None:
        kit = Kit()
        worker = await kit.start()
        pid = worker.statistics().pid
        (supervision,) = [task for task in asyncio.all_tasks() if task.get_name() == "supervise test-0"]
        supervision.cancel()
        with pytest.raises(asyncio.CancelledError):
            await supervision
        assert is_gone(pid)

    @pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts descriptors in /proc")
    async def test_no_descriptor_is_leaked(self) -> None:
        before = descriptors()
        kit = Kit()
        worker = await kit.start()

        def ready_times(count: int) -> bool:
            return len(kit.of("ready")) == count

        for count in (2, 3):
            worker.send("die")
            await kit.until(partial(ready_times, count))
        await worker.stop()
        assert descriptors() == before


FRONT = """
import asyncio, sys
from typing import Any
from gifcue.workers.messages import MessageTypes
from gifcue.workers.supervised import SupervisedWorker

async def main():
    types = MessageTypes(Any, Any, Any)
    worker = SupervisedWorker(
        "test-0", "tests.support.worker_targets:echo", None, types=types, on_message=print
    )
    worker.start()
    await worker.wait_ready()
    if sys.argv[1] == "busy":
        worker.send("hang")
    print(worker.statistics().pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="waits for a process that is not its child: Linux")
@pytest.mark.parametrize("work", ["idle", "busy"])
def test_a_child_does_not_outlive_the_front(work: str) -> None:
    with subprocess.Popen([sys.executable, "-c", FRONT, work], stdout=subprocess.PIPE, text=True) as front:
        assert front.stdout is not None
        pidfd = os.pidfd_open(int(front.stdout.readline()))
        front.kill()
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    assert poll.poll(30_000), "the child still runs"
    os.close(pidfd)
