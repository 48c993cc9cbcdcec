"""Whether the server takes a further stream, and when a client that is refused may come back.

Streams are refused as a whole once the server carries as many participants as it may: a room that is split between
servers would lose the cooldowns that its participants share.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Literal, get_args

import grpc

from gifcue.engine.engine import Engine
from gifcue.server.settings import ServerSettings
from gifcue.server.stream import Stream
from gifcue.server.transport import DRAINING, StreamStatus

Reason = Literal["draining", "not_ready", "max_streams", "max_participants"]
REASONS: tuple[Reason, ...] = get_args(Reason)
# Seconds after which a refused client may come back. Each gets its own time between the two, so that those refused
# together do not come back together.
_SOON_S = (0.5, 1.5)
_LATER_S = (2.0, 6.0)
# Seconds for which a stream without participants keeps a place for one. A client opens many streams before the first
# participant joins, and all of them would find room.
_JOIN_S = 5.0


class StreamAdmission:
    """`clock` is the engine's, in seconds; `chance` spreads the times at which clients come back."""

    def __init__(
        self, engine: Engine, settings: ServerSettings, clock: Callable[[], float], chance: random.Random
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._clock = clock
        self._chance = chance
        self._refused: Counter[str] = Counter()

    @property
    def refused(self) -> dict[str, int]:
        """Streams refused since the start, by reason; only the reasons that there were."""
        return dict(self._refused)

    def refusal(
        self, streams: Iterable[Stream], *, is_draining: bool, replaced: Stream | None = None
    ) -> StreamStatus | None:
        """How a stream that opens ends at once; None where it is taken. `streams` are those that are open.

        `replaced` is one of them that ends before it: its places are free for the new one.
        """
        if is_draining:
            return self._refuse("draining", DRAINING, _SOON_S)
        if not self._engine.is_ready:
            message = "expected a server that is ready, it is not yet"
            return self._refuse("not_ready", StreamStatus(grpc.StatusCode.UNAVAILABLE, message), _SOON_S)
        opened = [each for each in streams if each is not replaced]
        if len(opened) >= self._settings.max_streams:
            message = f"expected at most {self._settings.max_streams} streams at once"
            return self._refuse("max_streams", _exhausted(message), _LATER_S)
        most = self._engine.limits.most_participants
        present = self._engine.participant_count - (_participants(replaced) if replaced is not None else 0)
        if present + self._expected(opened) >= most:
            message = (
                f"expected at most {most} participants on this server, it has no room for a further stream"
            )
            return self._refuse("max_participants", _exhausted(message), _LATER_S)
        return None

    def _expected(self, streams: list[Stream]) -> int:
        """Streams that were opened just before and whose first participant is still to join."""
        since_s = self._clock() - _JOIN_S
        return sum(each.opened_s > since_s and not _participants(each) for each in streams)

    def _refuse(self, reason: Reason, status: StreamStatus, within_s: tuple[float, float]) -> StreamStatus:
        self._refused[reason] += 1
        return replace(status, retry_after_ms=round(self._chance.uniform(*within_s) * 1000))


def _exhausted(message: str) -> StreamStatus:
    return StreamStatus(grpc.StatusCode.RESOURCE_EXHAUSTED, message)


def _participants(stream: Stream) -> int:
    return 0 if stream.session is None else stream.session.participant_count
