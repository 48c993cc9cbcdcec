"""The search for the largest load that is carried, on machines that are made up."""

from __future__ import annotations

from typing import Any

import pytest

from gifcue.server.capacity.search import search


class Machine:
    """Carries so many participants in short runs, and so many in longer ones."""

    def __init__(self, short: int, long: int) -> None:
        self.short, self.long = short, long
        self.asked: list[tuple[int, bool]] = []

    async def run(self, participants: int, confirming: bool) -> dict[str, Any]:
        self.asked.append((participants, confirming))
        return {
            "participants": participants,
            "carried": participants <= (self.long if confirming else self.short),
        }


def reason(figures: dict[str, Any]) -> str:
    return "" if figures["carried"] else f"{figures['participants']} are too many"


@pytest.mark.parametrize("carried", [1, 7, 16, 54, 100, 333])
async def test_the_result_is_within_the_resolution_and_never_more_than_is_carried(carried: int) -> None:
    machine = Machine(carried, carried)
    found = await search(machine.run, reason, 16, 2048, 1 / 20)
    assert carried - max(1, carried // 20) <= found.participants <= carried
    assert machine.asked[-1] == (found.participants, True)
    assert "are too many" in found.why_limited
    assert found.at is not None


@pytest.mark.parametrize("carried", [1, 2, 7, 8, 9, 23, 31, 32])
async def test_a_small_capacity_is_found_exactly(carried: int) -> None:
    found = await search(Machine(carried, carried).run, reason, 8, 512)
    assert found.participants == carried


async def test_a_search_near_the_result_takes_few_runs() -> None:
    machine = Machine(30, 30)
    found = await search(machine.run, reason, 27, 512, growth=1.12)
    assert found.participants == 30
    assert [count for count, _ in machine.asked] == [27, 31, 29, 30, 30]


async def test_what_does_not_hold_in_a_longer_run_is_not_the_result() -> None:
    found = await search(Machine(60, 51).run, reason, 16, 2048, 1 / 20)
    assert found.participants <= 51
    assert found.participants >= 47


async def test_nothing_is_carried_by_a_machine_that_carries_nobody() -> None:
    found = await search(Machine(0, 0).run, reason, 16, 2048, 1 / 20)
    assert (found.participants, found.at) == (0, None)
    assert found.why_limited == "1 are too many"


async def test_the_search_ends_at_its_maximum() -> None:
    machine = Machine(10_000, 10_000)
    found = await search(machine.run, reason, 16, 40, 1 / 20)
    assert (found.participants, found.why_limited) == (40, "the search ended at its maximum of 40")
    assert [count for count, _ in machine.asked] == [16, 32, 40, 40]
