"""The server's lifecycle: start, warm up, serve, lame duck, drain, stop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

import structlog

from gifcue import __version__
from gifcue.gestures.library import ReloadedGestures
from gifcue.protocol.statistics import ServingState
from gifcue.rules.references import gifs_folder
from gifcue.server.access_guard import AccessGuard
from gifcue.server.annotations import AnnotationHandler
from gifcue.server.background import Background
from gifcue.server.book_follower import BookFollower
from gifcue.server.build import build
from gifcue.server.capacity import auto
from gifcue.server.capacity.record import MeasuredCapacity
from gifcue.server.config import Settings
from gifcue.server.confinement import warn_of_confinement
from gifcue.server.exposition import Exposition
from gifcue.server.gesture_follower import GestureFollower
from gifcue.server.health import Health
from gifcue.server.http import public_application
from gifcue.server.http_teach import TeachHandler
from gifcue.server.label_warnings import warn_of_labels
from gifcue.server.loop_lag import LoopLag
from gifcue.server.operations import Operations
from gifcue.server.operator import OPERATOR_SERVICE, add_operator_service
from gifcue.server.operator_http import operator_application
from gifcue.server.operator_status import StatusReader
from gifcue.server.ports import Ports
from gifcue.server.probes import Probes
from gifcue.server.reactions import REACTION_SERVICE, StreamHandler
from gifcue.server.stopping import Stopping
from gifcue.server.streams import Streams
from gifcue.server.teach_access import TeachAccess
from gifcue.server.trace_export import make_tracing
from gifcue.server.tracing import Tracing
from gifcue.server.websocket import WebSocketHandler
from gifcue.server.whip import whip_service

log = structlog.get_logger()


class Server:
    """One gifcue server. `async with Server(settings) as server` starts it and drains it.

    `engine` has the streams and their figures, `dispatcher` the deliveries, `rule_book` the book in force, `access` the
    keys and certificates in force and who was refused.

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
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        tracing: Tracing | None = None,
    ) -> None:
        """`detector_target` ("module:function") is the entry point of detector workers, None for gifcue's own. With
        another one a server runs any detector; it is called as `gifcue.detect.worker.main` is. `log_lines_lost` counts
        lines of the log that were not written, by reason, for the metrics. `request_exit` makes the process end as
        SIGTERM does; None where an operator may not ask for that. `sleep` waits for the end of the lame duck.
        `tracing` takes the place of the one that the settings ask for.

        Raises:
            ConfigError: the rule book, the keys or the certificate is missing or wrong, there is no folder of gestures,
                a port is exposed without protection, or WHIP lacks what it needs.
            OSError: the system has no shared memory for the pictures.
        """
        self._settings = settings
        self._clock = time.monotonic
        self._sleep = sleep
        self.access = AccessGuard(settings, self._clock)
        built = build(settings, self._clock, detector_target)
        self.engine, self._presets = built.engine, built.presets
        self.rule_book, self.dispatcher = built.book, built.dispatcher
        self._library = built.gestures
        self._gestures = GestureFollower(built.gestures, settings.rules.reload_interval_s)
        self._tracing = tracing or make_tracing(settings.tracing)
        self.engine.watch_batches(self._tracing.batch)
        self._streams = Streams(
            self.engine,
            settings.server,
            self._clock,
            gif_base_url=settings.delivery.base_url,
            tracing=self._tracing,
        )
        self._health = Health((REACTION_SERVICE, OPERATOR_SERVICE), lambda: self.state, lambda: self.is_alive)
        self._lag = LoopLag(self._clock)
        self._status = StatusReader(
            settings,
            self.engine,
            self._streams,
            self.rule_book,
            self._lag,
            lambda: self.state,
            self._clock,
        )
        self._ports = Ports(settings, self.access, self._health)
        self._whip = whip_service(
            settings, self._streams, self.access, lambda: self.engine.reaction_labels(settings.reactions)
        )
        self._capacity: MeasuredCapacity | None = None
        self._metrics = Exposition(
            self.engine,
            self.dispatcher,
            self.rule_book,
            self._streams,
            self.access,
            self._ports,
            self._lag,
            self._status,
            log_lines_lost,
            lambda: None if self._capacity is None else self._capacity.participants,
            self._tracing,
            () if self._whip is None else (self._whip,),
        ).text
        self._operations = Operations(
            self._status,
            self._streams,
            self._metrics,
            lambda: self._book_follower.reload(),
            self._gestures.reload,
            lambda: self._health.update(),
            settings.server,
            request_exit,
        )
        # The folder behind /gifs/, where it is served.
        self._gifs = gifs_folder(settings.rules.gifs) if settings.server.http_listen else None
        self._book_follower = BookFollower(
            settings,
            self.rule_book,
            self._presets,
            self.engine,
            self.dispatcher,
            self._gifs,
            self._library,
        )
        self._background = Background(self._on_part_failed)
        self._is_draining = False
        self._last_words: asyncio.Future[None] | None = None
        self._has_served = False

    @property
    def listen_port(self) -> int:
        """The port for gRPC."""
        return self._ports.number("listen")

    @property
    def http_port(self) -> int:
        """The port for HTTP."""
        return self._ports.number("http_listen")

    @property
    def operator_port(self) -> int:
        """The port for gRPC of operators."""
        return self._ports.number("operator_listen")

    @property
    def operator_http_port(self) -> int:
        """The port for HTTP of operators."""
        return self._ports.number("operator_http_listen")

    @property
    def whip_port(self) -> int:
        """The UDP port for WebRTC."""
        return 0 if self._whip is None else self._whip.port

    async def reload_gestures(self) -> ReloadedGestures:
        """Reads the folder of custom gestures again and takes what has changed, without a restart."""
        return await self._gestures.reload()

    @property
    def state(self) -> ServingState:
        """The state of the server."""
        if self._is_draining or self._streams.refuses:
            return ServingState.DRAINING
        if self.engine.has_failed:
            return ServingState.NOT_SERVING
        if self.engine.is_ready:
            return ServingState.SERVING
        return ServingState.NOT_SERVING if self._has_served else ServingState.STARTING

    @property
    def is_alive(self) -> bool:
        """False once only a restart helps: a part of the server has failed, or nobody restarts the workers.

        Everything else heals by itself, and a stop has an end of its own, so that both leave this True.
        """
        if self._is_draining or not self._has_served:
            return True
        return self.engine.is_running and self._background.is_whole

    async def __aenter__(self) -> Server:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listens, finds the capacity where the settings ask for it, starts the workers, and returns once all is warm.

        Raises:
            ConfigError: an address is taken or malformed, a file is missing, or the capacity could not be measured.
            WorkerStartError: a worker never became ready.
        """
        # Listens before the model is loaded: probes then see NOT_SERVING and not a refused connection.
        await self._health.update()
        try:
            await self._listen()
            self._capacity = await auto.apply(self._settings, self.engine)
            await self.engine.start()
        except BaseException:
            await self.stop()
            raise
        self._has_served = True
        await self._health.update()
        self._book_follower.warn()
        warn_of_labels(self.engine.model, self._settings.reactions)
        self._gestures.report()
        warn_of_confinement(self.engine.statistics().workers, self._settings.supervision.confinement)
        self._background.start(
            {
                "health": self._health.follow(),
                "loop lag": self._lag.follow(),
                "quiet participants": self.engine.end_quiet(),
                "rule book": self._book_follower.follow(),
                "gestures": self._gestures.follow(),
                "rates of streams": self._streams.follow(),
                "access": self.access.follow(),
            }
        )
        log.info(
            "serving",
            version=__version__,
            model=self.engine.model.version,
            model_sha256=self.engine.model.sha256,
            backend=self.engine.model.backend,
            grpc_port=self.listen_port,
            http_port=self.http_port,
            operator_port=self.operator_port,
            operator_http_port=self.operator_http_port,
            whip_port=self.whip_port,
        )

    async def stop(self) -> None:
        """Reports that it drains, serves on for `server.lame_duck_s`, lets every stream finish what is in flight, ends
        the streams with OK, and stops.
        """
        if self._is_draining:
            return
        self._is_draining = True
        self._streams.refuse()
        await self._health.update()
        lame_duck_s, timeout_s = self._settings.server.lame_duck_s, self._settings.server.drain_timeout_s
        if lame_duck_s and self._has_served:
            log.info("no new streams", drains_in_s=lame_duck_s, streams=self._streams.count)
            await self._sleep(lame_duck_s)
        log.info("draining", timeout_s=timeout_s)
        stopping = Stopping(self._clock, timeout_s)
        await stopping.step("streams", self._streams.drain(timeout_s))
        # After the streams: the last frames in flight may still start reactions, and those are delivered, too.
        await stopping.step("deliveries", self.dispatcher.stop(stopping.drain_left_s))
        if self._whip is not None:
            await stopping.step("WHIP", self._whip.stop())
        await stopping.step("tasks", self._background.stop())
        # Streams have ended by now. What is left are stills, which take milliseconds, and watches of health, which
        # never end by themselves. The workers stop after this, since stills need them.
        await stopping.step("ports", self._ports.close())
        await stopping.stop_workers(self.engine.stop(), lambda: self.engine.statistics().workers)
        # Last, because a collector that does not answer must take no time from the workers.
        await stopping.step("traces", asyncio.to_thread(self._tracing.close, stopping.left_s))
        log.info("stopped")

    async def _listen(self) -> None:
        """Opens the ports, those of gRPC first."""
        await self._ports.open_grpc(
            [StreamHandler(self._streams).add_to, AnnotationHandler(self.engine, self._clock).add_to]
        )
        await self._ports.open_operator_grpc(
            lambda port: add_operator_service(self._operations, port), (REACTION_SERVICE, OPERATOR_SERVICE)
        )
        server = self._settings.server
        probes = Probes(lambda: self.state, lambda: self.is_alive)
        if self._gifs is not None:
            websocket = WebSocketHandler(self._streams, self.access, self._settings.limits.max_message_bytes)
            access = TeachAccess(server, self.access)
            teach = TeachHandler(self.engine, self._library, self.rule_book, access, self._clock)
            application = public_application(
                self.engine, probes, self._gifs, self.rule_book, websocket, teach, self._clock, self._whip
            )
            if self._whip is not None:
                await self._whip.start()
            await self._ports.open_http(application)
        if server.operator_http_listen:
            await self._ports.open_operator_http(
                operator_application(probes, self._metrics, self._operations)
            )

    def _on_part_failed(self) -> None:
        # The task that failed may be the one that keeps health up to date.
        self._last_words = asyncio.ensure_future(self._health.update())
