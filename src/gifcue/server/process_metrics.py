"""Metrics of what a server is made of and of the processes that it takes."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gifcue.protocol.statistics import ServerStatus, ServingState

# The front process, under the names that every Prometheus client uses: process_cpu_seconds_total,
# process_resident_memory_bytes, process_start_time_seconds, process_open_fds.
_FRONT = ProcessCollector(registry=None)


class ProcessMetrics(Collector):
    """Turns the state of a server into metric families."""

    def __init__(self, status: ServerStatus) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        status = self._status
        build = GaugeMetricFamily("gifcue_build_info", "1, with what runs.", labels=["version", "python"])
        build.add_metric([status.build.version, status.build.python], 1.0)
        yield build
        model = GaugeMetricFamily(
            "gifcue_model_info",
            "1, with the model in service; nothing until one is loaded.",
            labels=["name", "version", "backend", "sha256"],
        )
        if status.model is not None:
            served = status.model
            model.add_metric([served.name, served.version, served.backend, status.build.model_sha256], 1.0)
        yield model
        state = GaugeMetricFamily("gifcue_state", "1 for the state of the server.", labels=["state"])
        for each in ServingState:
            if each is not ServingState.UNSPECIFIED:
                state.add_metric([each.value], float(each is status.state))
        yield state
        yield from self._limits()
        yield from self._capacity()
        yield from self._drain()
        yield from self._workers()
        yield from _FRONT.collect()

    def _limits(self) -> Iterator[Metric]:
        limits = self._status.limits
        for name, documentation, value in (
            ("streams", "Streams at the same time, at most.", limits.max_streams),
            ("participants", "Participants on the whole server, at most.", limits.max_participants),
            (
                "participants_per_stream",
                "Participants on one stream, at most.",
                limits.max_participants_per_stream,
            ),
            ("frame_bytes", "Bytes of a frame or a still, at most.", limits.max_frame_bytes),
            ("participant_fps", "Frames a second that one participant may send.", limits.max_fps),
        ):
            yield GaugeMetricFamily(f"gifcue_{name}_max", documentation, value=value)

    def _capacity(self) -> Iterator[Metric]:
        capacity = self._status.capacity
        if capacity.max_participants:  # 0 while the capacity is being measured
            yield GaugeMetricFamily(
                "gifcue_capacity_used_ratio",
                "The share of gifcue_participants_max that has joined, 0 to 1.",
                value=capacity.participants / capacity.max_participants,
            )

    def _drain(self) -> Iterator[Metric]:
        drain = self._status.drain
        yield GaugeMetricFamily(
            "gifcue_streams_moving", "Open streams that were asked to move.", value=drain.streams_moving
        )
        yield CounterMetricFamily(
            "gifcue_streams_asked_to_move",
            "Streams that an operator asked to move to another server.",
            value=drain.streams_asked,
        )

    def _workers(self) -> Iterator[Metric]:
        cpu = CounterMetricFamily(
            "gifcue_worker_cpu_seconds",
            "CPU time of the worker's present process; starts again at 0 after a restart.",
            labels=["worker"],
        )
        memory = GaugeMetricFamily(
            "gifcue_worker_resident_memory_bytes",
            "The worker's memory in RAM; memory that workers share counts for each of them.",
            labels=["worker"],
        )
        for worker in self._status.workers:
            if worker.process is not None:
                cpu.add_metric([worker.name], worker.process.cpu_s)
                memory.add_metric([worker.name], worker.process.rss_bytes)
        yield cpu
        yield memory
