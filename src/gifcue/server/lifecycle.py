"""The server's lifecycle: start, warm up, serve, drain, stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from pathlib import Path

import grpc
import structlog
from aiohttp import web
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from gifcue import __version__
from gifcue.delivery.dispatcher import Dispatcher
from gifcue.delivery.sink import CueGif
from gifcue.engine.engine import Engine
from gifcue.errors import ConfigError
from gifcue.protocol.statistics import ServingState
from gifcue.rules.references import gifs_folder
from gifcue.rules.watch import BookWatcher, lines_of
from gifcue.server.annotations import AnnotationHandler
from gifcue.server.build import build
from gifcue.server.config import Settings
from gifcue.server.http import HttpEdge
from gifcue.server.logs import configure_logs
from gifcue.server.metrics import metrics_text
from gifcue.server.operator import OperatorServicer
from gifcue.server.reactions import ReactionServicer
from gifcue.v1 import operator_service_pb2, operator_service_pb2_grpc, reaction_service_pb2
from gifcue.v1 import reaction_service_pb2_grpc as reaction_grpc
from gifcue.workers.confinement.profile import LayerState

log = structlog.get_logger()

REACTION_SERVICE = reaction_service_pb2.DESCRIPTOR.services_by_name["ReactionService"].full_name
OPERATOR_SERVICE = operator_service_pb2.DESCRIPTOR.services_by_name["OperatorService"].full_name
# Room for the fields around a payload of the greatest size.
_ENVELOPE_BYTES = 64 * 1024
_HEALTH_INTERVAL_S = 0.5
_UNARY_GRACE_S = 1.0


class Server:
    """One gifcue server. `async with Server(settings) as server` starts it and drains it.

    `listen_port` and `http_port` are the ports in use once it has started.
    """

    def __init__(self, settings: Settings, *, detector_target: str | None = None) -> None:
        """`detector_target` ("module:function") is the entry point of detector workers, None for gifcue's own. With
        another one a server runs any detector; it is called as `gifcue.detect.worker.main` is.

        Raises:
            ConfigError: the rule book is missing or wrong, or there is no folder of gestures.
            OSError: the system has no shared memory for the pictures.
        """
        self._settings = settings
        self._clock = time.monotonic
        built = build(settings, self._clock, detector_target)
        self._engine, self._presets = built.engine, built.presets
        self._rule_book, self._dispatcher = built.book, built.dispatcher
        self._reactions = ReactionServicer(self._engine, settings.server, self._clock)
        self._health = health.aio.HealthServicer()
        self._grpc: grpc.aio.Server | None = None
        self._http: web.AppRunner | None = None
        self._gifs: Path | None = None  # the folder behind /gifs/, where it is served
        self._tasks: list[asyncio.Task[None]] = []
        self._is_draining = False
        self._has_served = False
        self.listen_port = 0
        self.http_port = 0

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
        await self._listen_grpc()
        try:
            await self._listen_http()
            await self._engine.start()
        except BaseException:
            await self.stop()
            raise
        self._has_served = True
        await self._set_health(health_pb2.HealthCheckResponse.SERVING)
        self._warn_of_presets()
        self._warn_of_missing()
        self._warn_of_confinement()
        self._tasks.append(asyncio.create_task(self._follow_health(), name="health"))
        self._tasks.append(asyncio.create_task(self._follow_book(), name="rule book"))
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
        await self._reactions.drain(timeout_s)
        # After the streams: the last frames in flight may still start reactions, and those are delivered, too.
        await self._dispatcher.stop(max(0.0, deadline_s - self._clock()))
        for task in self._tasks:
            task.cancel()
        # A task that failed has been logged by `_log_failure`; its error must not keep the rest from stopping.
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._grpc is not None:
            # Streams have ended by now. What is left are stills, which take milliseconds, and watches of health, which
            # never end by themselves. The workers stop after this, since stills need them.
            await self._grpc.stop(grace=_UNARY_GRACE_S)
        if self._http is not None:
            await self._http.cleanup()
        await self._engine.stop()
        log.info("stopped")

    def _metrics(self) -> bytes:
        return metrics_text(self._engine, self._dispatcher, self._rule_book, self._reactions.holding_dropped)

    async def _listen_grpc(self) -> None:
        settings = self._settings
        message_bytes = (
            settings.limits.max_frame_bytes + settings.limits.max_extradata_bytes + _ENVELOPE_BYTES
        )
        server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", message_bytes),
                ("grpc.so_reuseport", 0),  # two servers on one port are taken as a mistake
            ]
        )
        reaction_grpc.add_ReactionServiceServicer_to_server(self._reactions, server)
        AnnotationHandler(self._engine, self._clock).add_to(server)
        operator_service_pb2_grpc.add_OperatorServiceServicer_to_server(
            OperatorServicer(self._engine, lambda: self.state, self._clock, self._metrics), server
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        reflection.enable_server_reflection(
            (REACTION_SERVICE, OPERATOR_SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), server
        )
        address = settings.server.listen
        try:
            credentials = self._credentials()
            self.listen_port = (
                server.add_secure_port(address, credentials)
                if credentials
                else server.add_insecure_port(address)
            )
        except RuntimeError as error:
            raise ConfigError(f"server.listen: expected a free address, got {address}: {error}") from None
        await server.start()
        self._grpc = server

    def _credentials(self) -> grpc.ServerCredentials | None:
        certificate, key = self._settings.server.tls_certificate, self._settings.server.tls_key
        if certificate is None and key is None:
            return None
        if certificate is None or key is None:
            raise ConfigError("server.tls_certificate, server.tls_key: expected both or none, got one")
        return grpc.ssl_server_credentials([(_read(key, "tls_key"), _read(certificate, "tls_certificate"))])

    async def _listen_http(self) -> None:
        address = self._settings.server.http_listen
        if not address:
            return
        self._gifs = gifs_folder(self._settings.rules.gifs)
        host, _, port = address.rpartition(":")
        application = HttpEdge(self._engine, lambda: self.state, self._gifs, self._metrics).application()
        self._http = web.AppRunner(application, access_log=None)
        await self._http.setup()
        site = web.TCPSite(self._http, host.strip("[]"), int(port))
        try:
            await site.start()
        except OSError as error:
            raise ConfigError(
                f"server.http_listen: expected a free address, got {address}: {error}"
            ) from None
        self.http_port = self._http.addresses[0][1]

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

    def _warn_of_confinement(self) -> None:
        """Warns, once a layer, of what the workers can do because this system or the settings do not confine them."""
        workers = self._engine.statistics().workers
        if self._settings.supervision.confinement == "off":
            log.warning("decode workers are not confined", setting="supervision.confinement")
            return
        lacking: dict[tuple[str, str], list[str]] = {}
        for worker in workers:
            for layer in worker.confinement:
                if layer.state == LayerState.MISSING:
                    lacking.setdefault((layer.layer, layer.why), []).append(worker.name)
        for (layer_name, why), names in lacking.items():
            log.warning(
                "workers lack a layer of confinement", layer=layer_name, reason=why, workers=", ".join(names)
            )

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


def _read(path: Path, field: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"server.{field}: expected a readable file, got {path}: {error.strerror}") from None


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
