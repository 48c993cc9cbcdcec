"""Which reactions of a participant can be dismissed: the last ones that started."""

from __future__ import annotations

from collections.abc import Iterable

from gifcue.protocol.phases import Phase
from gifcue.reactions.events import PolicyEvent

# Reactions that are remembered. They start seconds apart, so the last ones are minutes of a meeting.
MAX_REMEMBERED = 32


class Dismissals:
    """Remembers the last reactions of one participant that started, and which of them were dismissed."""

    def __init__(self) -> None:
        # The label by the reaction's id, empty once it is dismissed; in the order in which they started.
        self._labels: dict[str, str] = {}

    def note(self, events: Iterable[PolicyEvent]) -> None:
        """Remembers those that started."""
        for event in events:
            if event.phase is Phase.STARTED:
                self.know(event.reaction_id, event.label)

    def know(self, reaction_id: str, label: str) -> None:
        """Remembers a reaction that started on another server and goes on here."""
        self._labels[reaction_id] = label
        if len(self._labels) > MAX_REMEMBERED:
            del self._labels[next(iter(self._labels))]

    def take(self, reaction_id: str) -> str:
        """The label of a reaction that is dismissed.

        Raises:
            ValueError: it is none of the last ones that started, or is dismissed already; the message says which.
        """
        label = self._labels.get(reaction_id)
        if label is None:
            raise ValueError(
                f"dismiss: expected the id of one of the last {MAX_REMEMBERED} reactions of this participant that "
                "started, got another"
            )
        if not label:
            raise ValueError("dismiss: expected a reaction that is not dismissed yet, got one a second time")
        self._labels[reaction_id] = ""
        return label
