"""Whose unit ended a decode worker, or took it too long."""

from __future__ import annotations

from collections.abc import Callable

from gifcue.media.assignment import WorkerHandle
from gifcue.media.messages import Dropped, Outcome
from gifcue.media.settings import MediaSettings
from gifcue.media.submissions import Submissions
from gifcue.media.suspects import Incident
from gifcue.protocol.reasons import DropReason
from gifcue.workers.loss import Loss
from gifcue.workers.units import UnitCells


class Blame:
    """Reads the cells in which each worker writes what it has in hand. `on_incident` is called for each event."""

    def __init__(
        self,
        settings: MediaSettings,
        cells: UnitCells,
        submissions: Submissions,
        on_incident: Callable[[Incident], None],
    ) -> None:
        self._settings = settings
        self._cells = cells
        self._submissions = submissions
        self._on_incident = on_incident

    def lost(self, worker: WorkerHandle, loss: Loss) -> None:
        """A worker is dead. Nobody is blamed where the unit in hand has nothing to do with the loss."""
        unit = self._cells.take(worker.number)
        if unit is None or loss.is_blameless:
            return
        # The worker may have written anything before it died.
        participant = self._submissions.participants.get(unit.key)
        if (
            participant is None
            or participant.worker is not worker
            or unit.token not in participant.unanswered
        ):
            return
        participant.is_pinned = True
        # Before the outcome: a participant that has left is forgotten with its last frame.
        self._on_incident(Incident(*unit, worker.number, worker.process.name, loss.log_reason, is_fatal=True))
        if loss.is_over_budget:
            limit_ms = self._settings.unit_cpu_limit_s * 1000.0
            message = (
                f"expected at most {limit_ms:g} ms of CPU time for one frame; the decoder was ended there"
            )
            outcome = Dropped(unit.key, unit.token, DropReason.CPU_BUDGET, message, needs_keyframe=False)
            self._submissions.finish(participant, outcome)

    def answered(self, worker: WorkerHandle, outcome: Outcome) -> None:
        """A worker answered: an event where the unit took more CPU time than its budget."""
        if outcome.spent_s * 1000.0 > self._settings.unit_cpu_ms:
            reason = (
                f"expected at most {self._settings.unit_cpu_ms:g} ms of CPU time for one frame, "
                f"got {outcome.spent_s * 1000.0:.0f} ms"
            )
            name = worker.process.name
            self._on_incident(
                Incident(outcome.key, outcome.token, worker.number, name, reason, is_fatal=False)
            )
