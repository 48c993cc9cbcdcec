"""What a receiver reports of one source: losses and jitter (RFC 3550 section 6.4.1 and appendix A)."""

from __future__ import annotations

from gifcue.ingest.rtp.rtcp import ReportBlock
from gifcue.ingest.rtp.unwrap import Unwrapper


class Reception:
    """Counts the packets of one source. Times are seconds of any steady clock."""

    def __init__(self, ssrc: int, clock_hz: int) -> None:
        self.ssrc = ssrc
        self._clock_hz = clock_hz
        self._sequence = Unwrapper(16)
        self._first = 0
        self._received = 0
        self._reported: tuple[int, int] = (0, 0)  # packets expected and received at the report before
        self._transit: int | None = None
        self._timestamp: int | None = None
        self._jitter = 0.0
        self._sender_report: tuple[int, float] | None = None

    def take(self, sequence: int, timestamp: int, now_s: float) -> None:
        """A packet has come; both numbers as they are in its header."""
        number = self._sequence.take(sequence)
        if not self._received:
            self._first = number
        self._received += 1
        if timestamp == self._timestamp:
            return  # a packet of the same frame, which is sent a little later
        self._timestamp = timestamp
        transit = round(now_s * self._clock_hz) - timestamp & 0xFFFFFFFF
        if self._transit is not None:
            step = transit - self._transit & 0xFFFFFFFF
            self._jitter += (min(step, 2**32 - step) - self._jitter) / 16
        self._transit = transit

    def sender_report(self, ntp: int, now_s: float) -> None:
        """A report of the sender has come; `ntp` is the middle of its NTP time."""
        self._sender_report = (ntp, now_s)

    def report(self, now_s: float) -> ReportBlock | None:
        """What to report now; None before the first packet."""
        highest = self._sequence.highest
        if highest is None:
            return None
        expected = highest - self._first + 1
        expected_before, received_before = self._reported
        self._reported = (expected, self._received)
        wanted = expected - expected_before
        lost = max(0, wanted - (self._received - received_before))
        fraction = min(255, lost * 256 // wanted) if wanted > 0 else 0
        ntp, delay = 0, 0
        if self._sender_report is not None:
            ntp, arrived_s = self._sender_report
            delay = round((now_s - arrived_s) * 65536)
        return ReportBlock(
            self.ssrc, fraction, expected - self._received, highest, round(self._jitter), ntp, delay
        )
