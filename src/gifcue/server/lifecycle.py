"""The server's lifecycle: start, warm up, serve, drain, stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from pathlib import Path

import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from gifcue import __version__
from gifcue.delivery.dispatcher import Dispatcher
from gifcue.delivery.sink import CueGif
from gifcue.engine.engine import Engine
from gifcue.protocol.statistics import ServingState
from gifcue.rules.references import gifs_folder
from gifcue.rules.watch import BookWatcher, lines_of
from gifcue.server.access_guard import AccessGuard
from gifcue.server.access_metrics import AccessCollector
from gifcue.server.annotations import AnnotationHandler
from gifcue.server.build import build
from gifcue.server.config import Settings
from gifcue.server.confinement import warn_of_confinement
from gifcue.server.http import HttpEdge
from gifcue.server.listeners import GrpcPort, HttpPort, operators_need_tls
from gifcue.server.logs import configure_logs
from gifcue.server.metrics import metrics_text
from gifcue.server.operator import OperatorServicer
from gifcue.server.operator_http import operator_application
from gifcue.server.probes import Probes
from gifcue.server.reactions import REACTION_SERVICE, ReactionServicer
from gifcue.server.streams import Streams
from gifcue.v1 import operator_service_pb2, operator_service_pb2_grpc

log = structlog.get_logger()

OPERATOR_SERVICE = operator_service_pb2.DESCRIPTOR.services_by_name["OperatorService"].full_name
# Room for the fields around a payload of the greatest size.
_ENVELOPE_BYTES = 64 * 1024
_HEALTH_INTERVAL_S = 0.5
_UNARY_GRACE_S = 1.0


class Server:
    """One gifcue server. `async with Server(settings) as server` starts it and drains it.

    `listen_port`, `http_port`, `operator_port` and `operator_http_port` are the ports in use once it has started, 0 for
    those that it does not have.
    """

    def __init__(self, settings: Settings, *, detector_target: str | None = None) -> None:
        """`detector_target` ("module:function") is the entry point of detector workers, None for gifcue's own. With
        another one a server runs any detector; it is called as `gifcue.detect.worker.main` is.

        Raises:
            ConfigError: the rule book, the keys or the certificate is missing or wrong, there is no folder of gestures,
                or a port is exposed without protection.
            OSError: the system has no shared memory for the pictures.
        """
        self._settings = settings
        self._clock = time.monotonic
        self._guard = AccessGuard(settings, self._clock)
        built = build(settings, self._clock, detector_target)
        self._engine, self._presets = built.engine, built.presets
        self._rule_book, self._dispatcher = built.book, built.dispatcher
        self._streams = Streams(self._engine, settings.server, self._clock)
        self._health = health.aio.HealthServicer()
        self._grpc_ports: list[GrpcPort] = []
        self._http_ports: list[HttpPort] = []
        self._gifs: Path | None = None  # the folder behind /gifs/, where it is served
        self._tasks: list[asyncio.Task[None]] = []
        self._is_draining = False
        self._has_served = False
        self.listen_port = 0
        self.http_port = 0
        self.operator_port = 0
        self.operator_http_port = 0

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

    @property
    def state(self) -> ServingState:
        """The state of the server."""
        if self._is_draining:
            return ServingState.DRAINING
        if self._engine.has_failed:
            return ServingState.NOT_SERVING
        if self._engine.is_ready:
            return ServingState.SERVING
        return ServingState.NOT_SERVING if self._has_served else ServingState.STARTING

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
        await self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        try:
            await self._listen_grpc()
            await self._listen_http()
            await self._engine.start()
        except BaseException:
            await self.stop()
            raise
        self._has_served = True
        await self._set_health(health_pb2.HealthCheckResponse.SERVING)
        self._warn_of_presets()
        self._warn_of_missing()
        warn_of_confinement(self._engine.statistics().workers, self._settings.supervision.confinement)
        self._tasks.append(asyncio.create_task(self._follow_health(), name="health"))
        self._tasks.append(asyncio.create_task(self._follow_book(), name="rule book"))
        self._tasks.append(asyncio.create_task(self._guard.follow(), name="access"))
        for task in self._tasks:
            task.add_done_callback(_log_failure)
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
        )

    async def stop(self) -> None:
        """Drains: reports NOT_SERVING, lets every stream finish what is in flight, ends streams with OK, and stops."""
        if self._is_draining:
            return
        self._is_draining = True
        timeout_s = self._settings.server.drain_timeout_s
        deadline_s = self._clock() + timeout_s
        log.info("draining", timeout_s=timeout_s)
        await self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        await self._streams.drain(timeout_s)
        # After the streams: the last frames in flight may still start reactions, and those are delivered, too.
        await self._dispatcher.stop(max(0.0, deadline_s - self._clock()))
        for task in self._tasks:
            task.cancel()
        # A task that failed has been logged by `_log_failure`; its error must not keep the rest from stopping.
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # Streams have ended by now. What is left are stills, which take milliseconds, and watches of health, which
        # never end by themselves. The workers stop after this, since stills need them.
        await asyncio.gather(*(port.stop(_UNARY_GRACE_S) for port in self._grpc_ports))
        await asyncio.gather(*(port.stop() for port in self._http_ports))
        await self._engine.stop()
        log.info("stopped")

    def _metrics(self) -> bytes:
        return metrics_text(
            self._engine,
            self._dispatcher,
            self._rule_book,
            self._streams.holding_dropped,
            AccessCollector(self._guard),
        )

    async def _listen_grpc(self) -> None:
        settings = self._settings
        port = self._grpc_port("listen", settings.server.listen)
        ReactionServicer(self._streams).add_to(port.server)
        AnnotationHandler(self._engine, self._clock).add_to(port.server)
        await port.start(tls=True)
        self.listen_port = port.port
        address = settings.server.operator_listen
        if address:
            port = self._grpc_port("operator_listen", address)
            operator_service_pb2_grpc.add_OperatorServiceServicer_to_server(
                OperatorServicer(self._engine, lambda: self.state, self._clock, self._metrics), port.server
            )
            reflection.enable_server_reflection(
                (REACTION_SERVICE, OPERATOR_SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME),
                port.server,
            )
            await port.start(tls=operators_need_tls(address))
            self.operator_port = port.port

    def _grpc_port(self, setting: str, address: str) -> GrpcPort:
        limits = self._settings.limits
        port = GrpcPort(
            self._guard,
            setting,
            address,
            message_bytes=limits.max_frame_bytes + limits.max_extradata_bytes + _ENVELOPE_BYTES,
            max_streams=self._settings.server.max_streams,
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, port.server)
        self._grpc_ports.append(port)
        return port

    async def _listen_http(self) -> None:
        server = self._settings.server
        probes = Probes(lambda: self.state)
        if server.http_listen:
            self._gifs = gifs_folder(self._settings.rules.gifs)
            port = HttpPort(self._guard, "http_listen", server.http_listen)
            self._http_ports.append(port)
            await port.start(HttpEdge(self._engine, probes, self._gifs).application(), tls=True)
            self.http_port = port.port
        if server.operator_http_listen:
            port = HttpPort(self._guard, "operator_http_listen", server.operator_http_listen)
            self._http_ports.append(port)
            application = operator_application(probes, self._metrics)
            await port.start(application, tls=operators_need_tls(server.operator_http_listen))
            self.operator_http_port = port.port

    async def _set_health(self, status: health_pb2.HealthCheckResponse.ServingStatus) -> None:
        for service in ("", REACTION_SERVICE, OPERATOR_SERVICE):
            await self._health.set(service, status)

    async def _follow_health(self) -> None:
        status = health_pb2.HealthCheckResponse.SERVING
        while True:
            await asyncio.sleep(_HEALTH_INTERVAL_S)
            is_serving = self.state is ServingState.SERVING
            now = (
                health_pb2.HealthCheckResponse.SERVING
                if is_serving
                else health_pb2.HealthCheckResponse.NOT_SERVING
            )
            if now != status:
                status = now
                log.warning("health changed", state=self.state.value)
                await self._set_health(status)

    async def _follow_book(self) -> None:
        last_error = ""
        while True:
            await asyncio.sleep(self._settings.rules.reload_interval_s)
            try:
                # In a thread: parsing a large book would hold up the streams.
                if self._rule_book.take(await asyncio.to_thread(self._rule_book.look)):
                    log.info("rule book reloaded")
                    await asyncio.to_thread(self._warn_of_missing)
                last_error = ""
            except Exception as error:
                # The next version may be a good one. An error that comes back at every look is logged once.
                if repr(error) != last_error:
                    last_error = repr(error)
                    log.exception("rule book could not be followed")

    def _warn_of_presets(self) -> None:
        for preset, problem in self._presets.refused.items():
            log.warning("no stream can ask for this preset", preset=preset, problem=problem)

    def _warn_of_missing(self) -> None:
        """Warns of labels and GIFs that the rule book names and this server does not have."""
        book = self._rule_book
        # Where no book is configured, the labels of the default one are no mistake of the operator.
        if self._settings.rules.book is not None:
            unknown = book.missing(labels=self._engine.reaction_labels(self._settings.reactions))
            if unknown:
                log.warning("rule book names labels that never react here", lines=lines_of(unknown))
        if self._gifs is not None:
            missing = book.missing(gifs=self._gifs)
            if missing:
                log.warning("rule book names GIFs that are not in the folder", lines=lines_of(missing))
        gifs = [
            CueGif(name, gif.url, gif.title, gif.media_type, gif.video_url)
            for name, gif in book.book.gifs.items()
        ]
        for rejected in self._dispatcher.rejected_gifs(gifs):
            log.warning(
                "rule book has GIFs that a sink cannot show",
                sink=rejected.sink,
                reason=rejected.reason.value,
                gifs=rejected.count,
                of=len(gifs),
            )


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a part of the server failed", part=task.get_name(), exc_info=error)


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    starting = asyncio.create_task(_start(settings))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        server = await starting
        await stopping
        await server.stop()
    stopping.cancel()


async def _start(settings: Settings) -> Server:
    server = Server(settings)
    await server.start()
    return server


def run(settings: Settings) -> int:
    """Serves until SIGTERM or SIGINT, drains, and returns the process' exit code.

    Raises as `Server.start` does.
    """
    configure_logs(settings.log)
    asyncio.run(_serve(settings))
    return 0
