from __future__ import annotations

import platform

import psutil
import pytest

from gifcue.workers.memory import return_unused


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can give memory back")
def test_a_fragmented_heap_is_returned_to_the_system() -> None:
    blocks: list[bytearray | None] = [bytearray(50_000) for _ in range(2000)]
    for number in range(0, len(blocks), 2):
        blocks[number] = None
    before = psutil.Process().memory_info().rss
    assert return_unused()
    # A thousand holes of twelve pages each. The pages at the ends of a hole are shared with its neighbours.
    assert before - psutil.Process().memory_info().rss > 30e6
    assert blocks[1] == bytes(50_000)
