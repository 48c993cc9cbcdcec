"""Frames that depend on a lost frame do not reach a decoder."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gifcue.engine.gate import KeyframeGate, RateGate
from gifcue.protocol.reasons import DropReason


def test_a_stream_joined_in_the_middle_waits_for_a_keyframe() -> None:
    gate = KeyframeGate(intra_only=False)
    assert gate.check(7, keyframe=False) is DropReason.AWAITING_KEYFRAME
    assert gate.check(8, keyframe=True) is None
    assert gate.check(9, keyframe=False) is None


def test_a_gap_closes_the_gate_until_a_keyframe() -> None:
    gate = KeyframeGate(intra_only=False)
    gate.check(1, keyframe=True)
    assert gate.check(3, keyframe=False) is DropReason.SEQUENCE_GAP
    assert gate.check(4, keyframe=False) is DropReason.AWAITING_KEYFRAME
    assert gate.check(5, keyframe=True) is None


def test_a_keyframe_after_a_gap_passes_at_once() -> None:
    gate = KeyframeGate(intra_only=False)
    gate.check(1, keyframe=True)
    assert gate.check(5, keyframe=True) is None


def test_only_the_duplicate_is_dropped() -> None:
    gate = KeyframeGate(intra_only=False)
    gate.check(1, keyframe=True)
    gate.check(2, keyframe=False)
    assert gate.check(2, keyframe=False) is DropReason.SEQUENCE_GAP
    assert gate.check(3, keyframe=False) is None


def test_sequence_numbers_may_restart_at_a_keyframe() -> None:
    gate = KeyframeGate(intra_only=False)
    gate.check(900, keyframe=True)
    assert gate.check(0, keyframe=True) is None
    assert gate.check(1, keyframe=False) is None


def test_intra_only_codecs_need_no_keyframe() -> None:
    gate = KeyframeGate(intra_only=True)
    assert gate.check(4, keyframe=False) is None
    assert gate.check(9, keyframe=False) is None
    gate.close()
    assert not gate.is_waiting


@given(st.lists(st.tuples(st.integers(0, 30), st.booleans())))
def test_an_inter_frame_passes_only_directly_after_a_passed_frame(frames: list[tuple[int, bool]]) -> None:
    gate = KeyframeGate(intra_only=False)
    last_passed: int | None = None
    for sequence, keyframe in frames:
        if gate.check(sequence, keyframe=keyframe) is None:
            assert keyframe or last_passed == sequence - 1
            last_passed = sequence


def test_the_rate_is_limited_by_the_senders_clock() -> None:
    gate = RateGate(max_fps=30)
    assert all(gate.admits(n / 30, n / 30) for n in range(300))
    assert sum(gate.admits(20 + n / 300, 20 + n / 300) for n in range(3000)) <= 30 * 10 + 31


def test_b_frames_do_not_refill_the_rate() -> None:
    gate = RateGate(max_fps=10)
    admitted = [gate.admits(1.0 if n % 2 else 0.9, 0.0) for n in range(100)]
    assert sum(admitted) <= 12


def test_a_file_may_be_sent_faster_than_it_was_recorded() -> None:
    gate = RateGate(max_fps=30)
    # Nine seconds at once, and three times as fast as recorded from then on.
    assert all(gate.admits(n / 30, max(0.0, n / 30 - 9.0) / 3.0) for n in range(6000))


def test_a_clock_that_is_set_back_does_not_lift_the_limit() -> None:
    gate = RateGate(max_fps=30)
    # Each jump back begins anew by the sender's clock.
    admitted = sum(gate.admits(-2.0 * n, n / 10_000) for n in range(20_000))
    assert 300 <= admitted <= 300 + 2 * 120 + 1
