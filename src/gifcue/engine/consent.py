"""Which of the labels that a client lists a participant may allow, and the faults about the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gifcue.engine.faults import FaultReporter
from gifcue.engine.rights import StreamRights
from gifcue.engine.settings import LimitSettings
from gifcue.protocol.reasons import FaultCode

# Unknown labels that a fault names, and characters of each: they come from outside, and the fault must stay small.
_SHOWN_LABELS = 8
_SHOWN_LABEL = 64


class Consent:
    """Of one stream. `labels` gives those that its participants may allow at the moment."""

    def __init__(
        self,
        labels: Callable[[], tuple[str, ...]],
        rights: StreamRights,
        limits: LimitSettings,
        faults: FaultReporter,
    ) -> None:
        self._labels = labels
        self._rights = rights
        self._limits = limits
        self._faults = faults

    def too_many(self, labels: Sequence[str]) -> tuple[FaultCode, str] | None:
        """The fault of a list that is too long; None where it is not."""
        if len(labels) <= self._limits.max_labels:
            return None
        message = f"expected at most {self._limits.max_labels} labels, got {len(labels)}"
        return FaultCode.INVALID_LABEL, message

    def known(self, labels: Sequence[str]) -> frozenset[str]:
        """Those that may be allowed."""
        return frozenset(labels).intersection(self._labels())

    def report_unknown(self, participant_id: str, labels: Sequence[str]) -> None:
        """Names the labels that are left out, if there are any."""
        known = self._labels()
        unknown = sorted(set(labels).difference(known))
        if unknown:
            message = self._describe(unknown, known)
            self._faults.report(participant_id, FaultCode.INVALID_LABEL, message)

    def _describe(self, unknown: Sequence[str], known: Sequence[str]) -> str:
        named = ", ".join(label[:_SHOWN_LABEL] for label in unknown[:_SHOWN_LABELS])
        others = f" and {len(unknown) - _SHOWN_LABELS} others" if len(unknown) > _SHOWN_LABELS else ""
        granted = self._rights.labels
        if granted is not None and (refused := set(unknown) - granted):
            self._rights.label_refused(refused)
            return f"expected labels that the token grants, {', '.join(known)}; got {named}{others}"
        return f"expected labels out of {', '.join(known)}; got {named}{others}"
