from __future__ import annotations

import struct

from gifcue.ingest.access_unit import AccessUnit
from gifcue.ingest.rtp.receiver import REQUEST_INTERVAL_S, PayloadFormat, VideoReceiver
from gifcue.protocol.codecs import Codec
from tests.ingest.rtp.kit import orientation, rtp

KEY = b"\x10" + bytes((0x00, 0, 0, 0x9D, 0x01, 0x2A)) + b"key"
INTER = b"\x10" + bytes((0x01,)) + b"inter"


def receiver(**options: object) -> VideoReceiver:
    return VideoReceiver({96: PayloadFormat(Codec.VP8)}, **options)  # type: ignore[arg-type]


def take(receiver: VideoReceiver, *datagrams: bytes, now_s: float = 0.0) -> list[AccessUnit]:
    return [unit for datagram in datagrams for unit in receiver.receive(datagram, now_s)]


def test_a_unit_ends_with_its_marker_or_with_the_next_time_stamp() -> None:
    units = take(
        receiver(),
        rtp(1, KEY, timestamp=100, marker=True),
        rtp(2, INTER, timestamp=200),
        rtp(3, INTER, timestamp=300, marker=True),
    )
    assert [(unit.pts, unit.keyframe, unit.payload[1:]) for unit in units] == [
        (100, True, KEY[2:]),
        (200, False, INTER[2:]),
        (300, False, INTER[2:]),
    ]


def test_time_stamps_and_sequence_numbers_wrap() -> None:
    taken = receiver()
    units = []
    for index in range(6):
        number = 0xFFFD + index
        at = (1 << 32) - 9000 + index * 3000
        units += taken.receive(rtp(number, INTER, timestamp=at, marker=True), index / 30)
    assert [unit.pts for unit in units] == [(1 << 32) - 9000 + index * 3000 for index in range(6)]
    assert taken.dropped == {}


def test_a_clock_that_starts_anew_goes_on_by_the_time_of_arrival() -> None:
    taken = receiver()
    first = take(taken, rtp(1, KEY, timestamp=5_000_000, marker=True), now_s=10.0)
    second = take(taken, rtp(2, KEY, timestamp=77, marker=True), now_s=11.0)
    third = take(taken, rtp(3, INTER, timestamp=77 + 3000, marker=True), now_s=11.1)
    assert second[0].pts - first[0].pts == 90_000
    assert third[0].pts - second[0].pts == 3000


def test_a_pause_in_the_video_is_no_new_clock() -> None:
    taken = receiver()
    take(taken, rtp(1, KEY, timestamp=0, marker=True), now_s=0.0)
    after = take(taken, rtp(2, KEY, timestamp=90_000 * 60, marker=True), now_s=60.3)
    assert after[0].pts == 90_000 * 60


def test_another_source_takes_over_after_two_packets_in_a_row() -> None:
    taken = receiver()
    before = take(taken, rtp(1, KEY, timestamp=1000, marker=True), now_s=0.0)
    stray = take(
        taken, rtp(9, INTER, timestamp=1, marker=True, ssrc=8), rtp(2, INTER, timestamp=4000, marker=True)
    )
    assert [unit.pts for unit in stray] == [4000]
    assert taken.dropped == {"other_source": 1}
    after = take(
        taken,
        rtp(500, INTER, timestamp=70, marker=True, ssrc=9),
        rtp(501, KEY, timestamp=3070, marker=True, ssrc=9),
        now_s=0.5,
    )
    assert [(unit.keyframe, unit.follows_loss) for unit in after] == [(True, True)]
    assert after[0].pts > before[0].pts
    assert taken.media_ssrc == 9


def test_a_sender_that_begins_a_new_sequence_is_followed() -> None:
    taken = receiver()
    take(taken, rtp(60_000, KEY, timestamp=0, marker=True))
    units = take(
        taken, rtp(10, KEY, timestamp=3000, marker=True), rtp(11, INTER, timestamp=6000, marker=True)
    )
    assert [(unit.payload[1:], unit.follows_loss) for unit in units] == [(INTER[2:], True)]
    assert [unit.pts for unit in units] > [0]


def test_a_change_of_codec_between_two_frames() -> None:
    taken = VideoReceiver({96: PayloadFormat(Codec.VP8), 97: PayloadFormat(Codec.H264)})
    units = take(
        taken,
        rtp(1, KEY, timestamp=0, marker=True),
        rtp(2, b"\x65\x88\x80", timestamp=3000, marker=True, payload_type=97),
    )
    assert [(unit.codec, unit.payload) for unit in units][1] == (Codec.H264, b"\0\0\0\1\x65\x88\x80")


def test_a_missing_packet_is_waited_for_and_then_given_up() -> None:
    taken = receiver(wait_s=0.1)
    take(taken, rtp(1, KEY, timestamp=0, marker=True), now_s=0.0)
    assert take(taken, rtp(3, INTER, timestamp=6000, marker=True), now_s=1.0) == []
    assert taken.deadline_s == 1.1
    assert taken.poll(1.05) == []
    # It comes in time.
    in_time = take(taken, rtp(2, INTER, timestamp=3000, marker=True), now_s=1.08)
    assert [(unit.pts, unit.follows_loss) for unit in in_time] == [(3000, False), (6000, False)]
    # The next one does not.
    take(taken, rtp(5, INTER, timestamp=12_000, marker=True), now_s=2.0)
    given_up = taken.poll(2.1)
    assert [(unit.pts, unit.follows_loss) for unit in given_up] == [(12_000, True)]
    assert take(taken, rtp(4, INTER, timestamp=9000, marker=True), now_s=2.2) == []
    assert taken.dropped == {"lost": 1, "late": 1}


def test_orientation_becomes_the_rotation_and_stays() -> None:
    units = take(
        receiver(orientation_id=3),
        rtp(1, KEY, timestamp=0, marker=True),
        rtp(2, INTER, timestamp=3000, marker=True, extension=orientation(0b0001)),
        rtp(3, INTER, timestamp=6000, marker=True),
        rtp(4, INTER, timestamp=9000, marker=True, extension=orientation(0b0111)),
    )
    assert [unit.rotation for unit in units] == [0, 90, 90, 270]


def test_padding_keeps_the_sequence_and_makes_no_frame() -> None:
    taken = receiver()
    units = take(
        taken,
        rtp(1, KEY, timestamp=0, marker=True),
        rtp(2, b"", timestamp=0, padding=200),
        rtp(3, INTER, timestamp=3000, marker=True, padding=4),
    )
    assert [(unit.pts, unit.follows_loss) for unit in units] == [(0, False), (3000, False)]
    assert units[1].payload == INTER[1:]


def test_what_is_of_no_use_is_counted_by_its_reason() -> None:
    taken = receiver()
    sender_report = struct.pack("!BBHI", 0x80, 200, 1, 7)
    assert (
        take(taken, sender_report, b"", b"\x00" * 20, rtp(1, INTER, payload_type=111), rtp(2, b"\x80")) == []
    )
    taken.receive(rtp(3, INTER, timestamp=3000, marker=True), 0.0)
    assert taken.dropped == {
        "malformed_packet": 2,
        "unknown_payload_type": 1,
        "malformed_payload": 1,
        "incomplete_unit": 1,
    }


def test_requests_for_a_keyframe_are_throttled() -> None:
    taken = receiver(ssrc=99)
    assert taken.keyframe_request(0.0) is None
    take(taken, rtp(1, KEY, timestamp=0, marker=True, ssrc=7))
    # RFC 4585 section 6.3.1, after an empty receiver report of RFC 3550.
    assert taken.keyframe_request(1.0) == struct.pack("!BBHIBBHII", 0x80, 201, 1, 99, 0x81, 206, 2, 99, 7)
    assert taken.keyframe_request(1.0 + 0.9 * REQUEST_INTERVAL_S) is None
    # RFC 5104 section 4.3.1: the media source is in the entry, and 0 in the header.
    assert taken.keyframe_request(1.5, fir=True) == struct.pack(
        "!BBHIBBHIIIBxxx", 0x80, 201, 1, 99, 0x84, 206, 4, 99, 0, 7, 2
    )
