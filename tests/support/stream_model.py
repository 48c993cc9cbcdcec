"""What a stream may say, given what it was sent: the model that tests of servers compare with.

    model = StreamModel()
    model.sent(request); model.heard(response); ...; model.ended(is_ok=True)
    assert not model.violations

The model knows the wire alone (protos/gifcue/v1), and neither video nor time: it needs no server of a certain version
and works on recorded messages as well. It checks:

- `StreamReady` comes first and once.
- For each participant and label, STARTED and ENDED alternate. An event of a reaction carries the id, the participant
  and the label of its first one; HOLDING comes before STARTED only, and CANCELLED ends a hold that never started.
- Each received frame has exactly one outcome or is in flight, and no more frames were received than were sent. Of a
  participant that joined once and has not left, every frame that was sent is reported as received.
- A frame is decided upon at most once, and only where it was sent.
- A stream that ends with OK leaves no reaction open.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from gifcue.protocol.accounting import FrameCounts
from gifcue.v1 import media_pb2, reaction_service_pb2

Request = reaction_service_pb2.StreamReactionsRequest
Response = reaction_service_pb2.StreamReactionsResponse
Phase = reaction_service_pb2.Phase

# Violations that are kept as text; further ones are only counted.
MAX_TEXTS = 20
# Frames of one participant whose decisions are still expected: decisions that come later are not checked.
MAX_SEQUENCES = 100_000


class ReactionModel:
    """The order of reactions of any number of participants. `violations` says what broke it."""

    def __init__(self) -> None:
        self.violations = Violations()
        self.started: Counter[str] = Counter()
        # The running reaction of each participant and label.
        self._running: dict[tuple[str, str], str] = {}
        # Reactions that were held or started, and not ended: their participant, label and whether they started.
        self._open: dict[str, tuple[str, str, bool]] = {}

    @property
    def running(self) -> list[tuple[str, str]]:
        """The participants and labels that have STARTED and not ENDED."""
        return sorted(self._running)

    def heard(self, event: reaction_service_pb2.ReactionEvent) -> None:
        """One event, in the order of arrival."""
        where = f"{event.participant_id} {event.label} {event.reaction_id}"
        if not (event.participant_id and event.label and event.reaction_id):
            self.violations.add("expected a reaction with participant, label and id", where)
            return
        name = (event.participant_id, event.label)
        known = self._open.get(event.reaction_id)
        if known is not None and known[:2] != name:
            self.violations.add("expected a reaction to keep its participant and label", where)
        match event.phase:
            case reaction_service_pb2.PHASE_HOLDING:
                if known is not None and known[2]:
                    self.violations.add("expected no HOLDING after STARTED", where)
                self._open.setdefault(event.reaction_id, (*name, False))
            case reaction_service_pb2.PHASE_STARTED:
                if name in self._running:
                    self.violations.add("expected ENDED before the next STARTED", where)
                self._running[name] = event.reaction_id
                self._open[event.reaction_id] = (*name, True)
                self.started[event.label] += 1
            case reaction_service_pb2.PHASE_ENDED:
                if self._running.pop(name, None) != event.reaction_id:
                    self.violations.add("expected ENDED of the reaction that STARTED", where)
                self._open.pop(event.reaction_id, None)
            case reaction_service_pb2.PHASE_CANCELLED:
                if known is not None and known[2]:
                    self.violations.add("expected no CANCELLED after STARTED", where)
                self._open.pop(event.reaction_id, None)
            case other:
                self.violations.add("expected a known phase", f"{where}: {other}")

    def ended(self, *, is_ok: bool) -> None:
        """The stream is over. After another status than OK, the client itself ends the reactions that run."""
        if is_ok:
            for participant_id, label in self.running:
                self.violations.add(
                    "expected ENDED of every reaction before the stream ends with OK",
                    f"{participant_id} {label}",
                )
        self._running.clear()
        self._open.clear()


@dataclass(slots=True)
class Violations:
    """What was against the model: the first ones as text, all of them counted."""

    texts: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, expected: str, got: str) -> None:
        """One more."""
        self.count += 1
        if len(self.texts) < MAX_TEXTS:
            self.texts.append(f"{expected}, got {got}")

    def extend(self, others: Violations) -> None:
        """Those of another stream."""
        self.texts += others.texts[: MAX_TEXTS - len(self.texts)]
        self.count += others.count

    def __bool__(self) -> bool:
        return self.count > 0

    def __str__(self) -> str:
        more = f" and {self.count - len(self.texts)} more" if self.count > len(self.texts) else ""
        return "; ".join(self.texts) + more if self else "none"


@dataclass(slots=True)
class _Sent:
    """What was sent to one participant of a stream, over all of its joins."""

    frames: int = 0
    joins: int = 0
    leaves: int = 0
    frames_before_join: int = 0
    # Sequence numbers that no decision has come for, in the order in which they were sent.
    undecided: Counter[int] = field(default_factory=Counter)
    order: deque[int] = field(default_factory=deque)

    @property
    def bounds(self) -> tuple[int, int]:
        """The fewest and the most frames that the server may report as received."""
        if self.joins == 1 and not self.leaves:
            return self.frames - self.frames_before_join, self.frames
        # Frames outside of a join count for the stream alone, and a join may have been refused.
        return 0, self.frames

    def add(self, sequence: int) -> None:
        self.frames += 1
        self.frames_before_join += not self.joins
        self.undecided[sequence] += 1
        self.order.append(sequence)
        if len(self.order) > MAX_SEQUENCES:
            self._forget(self.order.popleft())

    def decide(self, sequence: int) -> bool:
        """False where no frame of this number waits for a decision."""
        if self.undecided[sequence] <= 0:
            return False
        self._forget(sequence)
        return True

    def _forget(self, sequence: int) -> None:
        self.undecided[sequence] -= 1
        if self.undecided[sequence] <= 0:
            del self.undecided[sequence]


class StreamModel:
    """One stream, from its configuration to its end."""

    def __init__(self) -> None:
        self.violations = Violations()
        self.reactions = ReactionModel()
        self.reactions.violations = self.violations
        self.statistics: dict[str, FrameCounts] = {}
        self.is_ready = False
        self.faults: Counter[str] = Counter()
        self._sent: dict[str, _Sent] = {}
        # The bounds of each participant when each unanswered `StatisticsRequest` was sent. Messages keep their order,
        # so that the answer counts exactly what was sent before.
        self._asked: deque[dict[str, tuple[int, int]]] = deque()

    def sent(self, request: Request) -> None:
        """A message that was written to the stream."""
        match request.WhichOneof("message"):
            case "frame":
                self._frame(request.frame)
            case "frames":
                for frame in request.frames.frames:
                    self._frame(frame)
            case "participant":
                sent = self._sent_to(request.participant.participant_id)
                sent.joins += request.participant.WhichOneof("update") == "join"
                sent.leaves += request.participant.WhichOneof("update") == "leave"
            case "statistics":
                self._asked.append({name: sent.bounds for name, sent in self._sent.items()})
            case _:
                pass

    def heard(self, response: Response) -> None:
        """A message that came, in the order of arrival."""
        kind = response.WhichOneof("message")
        if kind == "ready":
            if self.is_ready:
                self.violations.add("expected StreamReady once", "a second one")
            self.is_ready = True
            return
        if not self.is_ready:
            self.violations.add("expected StreamReady first", str(kind))
        match kind:
            case "reaction":
                self.reactions.heard(response.reaction)
            case "decision":
                decision = response.decision
                sent = self._sent.get(decision.participant_id)
                if sent is None or not sent.decide(decision.sequence):
                    where = f"{decision.participant_id} {decision.sequence}"
                    self.violations.add("expected one decision of a frame that was sent", where)
            case "statistics":
                self._check(response.statistics.participants)
            case "fault":
                name = reaction_service_pb2.FaultCode.Name(response.fault.code)
                self.faults[name.removeprefix("FAULT_CODE_")] += response.fault.count
            case _:
                pass

    def ended(self, *, is_ok: bool) -> None:
        """The stream is over; `is_ok` where its status is OK."""
        self.reactions.ended(is_ok=is_ok)

    @property
    def in_flight(self) -> int:
        """Frames without an outcome, as of the newest statistics."""
        return sum(counts.in_flight for counts in self.statistics.values())

    @property
    def counts(self) -> FrameCounts:
        """The frames of all participants, as of the newest statistics."""
        return FrameCounts.total(self.statistics.values())

    def _sent_to(self, participant_id: str) -> _Sent:
        return self._sent.setdefault(participant_id, _Sent())

    def _frame(self, frame: media_pb2.Frame) -> None:
        self._sent_to(frame.participant_id).add(frame.sequence)

    def _check(self, participants: Iterable[reaction_service_pb2.ParticipantStatistics]) -> None:
        found: dict[str, list[FrameCounts]] = {}
        for each in participants:
            books = each.books
            counts = FrameCounts(
                books.received, books.analysed, dict(books.skipped), dict(books.dropped), books.in_flight
            )
            if not counts.is_consistent:
                self.violations.add(
                    "expected every received frame to have an outcome",
                    f"{each.participant_id}: {counts.received} received, {counts.accounted} accounted for",
                )
            # A participant that joined again has one entry for each join.
            found.setdefault(each.participant_id, []).append(counts)
        self.statistics = {name: FrameCounts.total(counts) for name, counts in found.items()}
        if not self._asked:
            self.violations.add(
                "expected statistics where they were asked for", "an answer without a question"
            )
            return
        asked = self._asked.popleft()
        for name, counts in self.statistics.items():
            fewest, most = asked.get(name, (0, 0))
            if not fewest <= counts.received <= most:
                self.violations.add(
                    "expected the frames that were sent to be received",
                    f"{name}: {counts.received} received, {fewest} to {most} sent",
                )
