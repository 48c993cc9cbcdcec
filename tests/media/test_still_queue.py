from __future__ import annotations

import pytest

from gifcue.media.still_queue import StillQueue


def test_callers_take_turns() -> None:
    queue: StillQueue[str] = StillQueue()
    for still in ("a1", "a2", "a3", "b1", "c1", "b2"):
        queue.put(still[0], still)
    assert [queue.take() for _ in range(len(queue))] == ["a1", "b1", "c1", "a2", "b2", "a3"]
    with pytest.raises(KeyError):
        queue.take()


def test_a_withdrawn_still_does_not_take_a_turn() -> None:
    queue: StillQueue[str] = StillQueue()
    for still in ("a1", "b1", "a2"):
        queue.put(still[0], still)
    assert queue.withdraw("b", "b1")
    assert not queue.withdraw("b", "b1")
    assert not queue.withdraw("a", "b1")
    assert [queue.take() for _ in range(len(queue))] == ["a1", "a2"]
