from __future__ import annotations

from gifcue.media.still_suspects import FORGIVEN_AFTER_S, MAX_PAUSE_S, MAX_REMEMBERED, StillSuspects


def test_the_bytes_of_a_lost_still_are_known_from_then_on() -> None:
    suspects = StillSuspects()
    assert not suspects.is_known(b"bad")
    suspects.blame("alice", b"bad", 0.0)
    suspects.blame("bob", b"bad", 0.0)
    assert suspects.is_known(b"bad")
    assert not suspects.is_known(b"bat")
    assert not suspects.is_known(b"worse")
    assert len(suspects) == 1


def test_the_oldest_are_forgotten() -> None:
    suspects = StillSuspects()
    for number in range(MAX_REMEMBERED + 1):
        suspects.blame(f"caller-{number}", b"%d" % number, 0.0)
        suspects.blame(f"caller-{number}", b"%d" % number, 0.0)
    assert len(suspects) == MAX_REMEMBERED
    assert not suspects.is_known(b"0")
    assert suspects.is_known(b"%d" % MAX_REMEMBERED)
    assert suspects.pause_s("caller-0", 0.0) == 0.0
    assert suspects.pause_s(f"caller-{MAX_REMEMBERED}", 0.0) == 1.0


def test_a_pause_has_a_longest_length_and_ends() -> None:
    suspects = StillSuspects()
    for number in range(30):
        suspects.blame("alice", b"%d" % number, 0.0)
    assert suspects.pause_s("alice", 0.0) == MAX_PAUSE_S
    assert suspects.pause_s("alice", MAX_PAUSE_S) == 0.0


def test_a_caller_is_forgiven_after_a_time_without_events() -> None:
    suspects = StillSuspects()
    suspects.blame("alice", b"one", 0.0)
    suspects.blame("alice", b"two", FORGIVEN_AFTER_S + 1.0)
    assert suspects.pause_s("alice", FORGIVEN_AFTER_S + 1.0) == 0.0
