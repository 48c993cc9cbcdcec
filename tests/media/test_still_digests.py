from __future__ import annotations

from gifcue.media.still_digests import MAX_REMEMBERED, StillDigests


def test_the_bytes_of_a_lost_still_are_known_from_then_on() -> None:
    digests = StillDigests()
    assert b"bad" not in digests
    digests.add(b"bad")
    digests.add(b"bad")
    assert b"bad" in digests
    assert b"bat" not in digests
    assert b"worse" not in digests
    assert len(digests) == 1


def test_the_oldest_are_forgotten() -> None:
    digests = StillDigests()
    for number in range(MAX_REMEMBERED + 1):
        digests.add(b"%d" % number)
    assert len(digests) == MAX_REMEMBERED
    assert b"0" not in digests
    assert b"1" in digests
    assert b"%d" % MAX_REMEMBERED in digests
