"""What the pool of detector workers reports about itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gifcue.detect.remote import RemoteStatistics
from gifcue.detect.scheduler import SchedulerStatistics
from gifcue.percentiles import RecentValues
from gifcue.protocol.statistics import WorkerStatus

# Batches, and pictures, that percentiles are taken over.
RECENT = 512


@dataclass(frozen=True, slots=True)
class DurationStatistics:
    """`count` and `sum_ms` are since the start; the percentiles are of the last `RECENT`, 0 while there are none."""

    count: int
    sum_ms: float
    p50_ms: float
    p95_ms: float

    @classmethod
    def of(cls, values_ms: RecentValues) -> DurationStatistics:
        return cls(values_ms.count, values_ms.sum, *values_ms.percentiles(0.50, 0.95))


@dataclass(frozen=True, slots=True)
class DetectStatistics:
    """`in_flight` pictures are with workers. `batches` counts by pictures in a batch, since the start. `infer` is the
    detector's time for a batch; `wait` is how long a participant waited until its picture went to a worker. `remote` is
    None where the workers run the networks themselves.
    """

    queue: SchedulerStatistics
    in_flight: int
    batches: Mapping[int, int]
    infer: DurationStatistics
    wait: DurationStatistics
    workers: tuple[WorkerStatus, ...]
    remote: RemoteStatistics | None = None
