from __future__ import annotations

import random

from gifcue.ingest.rtp.jitter import MAX_WAITING, JitterBuffer, Ordered
from gifcue.ingest.rtp.unwrap import Unwrapper
from tests.ingest.rtp.kit import packet


def test_any_order_within_the_wait_is_restored_across_the_wrap() -> None:
    random_ = random.Random(3)
    for _ in range(200):
        start = random_.randrange(1 << 16)
        order = list(range(1, 12))
        random_.shuffle(order)
        buffer = JitterBuffer(wait_s=1.0)
        given = [each for number in [0, *order] for each in buffer.put(packet(start + number), 0.0)]
        assert [each.packet.sequence for each in given] == [(start + number) & 0xFFFF for number in range(12)]
        assert not any(each.lost_before for each in given)
        assert (buffer.waiting, buffer.lost, buffer.late) == (0, 0, 0)


def test_everything_that_comes_is_given_out_counted_late_or_a_duplicate() -> None:
    random_ = random.Random(5)
    for _ in range(100):
        numbers = [random_.randrange(400) for _ in range(300)]
        buffer = JitterBuffer(wait_s=0.05)
        given: list[Ordered] = []
        for index, number in enumerate(numbers):
            given += buffer.put(packet(number), index * 0.01)
        given += buffer.flush(1e9)
        sequences = [each.packet.sequence for each in given]
        assert sequences == sorted(set(sequences))
        assert len(given) + buffer.late + buffer.duplicates == len(numbers)
        assert sum(each.lost_before for each in given) == buffer.lost
        assert buffer.lost == sequences[-1] - sequences[0] + 1 - len(sequences)


def test_the_packets_that_wait_are_bounded() -> None:
    buffer = JitterBuffer(wait_s=1e9)
    list(buffer.put(packet(0), 0.0))
    given: list[Ordered] = []
    for number in range(2, 2 + MAX_WAITING + 1):
        given += buffer.put(packet(number), 0.0)
        assert buffer.waiting <= MAX_WAITING
    assert given[0].lost_before == 1
    assert len(given) == MAX_WAITING + 1


def test_one_packet_far_away_is_a_stray_and_two_in_a_row_are_a_new_sequence() -> None:
    buffer = JitterBuffer(wait_s=1.0)
    list(buffer.put(packet(0), 0.0))
    assert list(buffer.put(packet(30_000), 0.0)) == []
    assert [each.packet.sequence for each in buffer.put(packet(1), 0.0)] == [1]
    assert list(buffer.put(packet(30_000), 0.0)) == []
    given = list(buffer.put(packet(30_001), 0.0))
    assert [(each.packet.sequence, each.restarted) for each in given] == [(30_001, True)]


def test_unwrapping_follows_the_nearest_value() -> None:
    unwrapper = Unwrapper(16)
    values = [65_534, 65_535, 0, 2, 1, 40_000, 10_000]
    assert [unwrapper.take(value) for value in values] == [
        65_534,
        65_535,
        65_536,
        65_538,
        65_537,
        40_000,
        75_536,
    ]
    assert unwrapper.highest == 75_536
