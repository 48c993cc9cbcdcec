from __future__ import annotations

import pytest

from benchmarks.meetings import Seen
from gifcue.client import Phase

STARTED, ENDED = Phase.STARTED, Phase.ENDED


def test_the_longest_pause_counts_from_the_last_frame_before_the_event() -> None:
    seen = Seen("ada", decided_s=[1.0, 1.2, 2.5, 2.6, 3.0])
    assert seen.longest_pause_s(1.3, 3.1) == pytest.approx(1.3)
    assert seen.longest_pause_s(2.55, 3.1) == pytest.approx(0.4)
    # Who is never analysed again has paused until the end.
    assert seen.longest_pause_s(3.5, 9.0) == pytest.approx(6.0)


@pytest.mark.parametrize(
    ("steps", "mistakes"),
    [
        ([(STARTED, "a"), (ENDED, "a"), (STARTED, "b"), (ENDED, "b")], 0),
        ([(STARTED, "a"), (STARTED, "b"), (ENDED, "b")], 1),
        ([(STARTED, "a"), (STARTED, "a"), (ENDED, "a")], 1),
        ([(STARTED, "a"), (ENDED, "b")], 1),
        ([(STARTED, "a"), (ENDED, "a"), (ENDED, "a")], 1),
        ([(STARTED, "a")], 1),
        ([(Phase.HOLDING, "a"), (Phase.CANCELLED, "a")], 0),
    ],
)
def test_started_and_ended_must_alternate(steps: list[tuple[Phase, str]], mistakes: int) -> None:
    seen = Seen("ada", steps=[(0.0, phase, reaction, "") for phase, reaction in steps])
    assert len(seen.mistakes()) == mistakes, seen.mistakes()
