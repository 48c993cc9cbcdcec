"""RTP packets in the order in which they were sent, with what was lost between them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from gifcue.ingest.rtp.packet import RtpPacket
from gifcue.ingest.rtp.unwrap import Unwrapper

# Packets that may wait for one that is missing. At 1,200 bytes and 4 Mbit/s this is half a second of video.
MAX_WAITING = 256
# RFC 3550 appendix A.1: a jump of the sequence number by more than this is a sender that started anew.
MAX_JUMP = 3000


@dataclass(frozen=True, slots=True)
class Ordered:
    """A packet, and how many packets before it are lost for good. `restarted`: the sender began a new sequence."""

    packet: RtpPacket
    lost_before: int
    restarted: bool = False


class JitterBuffer:
    """Gives packets out in order. A missing packet is waited for until `wait_s` have passed since the first packet
    after it came, or until `MAX_WAITING` packets wait. Times are seconds of any steady clock.
    """

    def __init__(self, wait_s: float) -> None:
        self._wait_s = wait_s
        self._sequence = Unwrapper(16)
        self._next: int | None = None
        self._first = 0  # where the sequence began
        # Numbers that were waited for in vain: they tell a late packet from a copy of one that was given out.
        self._given_up: set[int] = set()
        # By unwrapped sequence number, with the time of arrival.
        self._waiting: dict[int, tuple[float, RtpPacket]] = {}
        self._restarted = False
        self._suspect: int | None = None
        self.late = 0
        self.duplicates = 0
        self.lost = 0

    @property
    def waiting(self) -> int:
        """Packets that wait for one before them."""
        return len(self._waiting)

    @property
    def deadline_s(self) -> float | None:
        """When `flush` has something to give out although nothing else comes; None where nothing waits."""
        if not self._waiting:
            return None
        return min(arrived_s for arrived_s, _ in self._waiting.values()) + self._wait_s

    def missing(self, at_most: int) -> list[int]:
        """The sequence numbers (16 bits) that are waited for, the oldest first."""
        if not self._waiting or self._next is None:
            return []
        numbers = (each for each in range(self._next, max(self._waiting)) if each not in self._waiting)
        return [each & 0xFFFF for each in itertools.islice(numbers, at_most)]

    def put(self, packet: RtpPacket, now_s: float) -> Iterator[Ordered]:
        """Takes a packet; yields every packet whose turn it is."""
        number = self._sequence.peek(packet.sequence)
        if self._next is not None and abs(number - self._next) > MAX_JUMP:
            # One packet that is far away is damaged or a stray; two in a row are a sender that started anew.
            if self._suspect != packet.sequence:
                self._suspect = (packet.sequence + 1) & 0xFFFF
                self.late += 1
                return
            yield from self._give_up_all()
            self._sequence = Unwrapper(16)
            self._next = None
            self._given_up.clear()
            self._restarted = True
            number = packet.sequence
        self._suspect = None
        self._sequence.take(packet.sequence)
        if self._next is None:
            self._next = self._first = number
        if number < self._next:
            if number < self._first or number in self._given_up:
                self._given_up.discard(number)
                self.late += 1
            else:
                self.duplicates += 1
            return
        if number in self._waiting:
            self.duplicates += 1
            return
        self._waiting[number] = (now_s, packet)
        yield from self._in_turn()
        yield from self.flush(now_s)

    def flush(self, now_s: float) -> Iterator[Ordered]:
        """Yields what need not wait any longer; the packets missing before it are lost."""
        while self._waiting:
            if len(self._waiting) <= MAX_WAITING:
                deadline_s = self.deadline_s
                if deadline_s is None or now_s < deadline_s:
                    return
            yield self._skip_to_first()
            yield from self._in_turn()

    def _give_up_all(self) -> Iterator[Ordered]:
        while self._waiting:
            yield self._skip_to_first()
            yield from self._in_turn()

    def _skip_to_first(self) -> Ordered:
        assert self._next is not None
        first = min(self._waiting)
        missing = first - self._next
        self.lost += missing
        self._given_up.update(range(self._next, first))
        if len(self._given_up) > 2 * MAX_JUMP:
            # Numbers further back than MAX_JUMP count as a new beginning.
            self._given_up = {each for each in self._given_up if each >= first - MAX_JUMP}
        self._next = first
        return self._take(missing)

    def _in_turn(self) -> Iterator[Ordered]:
        while self._next in self._waiting:
            yield self._take(0)

    def _take(self, lost_before: int) -> Ordered:
        assert self._next is not None
        _, packet = self._waiting.pop(self._next)
        self._next += 1
        restarted, self._restarted = self._restarted, False
        return Ordered(packet, lost_before, restarted)
