"""What each label lacks to become a reaction, on the frame that was decided last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from gifcue.detect.regions import Region
from gifcue.protocol.detections import UnmetCondition
from gifcue.reactions.conditions import Condition, Unmet, nearest
from gifcue.reactions.label_settings import LabelSettings


class Lacking:
    """Of one participant. `min_score` is the score, 0..1, from which a face or hand is followed."""

    def __init__(self, labels: Mapping[str, LabelSettings], min_score: float) -> None:
        self._labels = labels
        self._min_score = min_score
        self._regions: Sequence[Region] = ()  # of the frame analysed last
        # What each face or hand lacks on the frame decided last, by label. Empty where there is none.
        self._unmet: dict[str, list[Unmet]] = {}

    def observe(self, regions: Sequence[Region]) -> None:
        """Takes the faces and hands of an analysed frame, those that are not followed included."""
        self._regions = regions

    def note(self, label: str, unmet: list[Unmet]) -> None:
        """What each face or hand lacks for the label on this frame. The list may still grow."""
        self._unmet[label] = unmet

    def note_late(self, labels: Iterable[str], late_s: float) -> None:
        """The frame is older than the one before by so much, and nothing is decided on it."""
        late: Unmet = (Condition.LATE, 1000.0 * late_s, 0.0)
        self._unmet = {label: [late] for label in labels}

    def forget(self) -> None:
        """Forgets the frame."""
        self._regions = ()
        self._unmet.clear()

    def explain(self, labels: Iterable[str]) -> list[UnmetCondition]:
        """For each of these labels that was decided upon, what the face or hand lacks that came nearest."""
        return [
            UnmetCondition(label, condition.value, value, needed)
            for label in labels
            if label in self._unmet
            for condition, value, needed in [self._first_unmet(label)]
        ]

    def _first_unmet(self, label: str) -> Unmet:
        unmet = nearest(self._unmet[label])
        if unmet is not None and unmet[0] is not Condition.NO_REGION:
            return unmet
        # What is there is not followed: its score is too low.
        kind, needed = self._labels[label].kind, self._min_score
        scores = (each.score for each in self._regions if each.kind == kind and each.score < needed)
        return Condition.NO_REGION, max(scores, default=0.0), needed
