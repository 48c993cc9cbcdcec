"""The tables of `benchmarks.fleet`: results, bandwidth, and the load on everything around the pods."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.fleet_inputs import DAY_S, HOUR_S, SOURCES, Inputs
from benchmarks.fleet_simulation import Figures

# Sent for one participant, kbit/s, with its source; CPU ms a second of front, decode and detect (docs/performance.md).
LAYERS = (
    ("320x180", 200, "assumed", 22 + 20 + 32),
    ("640x360", 800, "configured, docs/ingest.md", 26 + 30 + 35),
    ("1280x720", 2500, "assumed", 22 + 59 + 33),
    ("1920x1080", 4500, "assumed", 28 + 112 + 36),
)
_CAPACITY_MS = LAYERS[1][3]
KBIT_S = LAYERS[1][1]
# One picture and a face, in a call for each network (docs/triton.md), 4.1 times a second (docs/performance.md).
TRITON_KBIT_S = round((246 + 19) * 8 * 4.1)

PROXY_GBIT_S = 10.0
PARTICIPANTS_PER_MEDIA_SERVER = 500
HEARTBEATS_S = 2.5
SERIES_PER_POD = 160
RANK_MS_PER_1000 = 2.4
REACTIONS_PER_HOUR = 6
DNS_RECORDS = 65_535 // 16
CLUSTER_NODES = 5_000
CONNECTIONS_PER_POD = 1_536


@dataclass(frozen=True)
class Result:
    """The figures of some days of one kind, or of sample cells; `times` times as many make the whole."""

    name: str
    inputs: Inputs
    days: tuple[Figures, ...]
    times: float = 1.0

    def mean(self, values: Sequence[float]) -> float:
        """The mean of a day, for the whole fleet."""
        return sum(values) / len(values) * self.times

    def share(self, parts: Sequence[float], wholes: Sequence[float]) -> float:
        """A share over all days."""
        return sum(parts) / sum(wholes) if sum(wholes) else 0.0

    @property
    def pods(self) -> float:
        """The most pods that the autoscaler asked for."""
        return self.mean([day.peak_wanted for day in self.days])

    @property
    def surged(self) -> float:
        """The most pods at one time, those of a rolling update and those that drain included."""
        return self.mean([day.peak_replicas for day in self.days])

    @property
    def peak(self) -> float:
        """The most participants with reactions at one time."""
        return self.mean([day.peak_participants for day in self.days])

    @property
    def streams(self) -> float:
        """Streams at the busiest time, by the mean size of a room."""
        return self.inputs.participants * self.times / self.inputs.mean_size


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def number(value: float) -> str:
    """Three digits, with commas; below 10, two."""
    if abs(value) >= 1000:
        value = round(value, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.0f}" if abs(value) >= 10 or value == int(value) else f"{value:.2g}"


def percent(share: float) -> str:
    """A share in per cent."""
    return f"{100 * share:.1f} %" if share < 0.9995 else f"{100 * share:.0f} %"


def sources() -> str:
    """Every input of the simulation."""
    defaults = Inputs()

    def value(names: str) -> str:
        shown = []
        for name in names.split():
            each = getattr(defaults, name)
            shown.append(" to ".join(map(_value, each)) if isinstance(each, tuple) else _value(each))
        return ", ".join(shown)

    return markdown(
        ("input", "value (seconds without a unit)", "", "source"),
        [(what, value(names), kind, source) for what, names, kind, source in SOURCES],
    )


def _value(value: float) -> str:
    """Times of an hour and more in hours, or in days."""
    for unit_s, unit in ((DAY_S, " days"), (HOUR_S, " h")):
        if value >= unit_s:
            return f"{value / unit_s:.4g}{unit}"
    return f"{value:g}"


def size(results: Sequence[Result]) -> str:
    """What the fleet is made of."""
    rows = []
    for result in results:
        inputs, days = result.inputs, result.days
        use = result.share([day.served_s for day in days], [day.replica_s * inputs.capacity for day in days])
        rows.append(
            (
                result.name,
                number(result.peak),
                f"{number(result.pods)}, {number(result.surged)}",
                number(result.pods * inputs.cores),
                number(result.pods * inputs.gpus) if inputs.gpus else "–",
                number(result.mean([day.peak_nodes for day in days])),
                number(result.mean([day.replica_s / HOUR_S * inputs.cores for day in days])),
                percent(use),
            )
        )
    head = (
        "fleet",
        "most participants in",
        "pods, with the update",
        "cores",
        "GPUs",
        "nodes",
        "core-hours a day",
        "use of the capacity",
    )
    return markdown(head, rows)


def service(results: Sequence[Result]) -> str:
    """What participants notice."""
    rows = []
    for result in results:
        days = result.days
        joins = [day.joins for day in days]
        wanted_h = [day.wanted_s / HOUR_S for day in days]

        def without(*causes: str, days: Sequence[Figures] = days, hours: Sequence[float] = wanted_h) -> str:
            total = sum(sum(day.without_s[cause] for cause in causes) for day in days)
            return f"{total / sum(hours):.2f}"

        rows.append(
            (
                result.name,
                percent(result.share([day.refused["full"] for day in days], joins)),
                percent(result.share([day.refused["room too large"] for day in days], joins)),
                percent(result.share([day.openings_refused for day in days], [day.openings for day in days])),
                f"{number(result.mean([day.rooms_waited for day in days]))}, "
                f"{max(day.longest_wait_s for day in days):.0f} s",
                without("join refused"),
                without("room too large"),
                without("waiting"),
                without("moving"),
            )
        )
    head = (
        "fleet", "joins refused: server full", "room too large", "openings refused", "rooms that waited, longest",
        "seconds without reactions an hour: join refused", "room too large", "waiting", "moving",
    )  # fmt: skip
    return markdown(head, rows)


def moves(results: Sequence[Result]) -> str:
    """Streams that moved."""
    rows = []
    for result in results:
        days = result.days
        moved = [
            number(result.mean([day.moved[why] for day in days]))
            for why in ("update", "scale-down", "failure")
        ]
        each = result.share([day.moved["update"] for day in days], [day.update_streams for day in days])
        took = max(day.update_s for day in days)
        failures = number(result.mean([day.failures for day in days]))
        rows.append((result.name, moved[0], f"{each:.1f}", f"{took:.0f} s", moved[1], moved[2], failures))
    head = (
        "fleet", "streams moved by the update", "moves of each stream", "the update took",
        "streams moved by scale-down", "by failures", "pods that failed",
    )  # fmt: skip
    return markdown(head, rows)


def bandwidth(scales: Sequence[float], capacity: int, cores: int) -> str:
    """What is sent, and what it takes, by the layer of video that is sent."""
    rows = []
    for layer, kbit_s, source, cpu_ms in LAYERS:
        fits = capacity * _CAPACITY_MS / cpu_ms
        cells = [f"{number(scale * kbit_s / 1e6)} / {number(scale / fits * cores)}" for scale in scales]
        rows.append((layer, f"{kbit_s} ({source})", f"{fits:.0f}", number(fits * kbit_s / 1e3), *cells))
    rows.append(
        (
            "beside it, with networks in Triton",
            f"{TRITON_KBIT_S} (computed)",
            "",
            number(capacity * TRITON_KBIT_S / 1e3),
            *(f"{number(scale * TRITON_KBIT_S / 1e6)} / –" for scale in scales),
        )
    )
    heads = (f"{number(scale)}: Gbit/s / cores" for scale in scales)
    return markdown(
        ("sent", "kbit/s of one participant", "participants of a pod", "Mbit/s of a pod", *heads), rows
    )


def around(results: Sequence[Result]) -> str:
    """The load on what is around the pods, at the busiest time."""
    rows: list[tuple[str, ...]] = []

    def row(what: str, limit: str, values: Sequence[str]) -> None:
        rows.append((what, limit, *values))

    pods, inputs = [result.pods for result in results], [result.inputs for result in results]
    people = [result.inputs.participants * result.times for result in results]
    streams = [result.streams for result in results]
    surged = [result.surged for result in results]
    row("pods", "20 (the chart's `maxReplicas`)", [number(count) for count in pods])
    row(
        "spare of 100 (the chart's) as a share of all pods",
        "10 % (the autoscaler's tolerance)",
        [percent(100 / (count * each.capacity)) for count, each in zip(pods, inputs, strict=True)],
    )
    row(
        "proxies of 10 Gbit/s, by bandwidth alone",
        "1",
        [number(math.ceil(count * KBIT_S / 1e6 / PROXY_GBIT_S)) for count in people],
    )
    row("heartbeats and streams through them", "not measured", [
        f"{number(count * HEARTBEATS_S)} a second, {number(count)}" for count in streams
    ])  # fmt: skip
    row("frames a second through them", "not measured", [number(count * 30) for count in people])
    row("connections of a pod, a media server for 500 participants each", f"{CONNECTIONS_PER_POD:,}", [
        number(min(math.ceil(count / PARTICIPANTS_PER_MEDIA_SERVER), count_streams / count_pods))
        for count, count_streams, count_pods in zip(people, streams, pods, strict=True)
    ])  # fmt: skip
    row("connections of a pod, a browser for each participant", f"{CONNECTIONS_PER_POD:,}", [
        number(each.capacity) for each in inputs
    ])  # fmt: skip
    row("health watches of a pod", "–", [
        number(3 * count_streams / count_pods) for count_streams, count_pods in zip(streams, pods, strict=True)
    ])  # fmt: skip
    row(
        "addresses behind one name in DNS, with surge",
        f"{DNS_RECORDS:,}",
        [number(count) for count in surged],
    )
    row("addresses for pods, with surge", "4,091 (a network of /20)", [number(count) for count in surged])
    row("nodes", f"{CLUSTER_NODES:,} (Kubernetes)", [
        number(result.mean([day.peak_nodes for day in result.days])) for result in results
    ])  # fmt: skip
    row("series in Prometheus; samples a second", "some 10 million (assumed)", [
        f"{number(count * SERIES_PER_POD)}; {number(count * SERIES_PER_POD / each.scrape_s)}"
        for count, each in zip(pods, inputs, strict=True)
    ])  # fmt: skip
    row("hours to drain all nodes, one pod at a time", "8 (a night)", [
        number(count * (each.schedule_s + each.start_s + each.probe_s + each.pull_s) / HOUR_S)
        for count, each in zip(pods, inputs, strict=True)
    ])  # fmt: skip
    row("CPU ms of the client library for one placement", "–", [
        number(count / 1000 * RANK_MS_PER_1000) for count in pods
    ])  # fmt: skip
    row("deliveries a second, at 6 reactions an hour (assumed)", "the receiver's", [
        number(count * REACTIONS_PER_HOUR / HOUR_S) for count in people
    ])  # fmt: skip
    return markdown(
        ("at the busiest time", "limit", *(f"{number(count)} participants" for count in people)), rows
    )
