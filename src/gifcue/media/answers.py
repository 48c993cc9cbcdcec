"""What is checked of a decode worker's pictures before a detector reads them.

The worker may write into its own range of slots only while the front lets it. A picture that names another slot, or
more pixels than a slot holds, would give a detector the pixels of somebody else.
"""

from __future__ import annotations

from collections.abc import Container

from gifcue.media.messages import Picture, StillDone
from gifcue.workers.messages import InvalidMessage


def check_picture(picture: Picture, slots: Container[int], out: Container[int], slot_bytes: int) -> None:
    """Checks a picture against the worker's `slots`, those `out` with detectors, and the bytes of one.

    Raises:
        InvalidMessage: the slot is not the worker's, is out, or is smaller than the picture.
    """
    _check_slot(picture.slot, slots, out)
    _check_size(picture.width, picture.height, slot_bytes)


def check_still(still: StillDone, slots: Container[int], out: Container[int], slot_bytes: int) -> None:
    """The same for a still, which lies in a slot or in its message.

    Raises:
        InvalidMessage: as above, or the message does not hold the pixels that it names.
    """
    if still.slot is not None:
        _check_slot(still.slot, slots, out)
        _check_size(still.width, still.height, slot_bytes)
    size = 0 if still.slot is not None else still.width * still.height * 3
    if len(still.rgb) != size:
        raise InvalidMessage(f"expected {size} bytes of pixels in the message, got {len(still.rgb)}")


def _check_slot(slot: int, slots: Container[int], out: Container[int]) -> None:
    if slot not in slots:
        raise InvalidMessage(f"expected a slot of this worker, got {slot}")
    if slot in out:
        raise InvalidMessage(
            f"expected a slot that the worker was granted, got {slot}, which a detector holds"
        )


def _check_size(width: int, height: int, slot_bytes: int) -> None:
    if width * height * 3 > slot_bytes:
        raise InvalidMessage(
            f"expected a picture of at most {slot_bytes} bytes, got {width}x{height} pixels RGB"
        )
