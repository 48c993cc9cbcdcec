"""What is checked of a decoder's picture before a detector reads it.

A decoder may write into a slot only while the front lets it. A picture that names another slot, or more pixels than a
slot holds, would give a detector the pixels of somebody else.
"""

from __future__ import annotations

from collections.abc import Container

from gifcue.workers.messages import InvalidMessage


def check_slot(slot: int, slots: Container[int], out: Container[int]) -> None:
    """Checks a slot against those of the worker, and those that are `out` with detectors.

    Raises:
        InvalidMessage: it is not the worker's, or is out.
    """
    if slot not in slots:
        raise InvalidMessage(f"expected a slot of this worker, got {slot}")
    if slot in out:
        raise InvalidMessage(
            f"expected a slot that the worker was granted, got {slot}, which a detector holds"
        )


def check_size(width: int, height: int, slot_bytes: int) -> None:
    """Checks the size of a picture against the bytes of a slot.

    Raises:
        InvalidMessage: the picture is larger.
    """
    if width * height * 3 > slot_bytes:
        raise InvalidMessage(
            f"expected a picture of at most {slot_bytes} bytes, got {width}x{height} pixels RGB"
        )
