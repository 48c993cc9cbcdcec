from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from gifcue.workers.arena import Arena, ArenaShape


def descriptors() -> list[str]:
    """The open file descriptors; empty if the system does not list them."""
    folder = Path("/proc/self/fd")
    # The listing itself has a descriptor open, always of the same number when the others are the same.
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_slots_are_numbered_through_the_ranges() -> None:
    arena = Arena.create(ranges=3, slots_per_range=4, slot_bytes=10)
    assert [list(arena.slots_of(index)) for index in range(3)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert arena.shape.slots == 12
    arena.close()


def test_slots_do_not_overlap_and_have_their_exact_size() -> None:
    arena = Arena.create(ranges=2, slots_per_range=2, slot_bytes=100)
    for index in range(4):
        assert len(arena.slot(index)) == 100
        arena.slot(index)[:] = bytes([index + 1]) * 100
    assert [set(arena.slot(index)) for index in range(4)] == [{1}, {2}, {3}, {4}]
    arena.close()


@pytest.mark.parametrize("index", [-1, 4])
def test_a_slot_number_out_of_range_is_refused(index: int) -> None:
    arena = Arena.create(ranges=2, slots_per_range=2, slot_bytes=8)
    with pytest.raises(IndexError, match=r"expected a slot of 0..3, got"):
        arena.slot(index)
    with pytest.raises(IndexError, match=r"expected a range of 0..1, got"):
        arena.slots_of(index)
    arena.close()


def test_numbers_below_one_are_refused() -> None:
    with pytest.raises(ValueError, match="slot_bytes: expected 1 or more, got 0"):
        Arena.create(ranges=1, slots_per_range=1, slot_bytes=0)


def test_an_attached_arena_is_shared_and_read_only_by_default() -> None:
    arena = Arena.create(ranges=1, slots_per_range=2, slot_bytes=8)
    reader = Arena.attach(os.dup(arena.fd), arena.shape)
    arena.slot(1)[:] = b"01234567"
    assert bytes(reader.slot(1)) == b"01234567"
    with pytest.raises(TypeError):
        reader.slot(1)[0] = 0
    writer = Arena.attach(os.dup(arena.fd), arena.shape, writable=True)
    writer.slot(0)[0] = 7
    assert arena.slot(0)[0] == 7
    for each in (reader, writer, arena):
        each.close()


def test_memory_smaller_than_the_shape_is_refused() -> None:
    arena = Arena.create(ranges=1, slots_per_range=1, slot_bytes=8)
    with pytest.raises(ValueError, match="expected shared memory of 128 bytes, got 64"):
        Arena.attach(arena.fd, ArenaShape(1, 2, 8))
    arena.close()


def test_closing_leaves_no_descriptor_and_spares_views_in_use() -> None:
    before = descriptors()
    arena = Arena.create(ranges=1, slots_per_range=1, slot_bytes=8)
    picture = np.frombuffer(arena.slot(0), dtype=np.uint8)
    arena.close()
    arena.close()
    assert arena.fd == -1
    assert picture.sum() == 0
    del picture, arena
    assert descriptors() == before


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="anonymous memory files are Linux's")
def test_the_memory_has_no_name_in_the_file_system() -> None:
    arena = Arena.create(ranges=1, slots_per_range=1, slot_bytes=8)
    assert str(Path(f"/proc/self/fd/{arena.fd}").readlink()).startswith("/memfd:")
    arena.close()


def test_without_memfd_a_file_is_used_that_is_unlinked_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    arena = Arena.create(ranges=1, slots_per_range=1, slot_bytes=8)
    assert list(tmp_path.iterdir()) == []
    arena.slot(0)[0] = 1
    arena.close()
