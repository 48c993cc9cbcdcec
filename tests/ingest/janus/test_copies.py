from __future__ import annotations

from gifcue.ingest.janus.copies import CLEAN_DECISIONS, MIN_PACKETS, CopyChoice, PacketCounts


class Path:
    """Counts what arrives of packets, of which each copy is lost by a fixed pattern."""

    def __init__(self, choice: CopyChoice) -> None:
        self.choice = choice
        self.received = self.duplicates = self.lost = 0

    def send(self, packets: int, every: int | None) -> int:
        """Loses each copy number `every`, then decides."""
        number = 0
        for _ in range(packets):
            arrived = 0
            for _ in range(self.choice.copies):
                number += 1
                arrived += every is None or number % every != 0
            self.received += arrived
            self.duplicates += max(0, arrived - 1)
            self.lost += arrived == 0
        return self.choice.decide(PacketCounts(self.received, self.duplicates, self.lost))


def clean(path: Path) -> None:
    for _ in range(CLEAN_DECISIONS):
        path.send(500, None)


def test_two_copies_are_sent_until_nothing_was_lost_for_a_time() -> None:
    path = Path(CopyChoice())
    assert path.choice.copies == 2
    decisions = [path.send(500, None) for _ in range(CLEAN_DECISIONS)]
    assert decisions == [2] * (CLEAN_DECISIONS - 1) + [1]


def test_losses_add_a_second_copy_and_it_stays_while_copies_are_lost() -> None:
    path = Path(CopyChoice())
    clean(path)
    assert path.send(500, 20) == 2
    # No packet is lost any longer, because no two copies of one are: the path still is lossy.
    lost_before = path.lost
    for _ in range(2 * CLEAN_DECISIONS):
        assert path.send(500, 21) == 2
    assert path.lost == lost_before


def test_a_single_loss_of_many_packets_changes_nothing() -> None:
    path = Path(CopyChoice())
    clean(path)
    assert path.send(500, 400) == 1


def test_few_packets_decide_nothing_until_there_are_more() -> None:
    path = Path(CopyChoice())
    clean(path)
    assert path.send(MIN_PACKETS // 2, 5) == 1
    assert path.send(MIN_PACKETS // 2, 5) == 2


def test_a_fixed_number_stays() -> None:
    for copies in (1, 2):
        path = Path(CopyChoice(copies))
        assert path.send(500, 10) == copies
