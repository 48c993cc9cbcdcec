"""How often each packet is sent: twice where the network between Janus and this machine loses packets.

Janus' forwards know no retransmission. A keyframe of 20 packets survives a loss of 5 % in one of three cases, and each
lost packet needs a new one, so that a single copy shows almost nothing there. Each publisher begins with two copies,
because its first picture is a keyframe and the losses are not known yet.
"""

from __future__ import annotations

from dataclasses import dataclass

# The share of packets lost above which a second copy is asked for, and the one below which it is given up.
LOSSY = 0.01
CLEAN = 0.002
# Packets that a decision needs.
MIN_PACKETS = 50
# Decisions without loss in a row before the second copy is given up.
CLEAN_DECISIONS = 10
MAX_COPIES = 2


@dataclass(frozen=True, slots=True)
class PacketCounts:
    """Counters of a receiver since its beginning: packets that came, copies of such, and packets of which none came."""

    received: int
    duplicates: int
    lost: int


class CopyChoice:
    """Decides how many copies are asked for. `fixed` is a number that never changes; None decides by the losses."""

    def __init__(self, fixed: int | None = None) -> None:
        self._fixed = fixed
        self.copies = fixed or MAX_COPIES
        self._before = PacketCounts(0, 0, 0)
        self._clean = 0

    def decide(self, counts: PacketCounts) -> int:
        """The number of copies from now on. To be called every few seconds."""
        if self._fixed is not None:
            return self.copies
        before = self._before
        received = counts.received - before.received
        sent = received - (counts.duplicates - before.duplicates) + (counts.lost - before.lost)
        if sent < MIN_PACKETS:
            return self.copies
        self._before = counts
        loss = 1 - received / (sent * self.copies)
        self._clean = self._clean + 1 if loss < CLEAN else 0
        if loss > LOSSY:
            self.copies = MAX_COPIES
        elif self._clean >= CLEAN_DECISIONS:
            self.copies = 1
        return self.copies
