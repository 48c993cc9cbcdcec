"""One child process, kept alive: start ▸ ready ▸ ping ▸ restart ▸ stop.

    STARTING ──ready──► READY ──lost──► RESTARTING ──pause, new process──► READY …
        └───────── starts that fail again and again ─────────┴──► FAILED ──pause, new process──► READY …
    any ──stop()──► STOPPED

A worker is restarted for ever. FAILED means that it is not expected back soon: a start was hopeless (a model that
cannot be read), or several starts failed in a row. Then `wait_ready` raises an error, and other workers get its work.

`on_lost` is called once for each loss of a worker that was ready. What was sent before `on_lost` and not answered by
then is lost: the process is dead by that time, and none of its messages is delivered afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from gifcue.errors import WorkerLost, WorkerStartError
from gifcue.protocol.statistics import LayerStatus, WorkerState, WorkerStatus
from gifcue.workers.channel import AsyncChannel
from gifcue.workers.confinement.profile import Profile
from gifcue.workers.framing import Kind
from gifcue.workers.loss import Loss
from gifcue.workers.message_order import MessageOrder
from gifcue.workers.messages import MessageTypes
from gifcue.workers.process import child_process
from gifcue.workers.restart_policy import RestartPauses
from gifcue.workers.settings import SupervisionSettings
from gifcue.workers.watch import ProcessWatch

log = structlog.get_logger()

Clock = Callable[[], float]

# How long a child that has closed its channel may take to exit.
_EXIT_GRACE_S = 1.0


class SupervisedWorker:
    """A child that is started, watched, restarted and stopped. Everything is called from the loop's thread.

    `target` is "module:function", called in the child as `function(channel, init, fds)`; `fds` are handed
    down under their names; `env` is added to the little that a child gets of the front's environment
    (`gifcue.workers.environment`). `types` are those of the messages in both directions. `profile` says how the
    child is confined once it is ready; None: not at all. The callbacks must not block:

        on_message(message)     for each message of the child, its types checked; raises InvalidMessage where it does
                                not fit what the child was sent, which ends the process
        on_ready(info)          after each start, with the `info` of the child's `BlockingChannel.ready`
        on_lost(loss)           once for each loss of a worker that was ready, before its restart
        on_state(state)         after each change of state
    """

    def __init__(
        self,
        name: str,
        target: str,
        init: Any,
        *,
        types: MessageTypes,
        profile: Profile | None = None,
        fds: Mapping[str, int] | None = None,
        env: Mapping[str, str] | None = None,
        on_message: Callable[[Any], None],
        on_ready: Callable[[Any], None] | None = None,
        on_lost: Callable[[Loss], None] | None = None,
        on_state: Callable[[WorkerState], None] | None = None,
        settings: SupervisionSettings | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self.name = name
        self._target = target
        # Pickled here, so that the caller gets the error where `init` cannot be sent.
        self._settings = settings or SupervisionSettings()
        confinement = self._settings.of(profile) if profile is not None else None
        self._init = pickle.dumps((types, confinement, init), protocol=5)
        self._types = types
        self._confinement: tuple[LayerStatus, ...] = ()
        self._fds = dict(fds or {})
        self._env = dict(env or {})
        self._on_message = on_message
        self._on_ready = on_ready
        self._on_lost = on_lost
        self._on_state = on_state
        self._clock = clock
        self._pauses = RestartPauses(self._settings)
        self._state = WorkerState.STOPPED
        self._pid = 0
        self._restarts = 0
        self._last_failure = ""
        self._channel: AsyncChannel | None = None
        self._watch: ProcessWatch
        self._crash = ""
        self._hopeless = False
        self._order = MessageOrder()  # of the current process
        # Settled once, by whatever ends the current process first; None where that says nothing of why.
        self._end: asyncio.Future[Loss | None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._stop_requested = asyncio.Event()
        # Replaced after each change of state, so that each waiter sees every change.
        self._changed = asyncio.Event()

    @property
    def state(self) -> WorkerState:
        return self._state

    @property
    def is_ready(self) -> bool:
        """True while messages can be sent."""
        return self._state is WorkerState.READY and not self._stop_requested.is_set()

    @property
    def is_supervised(self) -> bool:
        """True between start and stop: the process is restarted where it ends."""
        return self._task is not None and not self._task.done()

    @property
    def buffered_bytes(self) -> int:
        """Bytes sent to the worker that the kernel has not taken yet."""
        return self._channel.buffered_bytes if self._channel is not None else 0

    def start(self) -> None:
        """Begins to start the process; `wait_ready` waits for it. Calling it again does nothing."""
        if self._task is None:
            self._set_state(WorkerState.STARTING)
            self._task = asyncio.get_running_loop().create_task(self._run(), name=f"supervise {self.name}")

    async def wait_ready(self) -> None:
        """Waits until the worker is ready.

        Raises:
            WorkerStartError: its start is hopeless, failed several times in a row, or was stopped.
        """
        while not self.is_ready:
            if self._state in (WorkerState.FAILED, WorkerState.STOPPED):
                why = self._last_failure or "it was stopped"
                raise WorkerStartError(f"expected worker {self.name} to be ready, got {self._state}: {why}")
            await self._changed.wait()

    def send(self, message: Any) -> None:
        """Queues a message; never blocks. Raises WorkerLost while the worker is not ready."""
        if not self.is_ready or self._channel is None:
            raise WorkerLost(f"expected worker {self.name} to be ready, got {self._state}")
        self._channel.send(message)
        self._order.sent()

    async def stop(self, grace_s: float | None = None) -> None:
        """Lets the worker finish what it was sent, for `grace_s` seconds at most, then kills it.

        Answers still arrive meanwhile; `on_lost` is not called. Calling it again, or before `start`, does
        nothing.
        """
        if self._task is None:
            return
        if grace_s is not None:
            self._settings = self._settings.model_copy(update={"stop_grace_s": grace_s})
        # The request first: `_live` asks for it when `_finish` wakes it.
        self._stop_requested.set()
        self._finish(None)
        # Shielded: a caller that is cancelled must not cancel the supervision, which still has to end the process.
        await asyncio.shield(self._task)

    def statistics(self) -> WorkerStatus:
        return WorkerStatus(
            self.name, self._state, self._pid, self._restarts, self._last_failure, self._confinement
        )

    async def _run(self) -> None:
        while not self._stop_requested.is_set():
            try:
                loss = await self._live()
            except Exception as error:
                # A defect of this module. The worker is still restarted, and what it held is still lost.
                self._report("the supervision", error)
                loss = Loss(f"{type(error).__name__}: {error}", is_error=True)
            if self._stop_requested.is_set():
                break
            pause_s = self._lose(loss)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop_requested.wait(), pause_s)
        self._set_state(WorkerState.STOPPED)

    def _lose(self, loss: Loss) -> float:
        """Follows the loss of a process; returns the seconds to wait before the next one is started."""
        was_ready = self._state is WorkerState.READY
        pause_s = self._pauses.lost(self._clock(), was_started=loss.was_started)
        self._last_failure = loss.reason
        self._restarts += 1
        # The pauses also bound how much is logged.
        log.warning(
            "worker lost" if was_ready else "worker could not start",
            worker=self.name,
            pid=loss.pid,
            reason=loss.log_reason,
            restart_in_s=round(pause_s, 3),
        )
        # The state first: `on_lost` asks which workers are left.
        if loss.is_hopeless or self._pauses.has_failed:
            self._set_state(WorkerState.FAILED)
        elif was_ready:
            self._set_state(WorkerState.RESTARTING)
        if was_ready:
            self._call(self._on_lost, loss)
        return pause_s

    async def _live(self) -> Loss:
        """One process from its start to its end; returns why it ended. It is dead and reaped by then."""
        loop = asyncio.get_running_loop()
        self._crash, self._hopeless = "", False
        self._order = MessageOrder()
        self._end = loop.create_future()
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            return Loss.not_started(error)
        with theirs:
            try:
                process = child_process(self.name, self._target, theirs.fileno(), self._fds, self._env)
            except BaseException as error:
                ours.close()
                # RuntimeError: the system gives no more threads.
                if isinstance(error, OSError | RuntimeError):
                    return Loss.not_started(error)
                raise
        pid = self._pid = process.pid
        channel = self._channel = AsyncChannel(ours, self._types, self._on_frame, self._on_closed)
        process.exited.add_done_callback(lambda _: self._finish(None))
        self._watch = ProcessWatch(
            pid, self._settings, self._clock, ping=lambda: self._ping(channel), end=self._finish
        )
        try:
            channel.send(self._init, Kind.INIT)
            loss = await self._end
            self._watch.cancel()
            # A process that is still starting does not read its channel, and has nothing to finish.
            if self._stop_requested.is_set() and self._state is WorkerState.READY:
                channel.finish()
                await asyncio.wait({process.exited}, timeout=self._settings.stop_grace_s)
            elif loss is None and not self._stop_requested.is_set():
                # The process is exiting by itself. Killed now, it would report SIGKILL instead of its own exit status.
                await asyncio.wait({process.exited}, timeout=_EXIT_GRACE_S)
        finally:
            self._watch.cancel()
            process.kill()
            # Shielded: even a cancelled supervision must not leave a process behind.
            status = await asyncio.shield(process.exited)
            # After the process is reaped and before the channel closes: what it sent before it died is delivered, and
            # all of it before `on_lost`.
            channel.drain()
            channel.close()
            self._channel = None
            self._pid = 0
        if loss is not None:
            return loss.of(pid)
        if self._crash:
            return Loss(self._crash, pid, is_error=True, is_hopeless=self._hopeless)
        return Loss.exited(pid, status)

    def _on_frame(self, kind: Kind, body: Any) -> None:
        self._order.heard(kind)
        self._watch.heard()
        if kind is Kind.MESSAGE:
            self._on_message(body)
        elif kind is Kind.READY and not self._is_ending:
            self._watch.ready()
            self._pauses.ready(self._clock())
            if self._restarts:
                log.info("worker is back", worker=self.name, pid=self._pid, restarts=self._restarts)
            report, info = body
            self._confinement = tuple(LayerStatus(each.layer, each.state, each.why) for each in report)
            # The state first: `on_ready` sends messages, which only a ready worker takes.
            self._set_state(WorkerState.READY)
            self._call(self._on_ready, info)
        elif kind is Kind.CRASH:
            self._crash, self._hopeless = body.what, body.hopeless

    def _ping(self, channel: AsyncChannel) -> None:
        self._order.pinged()
        channel.send(None, Kind.PING)

    def _on_closed(self, refusal: str) -> None:
        """The channel is at its end: the child has closed it, or sent what was refused."""
        self._finish(Loss(refusal) if refusal else None)

    @property
    def _is_ending(self) -> bool:
        return self._end is None or self._end.done()

    def _finish(self, loss: Loss | None) -> None:
        if self._end is not None and not self._end.done():
            self._end.set_result(loss)

    def _set_state(self, state: WorkerState) -> None:
        if state is self._state:
            return
        self._state = state
        self._changed.set()
        self._changed = asyncio.Event()
        self._call(self._on_state, state)

    def _call(self, callback: Callable[..., None] | None, *arguments: Any) -> None:
        if callback is None:
            return
        try:
            callback(*arguments)
        except Exception as error:
            # An error in a callback must not end the supervision.
            self._report("a callback", error)

    def _report(self, what: str, error: Exception) -> None:
        asyncio.get_running_loop().call_exception_handler(
            {"message": f"{what} of worker {self.name} failed", "exception": error}
        )
