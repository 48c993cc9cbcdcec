"""Prometheus metrics, read at every scrape from the statistics of the engine, the deliveries and the rule book: nothing
is counted twice. No label ever names a person or a room."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from gifcue.delivery.dispatcher import Dispatcher
from gifcue.delivery.queue import DeliveryStatistics
from gifcue.delivery.sink import DeadReason
from gifcue.detect.statistics import DetectStatistics, DurationStatistics
from gifcue.engine.engine import Engine
from gifcue.engine.latency import BUCKETS_MS
from gifcue.media.pool import DecodeStatistics
from gifcue.media.still_pool import StillStatistics
from gifcue.protocol.reasons import DropReason, SkipReason
from gifcue.rules.watch import BookWatcher

# Upper bounds of pictures in a batch.
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class EngineCollector(Collector):
    """Turns the engine's statistics into metric families."""

    def __init__(self, engine: Engine, holding_dropped: int, details_dropped: int) -> None:
        self._engine = engine
        self._holding_dropped = holding_dropped
        self._details_dropped = details_dropped

    def collect(self) -> Iterator[Metric]:
        figures = self._engine.statistics()
        frames = figures.frames
        yield CounterMetricFamily("gifcue_frames_received", "Frames that arrived.", value=frames.received)
        yield CounterMetricFamily(
            "gifcue_frames_analysed", "Frames that a detector analysed.", value=frames.analysed
        )
        yield _by(
            "gifcue_frames_skipped", "Frames that needed no analysis.", "reason", frames.skipped, SkipReason
        )
        yield _by("gifcue_frames_dropped", "Frames lost to analysis.", "reason", frames.dropped, DropReason)
        yield GaugeMetricFamily(
            "gifcue_frames_in_flight", "Frames received that have no outcome yet.", value=frames.in_flight
        )
        yield _by("gifcue_reactions_started", "Reactions that started.", "label", figures.reactions)
        yield _by("gifcue_dismissals", "Reactions that a participant dismissed.", "label", figures.dismissals)
        yield GaugeMetricFamily("gifcue_streams", "Streams open.", value=figures.sessions)
        yield GaugeMetricFamily("gifcue_participants", "Participants joined.", value=figures.participants)
        yield GaugeMetricFamily(
            "gifcue_analysis_fps",
            "Pictures a second of one participant that are analysed at most; less than configured under overload.",
            value=figures.analysis_fps,
        )
        yield _by("gifcue_faults", "Faults of participants and frames.", "code", figures.faults)
        yield CounterMetricFamily(
            "gifcue_keyframe_requests",
            "Keyframes that media servers were asked for.",
            value=figures.keyframe_requests,
        )
        latency = HistogramMetricFamily(
            "gifcue_decision_latency_seconds", "From a frame's arrival to the decision on it."
        )
        bounds = [str(bound / 1000) for bound in BUCKETS_MS]
        buckets = [*zip(bounds, figures.latency.buckets, strict=True), ("+Inf", figures.latency.count)]
        latency.add_metric([], buckets, figures.latency.sum_ms / 1000)
        yield latency
        yield from _decoding(figures.decode)
        yield from _detection(figures.detect)
        yield from _stills(figures.stills)
        up = GaugeMetricFamily("gifcue_worker_up", "1 while the worker is ready.", labels=["worker"])
        restarts = CounterMetricFamily(
            "gifcue_worker_restarts", "How often the worker was restarted.", labels=["worker"]
        )
        confinement = GaugeMetricFamily(
            "gifcue_confinement",
            "1 for the state of each layer of a worker's confinement: active, missing, not_applied, off.",
            labels=["worker", "layer", "state"],
        )
        for worker in figures.workers:
            for each in worker.confinement:
                confinement.add_metric([worker.name, each.layer, each.state], 1.0)
            up.add_metric([worker.name], float(worker.state == "ready"))
            restarts.add_metric([worker.name], worker.restarts)
        yield up
        yield restarts
        yield confinement
        yield CounterMetricFamily(
            "gifcue_holding_dropped",
            "HOLDING events that a slow reader never got.",
            value=self._holding_dropped,
        )
        yield CounterMetricFamily(
            "gifcue_decision_details_dropped",
            "Decisions that a slow reader got without detections and explanation.",
            value=self._details_dropped,
        )


class RulesCollector(Collector):
    """Turns the rule book's statistics into metric families."""

    def __init__(self, book: BookWatcher) -> None:
        self._book = book

    def collect(self) -> Iterator[Metric]:
        figures = self._book.statistics()
        reloads = {"taken": figures.taken, "refused": figures.refused}
        yield _by("gifcue_book_reloads", "Changes of the rule book's file.", "outcome", reloads)
        yield _by("gifcue_gifs_withheld", "Reactions shown without a GIF.", "reason", figures.withheld)


class DeliveryCollector(Collector):
    """Turns the deliveries' statistics into metric families."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    def collect(self) -> Iterator[Metric]:
        sinks = self._dispatcher.statistics()
        if sinks:
            yield from _deliveries(sinks)


def _decoding(figures: DecodeStatistics) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "gifcue_decode_waiting_units",
        "Access units that wait for a decode worker or are with one.",
        value=figures.units,
    )
    yield GaugeMetricFamily(
        "gifcue_decode_oldest_seconds",
        "How long the access unit has waited that came first of those that no decode worker has; 0 while none waits.",
        value=figures.oldest_s,
    )
    yield GaugeMetricFamily(
        "gifcue_decode_waiting_bytes", "Bytes of those access units.", value=figures.bytes
    )
    yield GaugeMetricFamily(
        "gifcue_decoder_memory_bytes",
        "What all decoders take, by an estimate from the headers of the video.",
        value=figures.decoder_bytes,
    )
    yield GaugeMetricFamily(
        "gifcue_decode_overloaded",
        "Decode workers that have more to decode than they can in time.",
        value=figures.overloaded,
    )
    yield GaugeMetricFamily(
        "gifcue_participants_paused",
        "Participants that are not decoded because of overload.",
        value=figures.paused,
    )
    yield GaugeMetricFamily(
        "gifcue_slots", "Slots of shared memory, each for one decoded picture.", value=figures.slots
    )
    yield GaugeMetricFamily(
        "gifcue_slots_free",
        "Slots that hold no picture waiting for a detector or with one; without any, pictures are dropped as no_slot.",
        value=figures.slots - figures.slots_out,
    )


def _detection(figures: DetectStatistics) -> Iterator[Metric]:
    yield _summary(
        "gifcue_inference_seconds",
        "The detector's time for one batch; quantiles over the last 512 batches.",
        figures.infer,
    )
    yield _summary(
        "gifcue_detector_wait_seconds",
        "How long a participant waited until its picture went to a detector worker, since the first picture that the "
        "newest one replaced; quantiles over the last 512 pictures.",
        figures.wait,
    )
    sizes = HistogramMetricFamily("gifcue_batch_pictures", "Pictures, stills among them, in one batch.")
    buckets = [
        (str(bound), float(sum(count for size, count in figures.batches.items() if size <= bound)))
        for bound in BATCH_BUCKETS
    ]
    buckets.append(("+Inf", float(sum(figures.batches.values()))))
    sizes.add_metric([], buckets, sum(size * count for size, count in figures.batches.items()))
    yield sizes
    queue = GaugeMetricFamily(
        "gifcue_detector_queue",
        "Pictures that wait for a detector worker: frames, at most one a participant, and stills.",
        labels=["kind"],
    )
    queue.add_metric(["frame"], figures.queue.waiting)
    queue.add_metric(["still"], figures.queue.stills)
    yield queue


def _stills(figures: StillStatistics) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "gifcue_stills", "Stills from the first byte received to the answer.", value=figures.places
    )
    yield GaugeMetricFamily("gifcue_still_bytes", "Bytes set aside for those stills.", value=figures.bytes)
    yield GaugeMetricFamily(
        "gifcue_stills_waiting", "Stills that wait for a decoder of stills.", value=figures.waiting
    )
    yield CounterMetricFamily("gifcue_stills_decoded", "Stills that were decoded.", value=figures.decoded)
    yield _by("gifcue_stills_failed", "Stills that were not decoded.", "reason", figures.failed)
    yield _by("gifcue_stills_refused", "Stills refused before they were read.", "reason", figures.refused)


def _summary(name: str, documentation: str, figures: DurationStatistics) -> Metric:
    family = Metric(name, documentation, "summary")
    for quantile, value_ms in (("0.5", figures.p50_ms), ("0.95", figures.p95_ms)):
        family.add_sample(name, {"quantile": quantile}, value_ms / 1000)
    family.add_sample(f"{name}_count", {}, figures.count)
    family.add_sample(f"{name}_sum", {}, figures.sum_ms / 1000)
    return family


def _deliveries(sinks: Sequence[DeliveryStatistics]) -> Iterator[Metric]:
    handed = CounterMetricFamily("gifcue_delivery_handed", "Reactions handed to the sink.", labels=["sink"])
    delivered = CounterMetricFamily("gifcue_delivery_delivered", "Reactions that it took.", labels=["sink"])
    dead = CounterMetricFamily("gifcue_delivery_dead", "Reactions given up.", labels=["sink", "reason"])
    queued = GaugeMetricFamily("gifcue_delivery_queued", "Reactions on their way now.", labels=["sink"])
    retries = CounterMetricFamily("gifcue_delivery_retries", "Attempts after the first.", labels=["sink"])
    for each in sinks:
        handed.add_metric([each.sink], each.submitted)
        delivered.add_metric([each.sink], each.delivered)
        # Zeros, too, so that Prometheus sees the first one as an increase.
        for reason in sorted(DeadReason):
            dead.add_metric([each.sink, reason.value], each.dead.get(reason.value, 0))
        queued.add_metric([each.sink], each.queued)
        retries.add_metric([each.sink], each.retries)
    yield from (handed, delivered, dead, queued, retries)


def _by(
    name: str, documentation: str, label: str, values: Mapping[str, int], known: Iterable[str] = ()
) -> CounterMetricFamily:
    """Those of `known` that have no value get 0, so that Prometheus sees their first event as an increase."""
    family = CounterMetricFamily(name, documentation, labels=[label])
    for key, value in sorted(({str(each): 0 for each in known} | dict(values)).items()):
        family.add_metric([key], value)
    return family


def metrics_text(
    engine: Engine,
    dispatcher: Dispatcher,
    book: BookWatcher,
    holding_dropped: int,
    details_dropped: int,
    *others: Collector,
) -> bytes:
    """All metrics in Prometheus' text format, version 0.0.4; `holding_dropped` and `details_dropped` count over all
    streams so far.

    `others` collect metrics of other parts of the server.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(EngineCollector(engine, holding_dropped, details_dropped))
    registry.register(RulesCollector(book))
    registry.register(DeliveryCollector(dispatcher))
    for collector in others:
        registry.register(collector)
    return generate_latest(registry)
