"""Whether one participant's frames are refused at the moment, because of its own video or that of its stream."""

from __future__ import annotations

import math
from collections.abc import Callable

import structlog

from gifcue.engine.quarantine import StreamQuarantine
from gifcue.media.suspects import Incident

log = structlog.get_logger()


class Standing:
    """From the participant's join to its end. `session_id` and `peer` are for logs; `clock` is in seconds."""

    def __init__(
        self,
        participant_id: str,
        quarantine: StreamQuarantine,
        clock: Callable[[], float],
        *,
        session_id: str,
        peer: str,
    ) -> None:
        self._participant_id = participant_id
        self._quarantine = quarantine
        self._clock = clock
        self._session_id = session_id
        self._peer = peer
        self._joined_s = clock()
        self._is_suspect = False
        pause_s = quarantine.joins(participant_id)
        # Until when this participant is refused; 0 where it never was.
        self._refused_until_s = self._joined_s + pause_s if pause_s else 0.0
        # The worker that must decode this participant; None where any will do.
        self.worker = quarantine.worker_of(participant_id)

    def accuse(self, incident: Incident) -> bool:
        """A worker met with an incident in this participant's unit. True where its frames are refused from now on."""
        self._is_suspect = True
        pause_s = self._quarantine.accuse(self._participant_id, incident)
        if pause_s:
            self._refused_until_s = max(self._refused_until_s, self._clock() + pause_s)
        log.warning(
            "video killed a decode worker" if incident.is_fatal else "video took too much CPU time",
            worker=incident.worker_name,
            reason=incident.reason,
            session=self._session_id,
            participant=incident.key,
            peer=self._peer,
            refused_for_s=round(pause_s),
        )
        return pause_s > 0.0

    def why_refused(self) -> str:
        """Why the participant's frames are refused at the moment; empty where they are not."""
        until_s = self._quarantine.refused_until_s(
            self._joined_s, self._refused_until_s, is_suspect=self._is_suspect
        )
        # Most frames are of participants that were never refused: the clock is not read for them.
        left_s = until_s - self._clock() if until_s else 0.0
        if left_s <= 0.0:
            return ""
        return (
            "expected video that decoders survive in little CPU time, got some of this participant or of its stream "
            f"that they did not; its frames are refused for {math.ceil(left_s)} s"
        )
