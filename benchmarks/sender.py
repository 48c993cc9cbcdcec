"""The load generator's process: media servers that send in real time, independently of the server's speed.

The due time of every frame is fixed before the run. The frame is written to the socket at that time, or as soon after
it as this process can, and its latency counts from the due time. The server cannot change a due time: frames that it
does not read wait here and become later.

All processes of a machine share Linux's monotonic clock, so their times can be compared.
"""

from __future__ import annotations

import contextlib
import enum
import heapq
import os
import select
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.footage import Footage
from benchmarks.participants import Participant, SendSchedule
from benchmarks.wire import CallEnded, GrpcCall
from benchmarks.wire_websocket import WebSocketCall
from gifcue.client import ROOM_HEADER, room_key
from gifcue.v1 import media_pb2, reaction_service_pb2

PATH = "/gifcue.v1.ReactionService/StreamReactions"
WEBSOCKET_PATH = "/stream"
# While sending is behind schedule: frames sent before the server's messages are read again.
_READ_EVERY = 16
_START_TIMEOUT_S = 30.0
_POLL_S = 0.05
_END_TIMEOUT_S = 5.0

Request = reaction_service_pb2.StreamReactionsRequest


class Over(enum.StrEnum):
    """The transport of the streams."""

    GRPC = "grpc"
    WEBSOCKET = "websocket"


@dataclass(frozen=True)
class Plan:
    """What one process sends. `streams` has the participants of each media server, which has one channel and stream.

    `jitter_ms` is the maximum delay that is added to a frame's due time. With `gather_ms` a media server sends the
    frames that become due within that time as one message; the wait counts as latency. `settle_s` is the maximum wait
    after the last frame for frames still in flight. `rooms` names the room of each stream; without, each has its own.
    """

    target: str
    footage: list[Footage]
    streams: list[list[Participant]]
    fps: float
    warm_up_s: float
    seconds: float
    jitter_ms: float
    seed: int
    gather_ms: float = 0.0
    settle_s: float = 10.0
    cores: frozenset[int] | None = None
    over: Over = Over.GRPC
    rooms: tuple[str, ...] = ()


@dataclass
class FrameTotals:
    """Frame counts of several participants, or the difference of two such counts, in frames."""

    received: int = 0
    analysed: int = 0
    in_flight: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)

    def add(self, counts: Any) -> None:
        """Adds counts: those of the wire, or other totals."""
        self.received += counts.received
        self.analysed += counts.analysed
        self.in_flight += counts.in_flight
        for total, added in ((self.skipped, counts.skipped), (self.dropped, counts.dropped)):
            for reason, count in added.items():
                total[reason] = total.get(reason, 0) + count

    def since(self, before: FrameTotals) -> FrameTotals:
        """The difference to the earlier totals `before`; `in_flight` is the present value."""
        return FrameTotals(
            self.received - before.received,
            self.analysed - before.analysed,
            self.in_flight,
            {name: count - before.skipped.get(name, 0) for name, count in self.skipped.items()},
            {name: count - before.dropped.get(name, 0) for name, count in self.dropped.items()},
        )

    @property
    def is_consistent(self) -> bool:
        """True where every received frame is accounted for. Valid for totals since the start, not for a difference."""
        ended = self.analysed + sum(self.skipped.values()) + sum(self.dropped.values())
        return self.received == ended + self.in_flight


@dataclass
class SenderResult:
    """What one process measured. Latencies are in milliseconds, from the due time to the decision.

    `moving_s` and `moving_analysed` have each participant's seconds of motion sent and frames of motion decided.
    `before` has the server's frame counts at the start of the measured time, `after` those once no frame was in flight.
    """

    offered: int = 0
    latencies_ms: list[float] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    moving_s: list[float] = field(default_factory=list)
    moving_analysed: list[int] = field(default_factory=list)
    reactions_started: int = 0
    keyframes_asked: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    before: FrameTotals = field(default_factory=FrameTotals)
    after: FrameTotals = field(default_factory=FrameTotals)
    cpu_s: float = 0.0
    sent_bytes: int = 0


class FrameSource:
    """Generates the frames of one participant from its footage, and keeps their due times and decisions."""

    def __init__(self, plan: Plan, participant: Participant, stream: _Stream, start_s: float) -> None:
        footage = plan.footage[participant.footage % len(plan.footage)]
        self.stream = stream
        self.name = participant.name
        self.due_s: list[float] = []  # indexed by sequence number
        self.moves: list[bool] = []
        self.decided: list[tuple[int, float]] = []  # sequence number, time of the decision
        self._packets = footage.clip.packets
        self._moving = footage.moving or (False,) * len(self._packets)
        self._keyframes = [place for place, packet in enumerate(self._packets) if packet.keyframe] or [0]
        self._lap = round(len(self._packets) * self._packets[0].clock_hz / plan.fps)
        self._place = 0
        self._base = 0
        self._turns = SendSchedule(participant, plan.fps, plan.jitter_ms / 1000.0, plan.seed, start_s)

    def next_due_s(self) -> float:
        """The due time of the next frame. Each call advances by one frame."""
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
        """Continues with the next keyframe of the clip, as an encoder does when the server requests one."""
        place = next((each for each in self._keyframes if each >= self._place), None)
        if place is None:
            place = self._keyframes[0]
        self._base += self._packets[self._place].pts - self._packets[place].pts
        self._place = place


class _Stream:
    """One media server: a channel with one stream."""

    def __init__(self, plan: Plan, number: int, result: SenderResult) -> None:
        host, _, port = plan.target.rpartition(":")
        self._result = result
        room = plan.rooms[number] if plan.rooms else f"room-{number}"
        self.call: GrpcCall | WebSocketCall
        if plan.over is Over.GRPC:
            self.call = GrpcCall(host, int(port), PATH, [(ROOM_HEADER, room_key(room))])
        else:
            self.call = WebSocketCall(host, int(port), f"{WEBSOCKET_PATH}?room={room_key(room)}")
        self.participants: dict[str, FrameSource] = {}
        self.labels: list[str] | None = None
        self.totals: list[FrameTotals] = []
        self.is_measured = False
        config = reaction_service_pb2.StreamConfig(
            room_id=room, client_name="gifcue-benchmark", send_decisions=True
        )
        self.send(Request(config=config))

    def send(self, request: Request) -> None:
        self.call.send(request.SerializeToString())

    def send_frames(self, frames: list[media_pb2.Frame], *, together: bool) -> int:
        """Sends frames, each as one message or all in one message. Returns the size in bytes."""
        if together:
            requests = [Request(frames=reaction_service_pb2.Frames(frames=frames))]
        else:
            requests = [Request(frame=frame) for frame in frames]
        messages = [request.SerializeToString() for request in requests]
        for message in messages:
            self.call.send(message)
        return sum(map(len, messages))

    def request_counts(self) -> None:
        """Requests the frame counts. They include every frame sent before."""
        self.send(Request(statistics=reaction_service_pb2.StatisticsRequest()))

    def receive(self, clock: Callable[[], float]) -> None:
        """Reads and handles the messages that have arrived."""
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
                self._result.reactions_started += is_start and self.is_measured
            case "control":
                if response.control.WhichOneof("control") == "keyframe":
                    self._result.keyframes_asked += self.is_measured
                    self.participants[response.control.keyframe.participant_id].jump()
            case "fault":
                name = reaction_service_pb2.FaultCode.Name(response.fault.code)
                self._result.faults[name] = self._result.faults.get(name, 0) + response.fault.count
            case "statistics":
                totals = FrameTotals()
                for each in response.statistics.participants:
                    totals.add(each.books)
                self.totals.append(totals)
            case "ready":
                self.labels = list(response.ready.reaction_labels)


class Sender:
    """Runs a plan. `clock` is in seconds. Every wait is on sockets, so that a decision gets its time on arrival."""

    def __init__(self, plan: Plan, clock: Callable[[], float] = time.monotonic) -> None:
        self._plan = plan
        self._clock = clock
        self._result = SenderResult()
        self._poll = select.poll()
        self._streams: dict[int, _Stream] = {}

    def open(self) -> None:
        """Connects, and returns once every stream is ready. Raises CallEnded if the server refuses one."""
        for number in range(len(self._plan.streams)):
            stream = _Stream(self._plan, number, self._result)
            self._streams[stream.call.fileno()] = stream
            self._poll.register(stream.call.fileno(), select.POLLIN)
        self._receive_until(lambda: all(each.labels is not None for each in self._all), _START_TIMEOUT_S)
        if any(each.labels is None for each in self._all):
            raise CallEnded(f"expected every stream to be ready within {_START_TIMEOUT_S:g} s")

    def run(self, start_s: float) -> SenderResult:
        """Sends from `start_s` to the end of the measured time, then waits for the frames in flight."""
        plan, result = self._plan, self._result
        due: list[tuple[float, int, FrameSource]] = []
        for stream, participants in zip(self._all, plan.streams, strict=True):
            for participant in participants:
                self._join(stream, participant)
                source = FrameSource(plan, participant, stream, start_s)
                stream.participants[participant.name] = source
                due.append((source.next_due_s(), len(due), source))
        measured_s = start_s + plan.warm_up_s
        end_s = measured_s + plan.seconds
        heapq.heapify(due)
        self._send_until(due, measured_s)
        cpu_s = time.process_time()
        for stream in self._all:
            stream.is_measured = True
            stream.request_counts()
        self._send_until(due, end_s, result.late_ms)
        self._result.cpu_s = time.process_time() - cpu_s
        self._settle()
        self._count(measured_s)
        self._half_close()
        return result

    def close(self) -> None:
        """Closes the connections at once."""
        for stream in self._all:
            stream.call.close()

    @property
    def _all(self) -> list[_Stream]:
        return list(self._streams.values())

    def _join(self, stream: _Stream, participant: Participant) -> None:
        clip = self._plan.footage[participant.footage % len(self._plan.footage)].clip
        codec = media_pb2.Codec.Value(f"CODEC_{clip.codec.name}")
        join = reaction_service_pb2.Join(
            codec=codec, extradata=clip.extradata, allowed_labels=stream.labels or []
        )
        update = reaction_service_pb2.ParticipantUpdate(participant_id=participant.name, join=join)
        stream.send(Request(participant=update))

    def _send_until(
        self, due: list[tuple[float, int, FrameSource]], end_s: float, late_ms: list[float] | None = None
    ) -> None:
        """Sends the frames that are due before `end_s`. Appends to `late_ms` how late each frame was sent."""
        clock, gather_s, unread = self._clock, self._plan.gather_ms / 1000.0, 0
        while due[0][0] < end_s:
            now_s = clock()
            wait_s = due[0][0] + gather_s - now_s
            if wait_s > 0 or unread >= _READ_EVERY:
                self._receive(max(0.0, wait_s))
                unread = 0
                continue
            gathered: dict[_Stream, list[media_pb2.Frame]] = {}
            while due[0][0] <= now_s and due[0][0] < end_s and unread < _READ_EVERY:
                due_s, number, source = due[0]
                unread += 1
                gathered.setdefault(source.stream, []).append(source.take(due_s))
                if late_ms is not None:
                    late_ms.append(max(0.0, now_s - due_s - gather_s) * 1000.0)
                heapq.heapreplace(due, (source.next_due_s(), number, source))
            for stream, frames in gathered.items():
                sent_bytes = stream.send_frames(frames, together=gather_s > 0)
                if late_ms is not None:
                    self._result.sent_bytes += sent_bytes

    def _receive(self, timeout_s: float) -> None:
        for stream in self._all:
            events = select.POLLIN | (select.POLLOUT if stream.call.wants_to_write else 0)
            self._poll.modify(stream.call.fileno(), events)
        for fileno, events in self._poll.poll(timeout_s * 1000.0):
            stream = self._streams[fileno]
            if events & select.POLLOUT:
                stream.call.flush()
            if events & ~select.POLLOUT:
                stream.receive(self._clock)

    def _receive_until(self, is_done: Callable[[], bool], timeout_s: float) -> None:
        deadline_s = self._clock() + timeout_s
        while not is_done() and (left_s := deadline_s - self._clock()) > 0:
            self._receive(min(left_s, _POLL_S))

    def _settle(self) -> None:
        """Requests the frame counts until no frame is in flight, for at most `settle_s`."""
        deadline_s = self._clock() + self._plan.settle_s
        for stream in self._all:
            while True:
                known = len(stream.totals)
                stream.request_counts()
                self._receive_until(lambda: len(stream.totals) > known, deadline_s - self._clock())  # noqa: B023
                is_settled = len(stream.totals) > known and not stream.totals[-1].in_flight
                if is_settled or self._clock() >= deadline_s:
                    break
                self._receive(_POLL_S)

    def _count(self, measured_s: float) -> None:
        """Counts the measured frames: those due at `measured_s` or later."""
        result = self._result
        for stream in self._all:
            if len(stream.totals) < 2:
                raise CallEnded(
                    f"expected frame counts from before and after the measured time, got {len(stream.totals)}"
                )
            result.before.add(stream.totals[0])
            result.after.add(stream.totals[-1])
            for each in stream.participants.values():
                measured = [sequence for sequence, due_s in enumerate(each.due_s) if due_s >= measured_s]
                first = measured[0] if measured else len(each.due_s)
                result.offered += len(measured)
                decided = [(sequence, at_s) for sequence, at_s in each.decided if sequence >= first]
                result.latencies_ms += [(at_s - each.due_s[sequence]) * 1000.0 for sequence, at_s in decided]
                result.moving_s.append(sum(each.moves[first:]) / self._plan.fps)
                result.moving_analysed.append(sum(each.moves[sequence] for sequence, _ in decided))

    def _half_close(self) -> None:
        for stream in self._all:
            stream.call.half_close()
        self._receive_until(lambda: all(stream.call.is_ended for stream in self._all), _END_TIMEOUT_S)


def main(connection: Connection, plan: Plan) -> None:
    """Runs one process: sends "ready", receives the start time, and sends a SenderResult or an error message."""
    if plan.cores is not None:
        os.sched_setaffinity(0, plan.cores)
    try:
        with contextlib.closing(Sender(plan)) as sender:
            sender.open()
            connection.send("ready")
            connection.send(sender.run(connection.recv()))
    except (CallEnded, OSError, ValueError) as error:
        connection.send(f"{type(error).__name__}: {error}")
