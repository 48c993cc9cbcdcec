"""What the participants of one stream share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from gifcue.engine.decisions import DecisionDetails
from gifcue.engine.faults import FaultReporter
from gifcue.engine.pipeline import Pipeline
from gifcue.engine.publisher import Audience, Publisher
from gifcue.engine.quarantine import StreamQuarantine
from gifcue.engine.settings import LimitSettings
from gifcue.engine.tally import Tally
from gifcue.engine.teaching import StreamTeaching
from gifcue.media.long_units import StreamLongUnits


@dataclass(frozen=True, slots=True)
class StreamContext:
    """What the participants of one stream share. `clock` is in seconds, the same as the pipeline's. `session_id` and
    `peer` are for logs. `decisions` is None where the stream wants none.
    """

    session_id: str
    peer: str
    quarantine: StreamQuarantine
    pipeline: Pipeline
    publisher: Publisher
    audience: Audience
    faults: FaultReporter
    tally: Tally
    limits: LimitSettings
    clock: Callable[[], float]
    decisions: DecisionDetails | None
    teaching: StreamTeaching
    long_units: StreamLongUnits = field(default_factory=StreamLongUnits)
