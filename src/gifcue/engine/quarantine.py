"""Which participants of a stream are refused because their video killed decode workers or took too much CPU time.

A participant is refused after its second event within a minute (`gifcue.media.suspects`). The record is kept by name,
so leaving and joining again does not help. New names do not help either: the events of all participants of a stream
count for the stream, and those of all streams for the peer that sent them.

    points of a stream    what follows, until the points are ten minutes old
    6                     one event is enough, and whoever joins starts with a growing pause
    16                    whoever has not decoded well for long is refused, for a growing time after each event
    32                    everybody on the stream is refused likewise

A worker that died or hung is two points, a unit over its budget one. Those who join from a peer with 24 points start
with a pause of up to a minute; one stream adds 8 of them at most. Participants that have decoded well for long go on: a
media server carries many rooms, and one hostile participant must not end them all.

The state of a stream lives with its session. Only the peers are shared, and at most `PEERS_REMEMBERED` of them are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from gifcue.media.suspects import Incident, Suspects, pause_after

FATAL_POINTS = 2
COSTLY_POINTS = 1
SUSPICIOUS_POINTS = 6
UNPROVEN_REFUSED_POINTS = 16
ALL_REFUSED_POINTS = 32
PEER_POINTS = 24
POINTS_LAST_S = 600.0
PEER_LONGEST_PAUSE_S = 60.0
# What one stream adds to its peer's points at most: one hostile room costs no newcomer of another room anything.
PEER_POINTS_OF_STREAM = 8
# A participant without an event that had been on the stream for so long before the trouble has decoded well.
PROVEN_AFTER_S = 30.0

SUSPECTS_REMEMBERED = 256
PEERS_REMEMBERED = 1024


class Points:
    """The points of the last ten minutes. Beyond the highest threshold nothing needs to be counted."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._times_s: deque[float] = deque(maxlen=2 * ALL_REFUSED_POINTS)

    def add(self, points: int) -> None:
        """Counts points now."""
        self._times_s.extend([self._clock()] * points)

    @property
    def count(self) -> int:
        """The points that are not too old."""
        now_s = self._clock()
        while self._times_s and now_s - self._times_s[0] >= POINTS_LAST_S:
            self._times_s.popleft()
        return len(self._times_s)


class Quarantine:
    """All streams of a server."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        # In the order in which the peers opened their last streams.
        self._peers: dict[str, Points] = {}

    def of_stream(self, peer: str) -> StreamQuarantine:
        """The record of a new stream of this peer; empty where the peer is not known."""
        if not peer:
            return StreamQuarantine(Points(self._clock), self._clock)
        points = self._peers.pop(peer, None) or Points(self._clock)
        if len(self._peers) >= PEERS_REMEMBERED:
            del self._peers[next(iter(self._peers))]
        self._peers[peer] = points
        return StreamQuarantine(points, self._clock)


class StreamQuarantine:
    """One stream. Times are in seconds."""

    def __init__(self, peer: Points, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._peer = peer
        self._added_to_peer = 0
        self._points = Points(clock)
        self._suspects: Suspects[str] = Suspects(clock, SUSPECTS_REMEMBERED)
        # The worker that each suspect was with, in the order of their events.
        self._workers: dict[str, int] = {}
        # Since when the points are so many that only proven participants go on.
        self._since_s = 0.0
        self._unproven_until_s = 0.0
        self._all_until_s = 0.0
        self._pauses = 0

    def joins(self, participant_id: str) -> float:
        """A participant joins. Returns for how long it is refused at first."""
        pause_s = self._suspects.held_s(participant_id)
        over = self._points.count - SUSPICIOUS_POINTS
        if over >= 0:
            pause_s = max(pause_s, pause_after(over // FATAL_POINTS))
        over = self._peer.count - PEER_POINTS
        if over >= 0:
            pause_s = max(pause_s, min(pause_after(over // FATAL_POINTS), PEER_LONGEST_PAUSE_S))
        return pause_s

    def worker_of(self, participant_id: str) -> int | None:
        """The worker that a participant must be decoded by: a suspect takes no second worker down, under whatever name
        it joins again. None where any will do.
        """
        if self._suspects.is_known(participant_id):
            return self._workers.get(participant_id)
        if self._points.count >= SUSPICIOUS_POINTS and self._workers:
            return next(reversed(self._workers.values()))
        return None

    def accuse(self, participant_id: str, incident: Incident) -> float:
        """An event of a participant. Returns for how long it is refused; 0 where it is not yet."""
        points = FATAL_POINTS if incident.is_fatal else COSTLY_POINTS
        self._points.add(points)
        added = min(points, PEER_POINTS_OF_STREAM - self._added_to_peer)
        self._added_to_peer += added
        self._peer.add(added)
        count = self._points.count
        now_s = self._clock()
        # A stream that was refused once has to be quiet for ten minutes: the pauses alone would make its points few.
        if self._pauses and now_s - self._unproven_until_s >= POINTS_LAST_S:
            self._pauses = 0
        if count >= UNPROVEN_REFUSED_POINTS or self._pauses:
            if self._pauses == 0:
                self._since_s = now_s
            until_s = now_s + pause_after(self._pauses)
            self._pauses += 1
            self._unproven_until_s = until_s
            if count >= ALL_REFUSED_POINTS:
                self._all_until_s = until_s
        self._workers.pop(participant_id, None)
        self._workers[participant_id] = incident.worker
        if len(self._workers) > SUSPECTS_REMEMBERED:
            del self._workers[next(iter(self._workers))]
        tolerated = {"tolerated": 0} if count >= SUSPICIOUS_POINTS else {}
        return max(
            self._suspects.accuse(participant_id, **tolerated),
            self._unproven_until_s - now_s,
            self._all_until_s - now_s,
        )

    def refused_until_s(self, joined_s: float, own_until_s: float, *, is_suspect: bool) -> float:
        """Until when a participant's frames are refused, by the clock; a time that has passed where they are not.

        `own_until_s` is what `joins` and `accuse` have said of it, `is_suspect` whether it had an event.
        """
        is_proven = not is_suspect and self._since_s - joined_s >= PROVEN_AFTER_S
        return max(own_until_s, self._all_until_s, 0.0 if is_proven else self._unproven_until_s)
