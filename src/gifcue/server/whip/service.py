"""WHIP as a part of the server: what it starts and stops, and its figures."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from aiohttp import web
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gifcue.errors import ConfigError
from gifcue.ingest.rtp.udp import ListenError
from gifcue.ingest.webrtc.lite import LitePort
from gifcue.server.access_guard import AccessGuard
from gifcue.server.config import Settings
from gifcue.server.streams import Streams
from gifcue.server.whip.events import RoomEvents
from gifcue.server.whip.handler import WhipHandler
from gifcue.server.whip.sessions import WhipSessions


class WhipService(Collector):
    """WHIP with its UDP port. Made in the event loop; `start` listens. `labels` gives those that the server knows."""

    def __init__(
        self,
        settings: Settings,
        streams: Streams,
        guard: AccessGuard,
        labels: Callable[[], Collection[str]],
    ) -> None:
        whip = settings.whip
        host, _, port = whip.listen.rpartition(":")
        self._listen = whip.listen
        self._port = LitePort(host.strip("[]"), int(port), [str(each) for each in whip.addresses])
        self._events = RoomEvents(settings.delivery.base_url)
        self.sessions = WhipSessions(
            self._port, streams, self._events, whip.max_sessions, settings.server.idle_timeout_s
        )
        self._handler = WhipHandler(self.sessions, self._events, streams, guard, settings.limits, labels)

    @property
    def port(self) -> int:
        """The UDP port that is open."""
        return self._port.port

    async def start(self) -> None:
        """Listens.

        Raises:
            ConfigError: the address is taken, or none of this machine.
        """
        try:
            await self._port.__aenter__()
        except ListenError as error:
            raise ConfigError(f"whip.listen: {error}") from None

    def add_to(self, application: web.Application) -> None:
        """Adds the routes."""
        self._handler.add_to(application)

    async def stop(self) -> None:
        """Ends the sessions, and closes the port."""
        await self.sessions.close_all()
        await self._port.__aexit__(None, None, None)

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("gifcue_whip_sessions", "WHIP sessions open.", value=self.sessions.count)
        yield GaugeMetricFamily(
            "gifcue_whip_listeners", "Listeners to events of WHIP rooms.", value=self._events.count
        )
        yield _by("gifcue_whip_sessions_ended", "WHIP sessions that ended.", self.sessions.ended)
        yield _by(
            "gifcue_whip_refused",
            "Requests of WHIP that were refused, by the status of HTTP.",
            self._handler.refused,
            label="status",
        )
        yield _by(
            "gifcue_whip_dropped",
            "Datagrams, packets and frames of WHIP senders that were of no use.",
            self.sessions.dropped,
        )
        yield CounterMetricFamily(
            "gifcue_whip_listeners_cut",
            "Listeners that were cut off because they did not read.",
            value=self._events.cut,
        )


def _by(name: str, text: str, counts: Mapping[str, int], label: str = "reason") -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=[label])
    for key, count in sorted(counts.items()):
        family.add_metric([key], count)
    return family
