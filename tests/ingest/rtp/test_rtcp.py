"""RTCP as RFC 3550 and RFC 4585 write it."""

from __future__ import annotations

import struct

from aiortc.rtp import RtcpPacket, RtcpRrPacket, RtcpRtpfbPacket, RtcpSenderInfo, RtcpSrPacket

from gifcue.ingest.rtp.reception import Reception
from gifcue.ingest.rtp.rtcp import MAX_BLOCKS, ReportBlock, packets_missing, receiver_reports, sender_reports


def test_missing_packets_are_named_as_another_implementation_reads_them() -> None:
    numbers = [65530, 65531, 65535, 3, 100, 116, 117, 200]
    report, feedback = RtcpPacket.parse(packets_missing(1, 2, numbers))
    assert isinstance(report, RtcpRrPacket)
    assert isinstance(feedback, RtcpRtpfbPacket)
    assert (feedback.ssrc, feedback.media_ssrc) == (1, 2)
    assert [each & 0xFFFF for each in feedback.lost] == numbers


def test_a_report_says_what_is_lost_and_how_evenly_packets_come() -> None:
    reception = Reception(7, 90_000)
    assert reception.report(0.0) is None
    for number in range(65_500, 65_500 + 120):
        if number % 4:  # every fourth is lost
            reception.take(number & 0xFFFF, number * 3000, number / 30)
    reception.sender_report(0x1234_5678, 10.0)
    block = reception.report(12.5)
    assert block is not None
    (report,) = RtcpPacket.parse(*receiver_reports(9, [block]))
    assert isinstance(report, RtcpRrPacket)
    (read,) = report.reports
    assert (report.ssrc, read.ssrc) == (9, 7)
    assert read.packets_lost == 29
    assert read.fraction_lost == 29 * 256 // 119
    assert read.highest_sequence == 65_500 + 119
    assert read.jitter == 0
    assert (read.lsr, read.dlsr) == (0x1234_5678, round(2.5 * 65536))
    # The next report is about what came since.
    reception.take(65_500 + 120 & 0xFFFF, 1, 2.0)
    following = reception.report(13.0)
    assert following is not None
    assert (following.fraction_lost, following.lost) == (0, 29)
    assert following.jitter > 0


def test_copies_do_not_make_losses_negative_for_the_wire() -> None:
    reception = Reception(7, 90_000)
    for _ in range(3):
        reception.take(5, 0, 0.0)
    block = reception.report(0.0)
    assert block is not None
    (report,) = RtcpPacket.parse(*receiver_reports(9, [block]))
    assert isinstance(report, RtcpRrPacket)
    assert (report.reports[0].packets_lost, report.reports[0].fraction_lost) == (-2, 0)


def test_more_sources_than_one_report_holds_are_all_reported() -> None:
    blocks = [ReportBlock(ssrc, 0, 0, 1, 0) for ssrc in range(2 * MAX_BLOCKS + 1)]
    reported = []
    for packet in receiver_reports(9, blocks):
        (report,) = RtcpPacket.parse(packet)
        assert isinstance(report, RtcpRrPacket)
        reported.append([each.ssrc for each in report.reports])
    assert [len(each) for each in reported] == [MAX_BLOCKS, MAX_BLOCKS, 1]
    assert [ssrc for each in reported for ssrc in each] == [each.ssrc for each in blocks]


def test_sender_reports_are_found_in_what_is_sent_together() -> None:
    ntp = 0x0001_0002_0003_0004
    report = bytes(RtcpSrPacket(ssrc=5, sender_info=RtcpSenderInfo(ntp, 0, 0, 0)))
    (empty,) = receiver_reports(1, [])
    assert list(sender_reports(empty + report)) == [(5, 0x0002_0003)]
    assert list(sender_reports(report[:-1])) == []
    assert list(sender_reports(b"")) == []
    assert list(sender_reports(struct.pack("!BBHI", 0x80, 200, 0xFFFF, 5))) == []
