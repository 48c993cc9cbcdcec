"""What the front does with a decode worker that an attacker has taken over: ends it, and nothing else."""

from __future__ import annotations

import asyncio
import math
import os
import pickle
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gifcue.media import pool as pool_module
from gifcue.media.frame import FrameInFlight
from gifcue.media.messages import Dropped, Outcome, Picture, Skipped
from gifcue.media.pool import DecodePool
from gifcue.media.settings import MediaSettings
from gifcue.protocol.codecs import Codec
from gifcue.protocol.reasons import DropReason, SkipReason
from gifcue.workers.arena import Arena
from gifcue.workers.framing import Kind
from gifcue.workers.settings import SupervisionSettings
from tests.support.hostile_worker import DECODER, whole
from tests.support.waiting import until_changed

SUPERVISION = SupervisionSettings(start_timeout_s=60.0, stuck_after_s=30.0, backoff_initial_s=0.0)
SETTINGS = MediaSettings(workers=2, slots_per_worker=4)
KEY, OTHER = 1, 2


class Execute:
    """Runs a command in whoever unpickles it."""

    def __init__(self, command: str) -> None:
        self._command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self._command,)


class Kit:
    """Two hostile workers, each with one participant."""

    def __init__(self) -> None:
        self.arena = Arena.create(SETTINGS.workers, SETTINGS.slots_per_worker, SETTINGS.slot_bytes)
        self.outcomes: list[Outcome] = []
        self.faults: list[str] = []
        self._changed = asyncio.Event()
        self._tokens = 0
        self.pool = DecodePool(
            SETTINGS,
            self.arena,
            SUPERVISION,
            on_outcome=self._on_outcome,
            on_decoder_lost=lambda keys: None,
            on_incident=lambda incident: None,
        )

    def _on_outcome(self, frame: FrameInFlight, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self._changed.set()

    def submit(self, key: int, payload: bytes) -> int:
        """The worker of `key` sends these bytes to the front. Returns the token of the frame."""
        self._tokens += 1
        frame = FrameInFlight(key, self._tokens, self._tokens, 0, 90_000, 0.0, len(payload), 0.0)
        self.pool.submit(frame, payload)
        return self._tokens

    @property
    def next_token(self) -> int:
        return self._tokens + 1

    async def outcome(self, token: int) -> Outcome:
        def found() -> list[Outcome]:
            return [outcome for outcome in self.outcomes if outcome.token == token]

        await until_changed(self._changed, lambda: bool(found()), state=lambda: self.outcomes)
        (outcome,) = found()
        return outcome

    def restarts(self) -> list[int]:
        return [worker.restarts for worker in self.pool.statistics().workers]


@pytest.fixture(scope="module")
def monkeypatched() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool_module, "WORKER_TARGET", DECODER)
        yield


@pytest.fixture
async def kit(monkeypatched: None) -> AsyncIterator[Kit]:
    kit = Kit()
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: kit.faults.append(f"{context['message']}: {context['exception']}")
    )
    await kit.pool.start()
    for key in (KEY, OTHER):
        kit.pool.open(key, Codec.H264, b"")
    yield kit
    await kit.pool.stop()
    kit.arena.close()


def packed(**fields: Any) -> list[Any]:
    """A picture in slot 0, with some fields replaced, as msgpack's array."""
    values = {"tag": 1, "key": KEY, "token": 1, "slot": 0, "width": 64, "height": 36, "pts_s": 0.0} | fields
    return list(values.values())


HOSTILE = {
    "no msgpack": (whole(b"\xc1"), "MessagePack data is malformed"),
    "no message at all": (whole(b""), "truncated"),
    "a message and more": (whole(b"\x01\x01"), "Expected `array`"),
    "an unknown tag": (whole(packed(tag=99)), "Invalid value 99"),
    "a missing field": (whole(packed()[:-1]), "at least length 7, got 6"),
    "a field too many": (whole([*packed(), 0.0, 1]), "Expected `array` of at most length"),
    "another type": (whole(packed(slot="0")), "Expected `int`, got `str`"),
    "a negative slot": (whole(packed(slot=-1)), "Expected `int` >= 0"),
    "a slot of the other worker": (whole(packed(slot=4)), "expected a slot of this worker, got 4"),
    "a slot that is none": (whole(packed(slot=2**62)), "expected a slot of this worker"),
    "a picture larger than its slot": (
        whole(packed(width=641, height=360)),
        "expected a picture of at most 691200 bytes, got 641x360 pixels RGB",
    ),
    "a picture without pixels": (whole(packed(width=0)), "Expected `int` >= 1"),
    "a huge picture": (whole(packed(width=2**40, height=2**40)), "Expected `int` <= 65535"),
    "a time that is no number": (whole(packed(pts_s=math.nan)), "Expected `float`"),
    "an infinite time": (whole(packed(pts_s=-math.inf)), "Expected `float`"),
    "a participant that is none": (whole(packed(key=77)), "expected a participant of this worker, got 77"),
    "the participant of the other worker": (
        whole(packed(key=OTHER)),
        "expected a participant of this worker, got 2",
    ),
    "a token that was never sent": (
        whole(packed(token=77)),
        "expected the token of the oldest frame that was sent, got 77",
    ),
    "a reason that is none": (whole([2, KEY, 1, "boredom", 0.0]), "Invalid enum value 'boredom'"),
    "an endless text": (
        whole([3, KEY, 1, "invalid_data", "x" * 2000, False]),
        "Expected `str` of length <= 1000",
    ),
    "a text that is no UTF-8": (whole(b"\x96\x03\x01\x01\xacinvalid_data\xa1\xff\xc2"), "Invalid UTF-8"),
    "an array of four thousand million": (whole(b"\xdd\xff\xff\xff\xff"), "truncated"),
    "arrays within arrays": (whole(b"\x91" * 60_000), "Expected `int`, got `array`"),
    "a frame of four gigabytes": (struct.pack("<IB", 2**32 - 1, Kind.MESSAGE), "expected a frame of at most"),
    "a frame of no kind": (whole(b"", kind=99), "99 is not a valid Kind"),
    "a ping": (whole(b"", kind=Kind.PING), "expected a frame of kind"),
    "an init": (whole(pickle.dumps("anything"), kind=Kind.INIT), "expected a frame of kind"),
    "ready twice": (whole([[], None], kind=Kind.READY), "expected no READY at this point"),
    "an answer to no ping": (whole(b"", kind=Kind.PONG), "expected no PONG at this point"),
    "a crash that is no text": (whole([b"what", True], kind=Kind.CRASH), "Expected `str`, got `bytes`"),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_message_ends_the_worker_and_nothing_else(kit: Kit, name: str) -> None:
    sent, expected = HOSTILE[name]
    outcome = await kit.outcome(kit.submit(KEY, sent))
    assert isinstance(outcome, Dropped)
    assert outcome.reason is DropReason.DECODE_WORKER_LOST
    assert "sent a message that does not fit: " in outcome.message
    assert expected in outcome.message
    assert len(kit.faults) == 1
    # The participant has another decoder, and the other worker never noticed.
    assert kit.restarts()[1] == 0
    for key in (KEY, OTHER):
        token = kit.next_token
        answer = whole(Skipped(key, token, SkipReason.SIMILAR, 0.5))
        await kit.outcome(kit.submit(key, answer))
        assert kit.outcomes[-1] == Skipped(key, token, SkipReason.SIMILAR, 0.5)


async def test_a_pickle_is_not_executed(kit: Kit, tmp_path: Path) -> None:
    proof = tmp_path / "executed"
    bomb = pickle.dumps(Execute(f"touch {proof}"), protocol=5)
    for kind in (Kind.MESSAGE, Kind.READY, Kind.CRASH, Kind.INIT, Kind.PONG):
        outcome = await kit.outcome(kit.submit(KEY, whole(bomb, kind=kind)))
        assert isinstance(outcome, Dropped)
    assert not proof.exists()
    # The bomb is one: whoever unpickles it executes it.
    pickle.loads(bomb)
    assert proof.exists()


async def test_a_slot_that_a_detector_reads_cannot_be_handed_in_again(kit: Kit) -> None:
    first = kit.submit(KEY, whole(Picture(KEY, kit.next_token, 1, 64, 36, 0.0)))
    assert isinstance(await kit.outcome(first), Picture)
    second = kit.submit(KEY, whole(Picture(KEY, kit.next_token, 1, 64, 36, 0.1)))
    outcome = await kit.outcome(second)
    assert isinstance(outcome, Dropped)
    assert "expected a slot that the worker was granted, got 1, which a detector holds" in outcome.message
    assert kit.pool.statistics().slots_out == 1


async def test_a_frame_is_answered_once(kit: Kit) -> None:
    token = kit.next_token
    answer = whole(Skipped(KEY, token, SkipReason.PACED, 0.5))
    held = kit.submit(KEY, answer + answer)
    assert await kit.outcome(held) == Skipped(KEY, token, SkipReason.PACED, 0.5)
    # The second answer ended the worker, so that the next frame starts with a new one.
    await kit.outcome(kit.submit(KEY, whole(Skipped(KEY, kit.next_token, SkipReason.PACED, 0.6))))
    assert [outcome.token for outcome in kit.outcomes] == [held, held + 1]
    assert [fault for fault in kit.faults if "oldest frame that was sent" in fault]


async def test_what_was_sent_before_a_hostile_message_counts_and_nothing_after_it(kit: Kit) -> None:
    # The pool sends a second unit along with a first only once it knows what a unit costs.
    await kit.outcome(kit.submit(KEY, whole(Skipped(KEY, kit.next_token, SkipReason.PACED, 0.4))))
    first = kit.next_token
    answers = [whole(Skipped(KEY, first, SkipReason.PACED, 0.5)), whole(b"\xc1")]
    answers.append(whole(Skipped(KEY, first + 1, SkipReason.PACED, 0.6)))
    # Both frames wait before the worker answers them in one go.
    kit.submit(KEY, b"")
    last = await kit.outcome(kit.submit(KEY, b"".join(answers)))
    assert kit.outcomes[1] == Skipped(KEY, first, SkipReason.PACED, 0.5)
    assert isinstance(last, Dropped)
