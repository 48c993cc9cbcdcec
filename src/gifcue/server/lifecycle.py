"""The server's lifecycle: start, warm up, serve, drain, stop."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping

import structlog
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from gifcue import __version__
from gifcue.delivery.dispatcher import Dispatcher
from gifcue.engine.engine import Engine
from gifcue.gestures.library import ReloadedGestures
from gifcue.protocol.statistics import ServingState
from gifcue.rules.references import gifs_folder
from gifcue.rules.watch import BookWatcher
from gifcue.server.access_guard import AccessGuard
from gifcue.server.access_metrics import AccessCollector
from gifcue.server.annotations import AnnotationHandler
from gifcue.server.book_follower import BookFollower
from gifcue.server.build import build
from gifcue.server.config import Settings
from gifcue.server.confinement import warn_of_confinement
from gifcue.server.connection_metrics import ConnectionCollector
from gifcue.server.descriptors import connections_of
from gifcue.server.gesture_follower import GestureFollower
from gifcue.server.health import Health
from gifcue.server.http import public_application
from gifcue.server.http_teach import TeachHandler
from gifcue.server.listeners import GrpcPort, HttpPort, operators_need_tls
from gifcue.server.loop_lag import LoopLag
from gifcue.server.metrics import metrics_text
from gifcue.server.operations import Operations
from gifcue.server.operator import OPERATOR_SERVICE, add_operator_service
from gifcue.server.operator_http import operator_application
from gifcue.server.operator_status import StatusReader
from gifcue.server.probes import Probes
from gifcue.server.process_metrics import ProcessMetrics
from gifcue.server.reactions import REACTION_SERVICE, StreamHandler
from gifcue.server.server_metrics import ServerCollector
from gifcue.server.streams import Streams
from gifcue.server.teach_access import TeachAccess
from gifcue.server.triton_metrics import TritonCollector
from gifcue.server.websocket import WebSocketHandler
from gifcue.server.whip import whip_service

log = structlog.get_logger()

_UNARY_GRACE_S = 0.5
# Seconds after `server.drain_timeout_s` by which a stop has ended, whatever clients and workers do.
STOP_GRACE_S = 2.0
# The part of them that is kept for killing workers and for the end of the process.
_EXIT_S = 0.5
# What a step of a stop gets even where none is left.
_MIN_STEP_S = 0.05


class Server:
    """One gifcue server. `async with Server(settings) as server` starts it and drains it.

    `listen_port`, `http_port`, `operator_port`, `operator_http_port` and `whip_port` (UDP) are the ports in use once it
    has started, 0 for those that it does not have.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        detector_target: str | None = None,
        log_lines_lost: Callable[[], Mapping[str, int]] = dict,
        request_exit: Callable[[], None] | None = None,
    ) -> None:
        """`detector_target` ("module:function") is the entry point of detector workers, None for gifcue's own. With
        another one a server runs any detector; it is called as `gifcue.detect.worker.main` is. `log_lines_lost` counts
        lines of the log that were not written, by reason, for the metrics. `request_exit` makes the process end as
        SIGTERM does; None where an operator may not ask for that.

        Raises:
            ConfigError: the rule book, the keys or the certificate is missing or wrong, there is no folder of gestures,
                a port is exposed without protection, or WHIP lacks what it needs.
            OSError: the system has no shared memory for the pictures.
        """
        self._settings = settings
        self._clock = time.monotonic
        self._guard = AccessGuard(settings, self._clock)
        built = build(settings, self._clock, detector_target)
        self._engine, self._presets = built.engine, built.presets
        self._rule_book, self._dispatcher = built.book, built.dispatcher
        self._library = built.gestures
        self._gestures = GestureFollower(built.gestures, settings.rules.reload_interval_s)
        self._streams = Streams(
            self._engine, settings.server, self._clock, gif_base_url=settings.delivery.base_url
        )
        self._health = Health((REACTION_SERVICE, OPERATOR_SERVICE), lambda: self.state, lambda: self.is_alive)
        self._lag = LoopLag(self._clock)
        self._status = StatusReader(
            settings,
            self._engine,
            self._streams,
            self._rule_book,
            self._lag,
            lambda: self.state,
            self._clock,
        )
        self._operations = Operations(
            self._status,
            self._streams,
            self._metrics,
            lambda: self._book_follower.reload(),
            self._gestures.reload,
            lambda: self._health.update(),
            settings.server.drain_timeout_s,
            request_exit,
        )
        self._log_lines_lost = log_lines_lost
        self._connections = connections_of(settings)
        self._whip = whip_service(
            settings, self._streams, self._guard, lambda: self._engine.reaction_labels(settings.reactions)
        )
        self._grpc_ports: list[GrpcPort] = []
        self._http_ports: list[HttpPort] = []
        # The folder behind /gifs/, where it is served.
        self._gifs = gifs_folder(settings.rules.gifs) if settings.server.http_listen else None
        self._book_follower = BookFollower(
            settings,
            self._rule_book,
            self._presets,
            self._engine,
            self._dispatcher,
            self._gifs,
            self._library,
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._is_draining = False
        self._stop_by_s = 0.0
        self._last_words: asyncio.Future[None] | None = None
        self._has_served = False
        self.listen_port = 0
        self.http_port = 0
        self.operator_port = 0
        self.operator_http_port = 0
        self.whip_port = 0

    @property
    def engine(self) -> Engine:
        """The streams and their figures."""
        return self._engine

    @property
    def dispatcher(self) -> Dispatcher:
        """The deliveries and their figures."""
        return self._dispatcher

    @property
    def rule_book(self) -> BookWatcher:
        """The rule book in force, and what became of changes to its file."""
        return self._rule_book

    @property
    def access(self) -> AccessGuard:
        """The keys and certificates in force, and who was refused."""
        return self._guard

    async def reload_gestures(self) -> ReloadedGestures:
        """Reads the folder of custom gestures again and takes what has changed, without a restart."""
        return await self._gestures.reload()

    @property
    def state(self) -> ServingState:
        """The state of the server."""
        if self._is_draining or self._streams.refuses:
            return ServingState.DRAINING
        if self._engine.has_failed:
            return ServingState.NOT_SERVING
        if self._engine.is_ready:
            return ServingState.SERVING
        return ServingState.NOT_SERVING if self._has_served else ServingState.STARTING

    @property
    def is_alive(self) -> bool:
        """False once only a restart helps: a part of the server has failed, or nobody restarts the workers.

        Everything else heals by itself, and a stop has an end of its own, so that both leave this True.
        """
        if self._is_draining or not self._has_served:
            return True
        return self._engine.is_running and not any(task.done() for task in self._tasks)

    async def __aenter__(self) -> Server:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listens, starts the workers, and returns once the model is warm.

        Raises:
            ConfigError: an address is taken or malformed, or a file is missing.
            WorkerStartError: a worker never became ready.
        """
        # Listens before the model is loaded: probes then see NOT_SERVING and not a refused connection.
        await self._health.update()
        try:
            await self._listen_grpc()
            await self._listen_http()
            await self._engine.start()
        except BaseException:
            await self.stop()
            raise
        self._has_served = True
        await self._health.update()
        self._book_follower.warn()
        self._gestures.report()
        warn_of_confinement(self._engine.statistics().workers, self._settings.supervision.confinement)
        self._tasks.append(asyncio.create_task(self._health.follow(), name="health"))
        self._tasks.append(asyncio.create_task(self._lag.follow(), name="loop lag"))
        self._tasks.append(asyncio.create_task(self._engine.end_quiet(), name="quiet participants"))
        self._tasks.append(asyncio.create_task(self._book_follower.follow(), name="rule book"))
        self._tasks.append(asyncio.create_task(self._gestures.follow(), name="gestures"))
        self._tasks.append(asyncio.create_task(self._streams.follow(), name="rates of streams"))
        self._tasks.append(asyncio.create_task(self._guard.follow(), name="access"))
        for task in self._tasks:
            task.add_done_callback(self._on_task_done)
        log.info(
            "serving",
            version=__version__,
            model=self._engine.model.version,
            model_sha256=self._engine.model.sha256,
            backend=self._engine.model.backend,
            grpc_port=self.listen_port,
            http_port=self.http_port,
            operator_port=self.operator_port,
            operator_http_port=self.operator_http_port,
            whip_port=self.whip_port,
        )

    async def stop(self) -> None:
        """Drains: reports NOT_SERVING, lets every stream finish what is in flight, ends streams with OK, and stops."""
        if self._is_draining:
            return
        self._is_draining = True
        timeout_s = self._settings.server.drain_timeout_s
        deadline_s = self._clock() + timeout_s
        self._stop_by_s = deadline_s + STOP_GRACE_S - _EXIT_S
        log.info("draining", timeout_s=timeout_s)
        await self._health.update()
        await self._step("streams", self._streams.drain(timeout_s))
        # After the streams: the last frames in flight may still start reactions, and those are delivered, too.
        await self._step("deliveries", self._dispatcher.stop(max(0.0, deadline_s - self._clock())))
        if self._whip is not None:
            await self._step("WHIP", self._whip.stop())
        for task in self._tasks:
            task.cancel()
        await self._step("tasks", asyncio.gather(*self._tasks, return_exceptions=True))
        # Streams have ended by now. What is left are stills, which take milliseconds, and watches of health, which
        # never end by themselves. The workers stop after this, since stills need them.
        ports = [port.stop(_UNARY_GRACE_S) for port in self._grpc_ports]
        ports += [port.stop() for port in self._http_ports]
        await self._step("ports", asyncio.gather(*ports))
        workers = asyncio.ensure_future(self._engine.stop())
        await self._step("workers", workers)
        if not workers.done():
            for worker in self._engine.statistics().workers:
                if worker.pid:
                    os.kill(worker.pid, signal.SIGKILL)
            await asyncio.wait({workers}, timeout=_EXIT_S)
        log.info("stopped")

    async def _step(self, what: str, step: Awaitable[object]) -> None:
        """One step of a stop. It may fail or take too long, and the rest is stopped all the same."""
        task = asyncio.ensure_future(step)
        # Not cancelled where it takes too long: what it has begun goes on beside the next steps.
        await asyncio.wait({task}, timeout=max(_MIN_STEP_S, self._stop_by_s - self._clock()))
        if not task.done():
            log.error("a part of the server did not stop in time", part=what)
        elif not task.cancelled() and (error := task.exception()) is not None:
            log.error("a part of the server failed to stop", part=what, exc_info=error)

    def _metrics(self) -> bytes:
        return metrics_text(
            self._engine,
            self._dispatcher,
            self._rule_book,
            self._streams.holding_dropped,
            self._streams.details_dropped,
            AccessCollector(self._guard),
            ConnectionCollector(self._grpc_ports, self._http_ports),
            ServerCollector(self._streams.ended, self._log_lines_lost(), self._lag.statistics()),
            ProcessMetrics(self._status.read()),
            TritonCollector(self._engine.statistics().detect.remote),
            *([] if self._whip is None else [self._whip]),
        )

    async def _listen_grpc(self) -> None:
        settings = self._settings
        port = self._grpc_port("listen", settings.server.listen, self._connections.grpc)
        StreamHandler(self._streams).add_to(port.server)
        AnnotationHandler(self._engine, self._clock).add_to(port.server)
        await port.start(tls=True)
        self.listen_port = port.port
        address = settings.server.operator_listen
        if address:
            port = self._grpc_port("operator_listen", address, self._connections.operator_grpc)
            add_operator_service(self._operations, port.server)
            reflection.enable_server_reflection(
                (REACTION_SERVICE, OPERATOR_SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME),
                port.server,
            )
            await port.start(tls=operators_need_tls(address))
            self.operator_port = port.port

    def _grpc_port(self, setting: str, address: str, max_connections: int) -> GrpcPort:
        port = GrpcPort(
            self._guard,
            setting,
            address,
            message_bytes=self._settings.limits.max_message_bytes,
            max_streams=self._settings.server.max_streams,
            max_connections=max_connections,
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health.servicer, port.server)
        self._grpc_ports.append(port)
        return port

    async def _listen_http(self) -> None:
        server = self._settings.server
        probes = Probes(lambda: self.state, lambda: self.is_alive)
        if server.http_listen:
            assert self._gifs is not None, "expected a folder of GIFs where HTTP is served"
            port = HttpPort(
                self._guard, "http_listen", server.http_listen, max_connections=self._connections.http
            )
            self._http_ports.append(port)
            websocket = WebSocketHandler(self._streams, self._guard, self._settings.limits.max_message_bytes)
            access = TeachAccess(server, self._guard)
            teach = TeachHandler(self._engine, self._library, self._rule_book, access, self._clock)
            application = public_application(
                self._engine, probes, self._gifs, self._rule_book, websocket, teach, self._clock, self._whip
            )
            if self._whip is not None:
                await self._whip.start()
                self.whip_port = self._whip.port
            await port.start(application, tls=True)
            self.http_port = port.port
        if server.operator_http_listen:
            port = HttpPort(
                self._guard,
                "operator_http_listen",
                server.operator_http_listen,
                max_connections=self._connections.operator_http,
            )
            self._http_ports.append(port)
            application = operator_application(probes, self._metrics, self._operations)
            await port.start(application, tls=operators_need_tls(server.operator_http_listen))
            self.operator_http_port = port.port

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a part of the server failed", part=task.get_name(), exc_info=error)
            # The task that failed may be the one that keeps health up to date.
            self._last_words = asyncio.ensure_future(self._health.update())
