"""The load generator's process: media servers that send in real time, whatever the server does.

Every frame has a time at which it is due, laid down before the run. It is handed to the socket then, or as soon after
as this process gets to it, and its latency counts from the time it was due. Nothing that the server does moves a due
time: what it does not read waits here, getting older.

Linux' monotonic clock is one for all processes, so times are comparable between them.
"""

from __future__ import annotations

import contextlib
import heapq
import os
import select
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.footage import Footage
from benchmarks.seats import Seat, Turns
from benchmarks.wire import CallEnded, GrpcCall
from gifcue.v1 import media_pb2, reaction_service_pb2

PATH = "/gifcue.v1.ReactionService/StreamReactions"
# Frames sent between two looks at what the server said, where sending is behind.
_LOOK_EVERY = 16
_START_TIMEOUT_S = 30.0
_ASK_EVERY_S = 0.05
_END_TIMEOUT_S = 5.0

Request = reaction_service_pb2.StreamReactionsRequest


@dataclass(frozen=True)
class Plan:
    """What one process sends. `streams` has the participants of each media server's one channel and stream.

    `jitter_ms` is the most that a frame is late of its turn; it is due then. With `gather_ms` a media server sends what
    became due within that time as one message; the wait counts as latency. `settle_s` is how long the
    process waits after the last frame for what is still in flight.
    """

    target: str
    footage: list[Footage]
    streams: list[list[Seat]]
    fps: float
    warm_up_s: float
    seconds: float
    jitter_ms: float
    seed: int
    gather_ms: float = 0.0
    settle_s: float = 10.0
    cores: frozenset[int] | None = None


@dataclass
class Tally:
    """The books of a server, or a part of them, in frames."""

    received: int = 0
    analysed: int = 0
    in_flight: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)

    def add(self, books: Any) -> None:
        """Adds a `FrameCounts` of the wire, or a tally."""
        self.received += books.received
        self.analysed += books.analysed
        self.in_flight += books.in_flight
        for mine, theirs in ((self.skipped, books.skipped), (self.dropped, books.dropped)):
            for reason, count in theirs.items():
                mine[reason] = mine.get(reason, 0) + count

    def since(self, before: Tally) -> Tally:
        """What came after `before`; `in_flight` is as it stands now."""
        return Tally(
            self.received - before.received,
            self.analysed - before.analysed,
            self.in_flight,
            {name: count - before.skipped.get(name, 0) for name, count in self.skipped.items()},
            {name: count - before.dropped.get(name, 0) for name, count in self.dropped.items()},
        )

    @property
    def is_balanced(self) -> bool:
        """Every frame is in the books exactly once. Holds for books from the start, not for a difference."""
        ended = self.analysed + sum(self.skipped.values()) + sum(self.dropped.values())
        return self.received == ended + self.in_flight


@dataclass
class Seen:
    """What one process saw in the measured time. Latencies in milliseconds, from due to decision.

    `moving_s` and `moving_analysed` have each participant's seconds of motion sent and frames of it decided.
    `before` are the server's books as the measured time began, `after` once all had settled.
    """

    offered: int = 0
    latencies_ms: list[float] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    moving_s: list[float] = field(default_factory=list)
    moving_analysed: list[int] = field(default_factory=list)
    reactions_started: int = 0
    keyframes_asked: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    before: Tally = field(default_factory=Tally)
    after: Tally = field(default_factory=Tally)
    cpu_s: float = 0.0
    sent_bytes: int = 0


class _Participant:
    """Where one participant is in its footage, and when its frames were due."""

    def __init__(self, plan: Plan, seat: Seat, stream: _Stream, start_s: float) -> None:
        footage = plan.footage[seat.footage % len(plan.footage)]
        self.stream = stream
        self.name = seat.name
        self.due_s: list[float] = []  # by sequence number
        self.moves: list[bool] = []
        self.decided: list[tuple[int, float]] = []  # sequence number, when the decision came
        self._packets = footage.clip.packets
        self._moving = footage.moving or (False,) * len(self._packets)
        self._keyframes = [place for place, packet in enumerate(self._packets) if packet.keyframe] or [0]
        self._lap = round(len(self._packets) * self._packets[0].clock_hz / plan.fps)
        self._place = 0
        self._base = 0
        self._turns = Turns(seat, plan.fps, plan.jitter_ms / 1000.0, plan.seed, start_s)

    def next_due_s(self) -> float:
        """When the next frame is due; each call is for one frame."""
        return self._turns.next_s()

    def take(self, due_s: float) -> media_pb2.Frame:
        """The next frame."""
        packet = self._packets[self._place]
        frame = media_pb2.Frame(
            participant_id=self.name,
            sequence=len(self.due_s),
            pts=self._base + packet.pts,
            clock_hz=packet.clock_hz,
            keyframe=packet.keyframe,
            payload=packet.payload,
        )
        self.due_s.append(due_s)
        self.moves.append(self._moving[self._place])
        self._place += 1
        if self._place == len(self._packets):
            self._place = 0
            self._base += self._lap
        return frame

    def jump(self) -> None:
        """The server asked for a keyframe: goes on with the next one that there is, as an encoder would make one."""
        place = next((each for each in self._keyframes if each >= self._place), None)
        if place is None:
            place = self._keyframes[0]
        self._base += self._packets[self._place].pts - self._packets[place].pts
        self._place = place


class _Stream:
    """One media server: a channel of its own with one stream on it."""

    def __init__(self, plan: Plan, number: int, seen: Seen) -> None:
        host, _, port = plan.target.rpartition(":")
        self._seen = seen
        self.call = GrpcCall(host, int(port), PATH)
        self.participants: dict[str, _Participant] = {}
        self.labels: list[str] | None = None
        self.tallies: list[Tally] = []
        self.is_measured = False
        config = reaction_service_pb2.StreamConfig(
            room_id=f"room-{number}", client_name="gifcue-benchmark", send_decisions=True
        )
        self.send(Request(config=config))

    def send(self, request: Request) -> None:
        self.call.send(request.SerializeToString())

    def send_frames(self, frames: list[media_pb2.Frame], *, together: bool) -> int:
        """Sends frames, each alone or all in one message; returns the bytes."""
        if together:
            requests = [Request(frames=reaction_service_pb2.Frames(frames=frames))]
        else:
            requests = [Request(frame=frame) for frame in frames]
        messages = [request.SerializeToString() for request in requests]
        for message in messages:
            self.call.send(message)
        return sum(map(len, messages))

    def ask(self) -> None:
        """Asks for the books: they hold all that was sent before."""
        self.send(Request(statistics=reaction_service_pb2.StatisticsRequest()))

    def hear(self, clock: Callable[[], float]) -> None:
        """Takes what the server said."""
        messages = self.call.receive()
        now_s = clock()
        for message in messages:
            self._take(reaction_service_pb2.StreamReactionsResponse.FromString(message), now_s)

    def _take(self, response: reaction_service_pb2.StreamReactionsResponse, now_s: float) -> None:
        match response.WhichOneof("message"):
            case "decision":
                decision = response.decision
                self.participants[decision.participant_id].decided.append((decision.sequence, now_s))
            case "reaction":
                is_start = response.reaction.phase == reaction_service_pb2.PHASE_STARTED
                self._seen.reactions_started += is_start and self.is_measured
            case "control":
                if response.control.WhichOneof("control") == "keyframe":
                    self._seen.keyframes_asked += self.is_measured
                    self.participants[response.control.keyframe.participant_id].jump()
            case "fault":
                name = reaction_service_pb2.FaultCode.Name(response.fault.code)
                self._seen.faults[name] = self._seen.faults.get(name, 0) + response.fault.count
            case "statistics":
                tally = Tally()
                for each in response.statistics.participants:
                    tally.add(each.books)
                self.tallies.append(tally)
            case "ready":
                self.labels = list(response.ready.reaction_labels)


class Sender:
    """Runs a plan. `clock` is in seconds; every wait is on sockets, so that decisions are stamped as they come."""

    def __init__(self, plan: Plan, clock: Callable[[], float] = time.monotonic) -> None:
        self._plan = plan
        self._clock = clock
        self._seen = Seen()
        self._poll = select.poll()
        self._streams: dict[int, _Stream] = {}

    def open(self) -> None:
        """Connects; returns once every stream is ready. Raises CallEnded where the server refuses one."""
        for number in range(len(self._plan.streams)):
            stream = _Stream(self._plan, number, self._seen)
            self._streams[stream.call.fileno()] = stream
            self._poll.register(stream.call.fileno(), select.POLLIN)
        self._hear_until(lambda: all(each.labels is not None for each in self._all), _START_TIMEOUT_S)
        if any(each.labels is None for each in self._all):
            raise CallEnded(f"expected every stream to be ready within {_START_TIMEOUT_S:g} s")

    def run(self, start_s: float) -> Seen:
        """Sends from `start_s` on, to the end of the measured time, and waits for what is in flight."""
        plan, seen = self._plan, self._seen
        turns: list[tuple[float, int, _Participant]] = []
        for stream, seats in zip(self._all, plan.streams, strict=True):
            for seat in seats:
                self._join(stream, seat)
                participant = _Participant(plan, seat, stream, start_s)
                stream.participants[seat.name] = participant
                turns.append((participant.next_due_s(), len(turns), participant))
        measured_s = start_s + plan.warm_up_s
        end_s = measured_s + plan.seconds
        heapq.heapify(turns)
        self._send_until(turns, measured_s)
        cpu_s = time.process_time()
        for stream in self._all:
            stream.is_measured = True
            stream.ask()
        self._send_until(turns, end_s, seen.late_ms)
        self._seen.cpu_s = time.process_time() - cpu_s
        self._settle()
        self._count(measured_s)
        self._half_close()
        return seen

    def close(self) -> None:
        """Lets go of the connections, whatever is under way."""
        for stream in self._all:
            stream.call.close()

    @property
    def _all(self) -> list[_Stream]:
        return list(self._streams.values())

    def _join(self, stream: _Stream, seat: Seat) -> None:
        clip = self._plan.footage[seat.footage % len(self._plan.footage)].clip
        codec = media_pb2.Codec.Value(f"CODEC_{clip.codec.name}")
        join = reaction_service_pb2.Join(
            codec=codec, extradata=clip.extradata, allowed_labels=stream.labels or []
        )
        update = reaction_service_pb2.ParticipantUpdate(participant_id=seat.name, join=join)
        stream.send(Request(participant=update))

    def _send_until(
        self, turns: list[tuple[float, int, _Participant]], end_s: float, late_ms: list[float] | None = None
    ) -> None:
        """Sends what is due before `end_s`; `late_ms` gets how late each frame was handed over."""
        clock, gather_s, unheard = self._clock, self._plan.gather_ms / 1000.0, 0
        while turns[0][0] < end_s:
            now_s = clock()
            wait_s = turns[0][0] + gather_s - now_s
            if wait_s > 0 or unheard >= _LOOK_EVERY:
                self._hear(max(0.0, wait_s))
                unheard = 0
                continue
            gathered: dict[_Stream, list[media_pb2.Frame]] = {}
            while turns[0][0] <= now_s and turns[0][0] < end_s and unheard < _LOOK_EVERY:
                due_s, number, participant = turns[0]
                unheard += 1
                gathered.setdefault(participant.stream, []).append(participant.take(due_s))
                if late_ms is not None:
                    late_ms.append(max(0.0, now_s - due_s - gather_s) * 1000.0)
                heapq.heapreplace(turns, (participant.next_due_s(), number, participant))
            for stream, frames in gathered.items():
                sent_bytes = stream.send_frames(frames, together=gather_s > 0)
                if late_ms is not None:
                    self._seen.sent_bytes += sent_bytes

    def _hear(self, timeout_s: float) -> None:
        for stream in self._all:
            events = select.POLLIN | (select.POLLOUT if stream.call.wants_to_write else 0)
            self._poll.modify(stream.call.fileno(), events)
        for fileno, events in self._poll.poll(timeout_s * 1000.0):
            stream = self._streams[fileno]
            if events & select.POLLOUT:
                stream.call.flush()
            if events & ~select.POLLOUT:
                stream.hear(self._clock)

    def _hear_until(self, is_done: Callable[[], bool], timeout_s: float) -> None:
        deadline_s = self._clock() + timeout_s
        while not is_done() and (left_s := deadline_s - self._clock()) > 0:
            self._hear(min(left_s, _ASK_EVERY_S))

    def _settle(self) -> None:
        """Asks for the books until nothing is in flight any more."""
        deadline_s = self._clock() + self._plan.settle_s
        for stream in self._all:
            while True:
                known = len(stream.tallies)
                stream.ask()
                self._hear_until(lambda: len(stream.tallies) > known, deadline_s - self._clock())  # noqa: B023
                is_settled = len(stream.tallies) > known and not stream.tallies[-1].in_flight
                if is_settled or self._clock() >= deadline_s:
                    break
                self._hear(_ASK_EVERY_S)

    def _count(self, measured_s: float) -> None:
        """The measured frames are those that were due from `measured_s` on."""
        seen = self._seen
        for stream in self._all:
            if len(stream.tallies) < 2:
                raise CallEnded("expected the server's books before and after, got fewer")
            seen.before.add(stream.tallies[0])
            seen.after.add(stream.tallies[-1])
            for each in stream.participants.values():
                measured = [sequence for sequence, due_s in enumerate(each.due_s) if due_s >= measured_s]
                first = measured[0] if measured else len(each.due_s)
                seen.offered += len(measured)
                decided = [(sequence, at_s) for sequence, at_s in each.decided if sequence >= first]
                seen.latencies_ms += [(at_s - each.due_s[sequence]) * 1000.0 for sequence, at_s in decided]
                seen.moving_s.append(sum(each.moves[first:]) / self._plan.fps)
                seen.moving_analysed.append(sum(each.moves[sequence] for sequence, _ in decided))

    def _half_close(self) -> None:
        for stream in self._all:
            stream.call.half_close()
        self._hear_until(lambda: all(stream.call.is_ended for stream in self._all), _END_TIMEOUT_S)


def main(connection: Connection, plan: Plan) -> None:
    """A process' life: says "ready", is told when to start, answers with what it saw, or with what went wrong."""
    if plan.cores is not None:
        os.sched_setaffinity(0, plan.cores)
    try:
        with contextlib.closing(Sender(plan)) as sender:
            sender.open()
            connection.send("ready")
            connection.send(sender.run(connection.recv()))
    except (CallEnded, OSError, ValueError) as error:
        connection.send(f"{type(error).__name__}: {error}")
