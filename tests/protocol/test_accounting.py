from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gifcue.protocol.accounting import FrameCounts
from gifcue.protocol.statistics import ParticipantStatistics, Statistics

COUNTS = st.integers(0, 1000)
REASONS = st.dictionaries(st.sampled_from(["similar", "paced", "overload"]), COUNTS)
FRAME_COUNTS = st.builds(FrameCounts, COUNTS, COUNTS, REASONS, REASONS, COUNTS)


def test_every_received_frame_is_accounted_for() -> None:
    counts = FrameCounts(10, 4, {"similar": 3}, {"overload": 2}, 1)
    assert counts.accounted == 10
    assert counts.is_consistent
    assert not FrameCounts(200, 199).is_consistent


@given(st.lists(FRAME_COUNTS, max_size=5))
def test_a_total_has_the_sum_of_every_count(many: list[FrameCounts]) -> None:
    total = FrameCounts.total(many)
    assert total.received == sum(each.received for each in many)
    assert total.accounted == sum(each.accounted for each in many)


def test_an_unknown_participant_is_an_error_that_lists_the_known_ones() -> None:
    statistics = Statistics((ParticipantStatistics("alice", FrameCounts(), 0, 0.0, 0.0),))
    assert statistics.participant("alice").reactions == 0
    with pytest.raises(KeyError, match="expected one of 'alice', got 'bob'"):
        statistics.participant("bob")
    with pytest.raises(KeyError, match="expected one of no participants, got 'bob'"):
        Statistics().participant("bob")
