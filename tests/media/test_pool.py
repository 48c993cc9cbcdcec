"""The pool with real decode workers."""

from __future__ import annotations

import asyncio
import itertools
import math
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from time import monotonic

import av
import cv2
import numpy as np
import pytest

from gifcue.media.frame import FrameInFlight
from gifcue.media.messages import Dropped, Outcome, Picture, Skipped
from gifcue.media.overload import WINDOW_S, Relief
from gifcue.media.pool import DecodePool
from gifcue.media.queues import Backlog
from gifcue.media.settings import FilterSettings, MediaSettings
from gifcue.media.suspects import Incident
from gifcue.protocol.codecs import Codec
from gifcue.protocol.reasons import DropReason, SkipReason
from gifcue.protocol.statistics import WorkerState
from gifcue.sample_video.clips import EncodedClip, encode
from gifcue.sample_video.photo import photo_frames
from gifcue.workers.arena import Arena
from gifcue.workers.settings import SupervisionSettings
from tests.chaos.payloads.images import many_scans
from tests.support.manual_time import ManualTime
from tests.support.waiting import TIMEOUT_S, until, until_changed

# Long timeouts, so that no test fails on a slow machine.
LONG_TIMEOUTS = SupervisionSettings(start_timeout_s=60.0, stuck_after_s=30.0, backoff_initial_s=0.0)
ALL = MediaSettings(
    workers=1, filter=FilterSettings(enabled=False), max_analysis_fps=240.0, late_ms=1.0, slots_per_worker=4
)


class Kit:
    """A pool and its outcomes. Slots are released at once unless `keep_slots`."""

    def __init__(
        self,
        settings: MediaSettings,
        supervision: SupervisionSettings,
        max_wait_s: float = math.inf,
        time: ManualTime | None = None,
    ) -> None:
        self.clock = monotonic if time is None else time.clock
        self.arena = Arena.create(settings.workers, settings.slots_per_worker, settings.slot_bytes)
        self.outcomes: list[Outcome] = []
        self.lost: list[list[int]] = []
        self.reliefs: list[Relief] = []
        self.incidents: list[Incident] = []
        self.keep_slots = False
        self.look: Callable[[Picture], None] = lambda _: None
        self._changed = asyncio.Event()
        self._tokens = 0
        self.pool = DecodePool(
            settings,
            self.arena,
            supervision,
            on_outcome=self._on_outcome,
            on_decoder_lost=self._on_decoder_lost,
            on_relief=self.reliefs.append,
            on_incident=self._on_incident,
            clock=self.clock,
            max_wait_s=max_wait_s,
        )

    def _on_outcome(self, frame: FrameInFlight, outcome: Outcome) -> None:
        assert (frame.key, frame.token) == (outcome.key, outcome.token)
        self.outcomes.append(outcome)
        if isinstance(outcome, Picture):
            self.look(outcome)
            if not self.keep_slots:
                self.pool.release(outcome.slot, analysed=True)
        self._changed.set()

    def _on_decoder_lost(self, keys: list[int]) -> None:
        self.lost.append(keys)
        self._changed.set()

    def _on_incident(self, incident: Incident) -> None:
        self.incidents.append(incident)
        self._changed.set()

    def submit(self, key: int, clip: EncodedClip, index: int) -> int:
        packet = clip.packets[index]
        return self.submit_bytes(key, packet.payload, packet.pts / packet.clock_hz)

    def submit_bytes(self, key: int, payload: bytes, pts_s: float) -> int:
        self._tokens += 1
        frame = FrameInFlight(key, self._tokens, self._tokens, 0, 90_000, pts_s, len(payload), self.clock())
        self.pool.submit(frame, payload)
        return self._tokens

    async def until(self, condition: Callable[[], bool]) -> None:
        await until_changed(self._changed, condition)

    async def outcome(self, token: int) -> Outcome:
        def found() -> list[Outcome]:
            return [outcome for outcome in self.outcomes if outcome.token == token]

        await self.until(lambda: bool(found()))
        (outcome,) = found()
        return outcome

    def kill(self, index: int) -> None:
        os.kill(self.pool.statistics().workers[index].pid, signal.SIGKILL)

    def tokens(self, key: int) -> list[int]:
        return [outcome.token for outcome in self.outcomes if outcome.key == key]


@pytest.fixture(scope="module")
def still() -> EncodedClip:
    """A clip without motion."""
    return encode(photo_frames(0.7, 15, motion="still"), Codec.PNG, 15.0)


@pytest.fixture
async def make() -> AsyncIterator[Callable[..., Kit]]:
    kits: list[Kit] = []

    def make(
        settings: MediaSettings,
        supervision: SupervisionSettings = LONG_TIMEOUTS,
        *,
        max_wait_s: float = math.inf,
        time: ManualTime | None = None,
    ) -> Kit:
        kits.append(Kit(settings, supervision, max_wait_s, time))
        return kits[-1]

    yield make
    for kit in kits:
        await kit.pool.stop()
        kit.arena.close()


async def test_every_unit_is_answered_once_in_order_with_its_picture(make, clip, frames) -> None:
    kit = make(ALL)
    await kit.pool.start()
    assert kit.pool.is_ready
    worst: list[float] = []

    def look(picture: Picture) -> None:
        memory = kit.arena.slot(picture.slot)
        rgb = np.frombuffer(memory, np.uint8).reshape(picture.height, picture.width, 3)
        worst.append(cv2.PSNR(rgb, frames[round(picture.pts_s * 15)]))

    kit.look = look
    codecs = {1: Codec.H264, 2: Codec.VP9, 3: Codec.MJPEG}
    sent: dict[int, list[int]] = {key: [] for key in codecs}
    for key, codec in codecs.items():
        kit.pool.open(key, codec, b"")
    for index in range(len(frames)):
        for key, codec in codecs.items():
            sent[key].append(kit.submit(key, clip(codec), index))
        # Not faster than slots are released: this test does not cover a lack of slots.
        await kit.until(lambda: kit.pool.statistics().units == 0)
    assert {key: kit.tokens(key) for key in codecs} == sent
    assert all(isinstance(outcome, Picture) for outcome in kit.outcomes)
    assert min(worst) > 33.0
    assert kit.pool.statistics().bytes == 0


async def test_buffered_bytes_are_counted_until_the_answer(make, clip) -> None:
    kit = make(ALL)
    await kit.pool.start()
    kit.pool.open(1, Codec.H264, b"")
    stream = clip(Codec.H264)
    token = kit.submit(1, stream, 0)
    size = len(stream.packets[0].payload)
    assert kit.pool.backlog(1) == Backlog(1, size, size)
    assert kit.pool.statistics().units == 1
    await kit.outcome(token)
    assert kit.pool.backlog(1) == Backlog(0, 0, 0)
    assert kit.pool.backlog(99) == Backlog(0, 0, 0)


async def test_units_of_a_participant_that_left_are_answered(make, clip) -> None:
    kit = make(ALL)
    await kit.pool.start()
    kit.pool.open(1, Codec.H264, b"")
    tokens = [kit.submit(1, clip(Codec.H264), index) for index in range(5)]
    kit.pool.close(1)
    kit.pool.close(1)
    with pytest.raises(KeyError):
        kit.submit(1, clip(Codec.H264), 5)
    # Its cost is not known yet, so the worker has one unit. Nobody is interested in the others.
    await kit.outcome(tokens[0])
    assert sorted(kit.tokens(1)) == tokens
    reasons = {outcome.token: outcome.reason for outcome in kit.outcomes if isinstance(outcome, Dropped)}
    assert {reasons.pop(token) for token in tokens[1:]} == {DropReason.LEFT}
    assert (kit.pool.statistics().participants, kit.pool.statistics().bytes) == (0, 0)


async def test_a_key_cannot_be_reused(make) -> None:
    kit = make(ALL)
    kit.pool.open(1, Codec.H264, b"")
    with pytest.raises(ValueError, match="expected a key that is not in use, got 1"):
        kit.pool.open(1, Codec.VP8, b"")


async def test_slots_in_use_are_not_overwritten(make, clip) -> None:
    kit = make(ALL.model_copy(update={"slots_per_worker": 2}))
    kit.keep_slots = True
    await kit.pool.start()
    kit.pool.open(1, Codec.H264, b"")
    stream = clip(Codec.H264)
    first, second = [await kit.outcome(kit.submit(1, stream, index)) for index in (0, 1)]
    assert isinstance(first, Picture)
    assert isinstance(second, Picture)
    assert first.slot != second.slot
    third = await kit.outcome(kit.submit(1, stream, 2))
    assert isinstance(third, Dropped)
    assert third.reason is DropReason.NO_SLOT
    assert kit.pool.statistics().slots_out == 2
    kit.pool.release(first.slot, analysed=True)
    fourth = await kit.outcome(kit.submit(1, stream, 3))
    assert isinstance(fourth, Picture)
    assert fourth.slot == first.slot
    with pytest.raises(KeyError):
        kit.pool.release(77, analysed=True)


async def test_holds_and_pictures_not_analysed_reach_the_filter(make, still) -> None:
    kit = make(MediaSettings(workers=1, slots_per_worker=4, max_analysis_fps=240.0, late_ms=1.0))
    kit.keep_slots = True
    await kit.pool.start()
    kit.pool.open(1, Codec.PNG, b"")
    indices = itertools.count()

    async def send() -> Outcome:
        return await kit.outcome(kit.submit(1, still, next(indices)))

    picture = await send()
    assert isinstance(picture, Picture)
    similar = await send()
    assert isinstance(similar, Skipped)
    assert similar.reason is SkipReason.SIMILAR
    kit.pool.set_hold(1, True)
    held = await send()
    assert isinstance(held, Picture)
    kit.pool.set_hold(1, False)
    assert isinstance(await send(), Skipped)
    kit.pool.release(held.slot, analysed=False)
    assert isinstance(await send(), Picture)


async def test_a_restart_requires_a_keyframe_of_that_participant_only(make, clip) -> None:
    kit = make(ALL)
    await kit.pool.start()
    shown = clip(Codec.H264, keyframe_interval=2)
    for key in (1, 2):
        kit.pool.open(key, Codec.H264, b"")
        assert isinstance(await kit.outcome(kit.submit(key, shown, 0)), Picture)
    kit.pool.start_over(1)
    lost = await kit.outcome(kit.submit(1, shown, 1))
    assert isinstance(lost, Dropped)
    assert lost.reason is DropReason.AWAITING_KEYFRAME
    assert isinstance(await kit.outcome(kit.submit(1, shown, 2)), Picture)
    assert isinstance(await kit.outcome(kit.submit(2, shown, 1)), Picture)
    kit.pool.start_over(3)  # closed before


async def test_invalid_data_of_one_participant_does_not_affect_others(make, clip) -> None:
    kit = make(ALL)
    await kit.pool.start()
    for key in (1, 2):
        kit.pool.open(key, Codec.H264, b"")
        assert isinstance(await kit.outcome(kit.submit(key, clip(Codec.H264), 0)), Picture)
    bad = await kit.outcome(kit.submit_bytes(1, os.urandom(3000), 0.1))
    assert isinstance(bad, Dropped)
    assert (bad.reason, bad.needs_keyframe) == (DropReason.INVALID_DATA, True)
    assert isinstance(await kit.outcome(kit.submit(2, clip(Codec.H264), 1)), Picture)


async def test_a_lost_worker_is_replaced_in_mid_stream(make, clip) -> None:
    kit = make(ALL)
    await kit.pool.start()
    stream = clip(Codec.H264)
    for key in (1, 2):
        kit.pool.open(key, Codec.H264, b"")
    tokens = [kit.submit(key, stream, index) for index in range(4) for key in (1, 2)]
    await kit.outcome(tokens[1])
    kit.kill(0)
    # Units are sent before the front notices the loss, after it, and after the restart.
    tokens += [kit.submit(key, stream, index) for index in range(4, 8) for key in (1, 2)]
    await kit.until(lambda: len(kit.outcomes) == len(tokens))
    tokens += [kit.submit(key, stream, 8) for key in (1, 2)]
    await kit.until(lambda: kit.lost == [[1, 2]])
    tokens += [kit.submit(key, stream, 9) for key in (1, 2)]
    for index in range(12, 15):
        tokens += [kit.submit(key, stream, index) for key in (1, 2)]
        # Not faster than slots are released: on a busy machine they would run out.
        for token in tokens[-2:]:
            await kit.outcome(token)
    assert sorted(outcome.token for outcome in kit.outcomes) == tokens
    for key in (1, 2):
        assert kit.tokens(key) == sorted(kit.tokens(key))
    reasons = {outcome.reason for outcome in kit.outcomes if isinstance(outcome, Dropped)}
    assert {DropReason.DECODE_WORKER_LOST, DropReason.AWAITING_KEYFRAME} <= reasons
    assert all(isinstance(outcome, Picture | Dropped) for outcome in kit.outcomes[-6:])
    assert isinstance(await kit.outcome(tokens[-1]), Picture)
    statistics = kit.pool.statistics()
    assert (statistics.workers[0].restarts, statistics.bytes, statistics.units) == (1, 0, 0)


async def test_the_others_take_over_from_a_lost_worker(make, clip) -> None:
    kit = make(ALL.model_copy(update={"workers": 2}))
    await kit.pool.start()
    stream = clip(Codec.H264)
    for key in (1, 2, 3, 4):
        kit.pool.open(key, Codec.H264, b"")
        assert isinstance(await kit.outcome(kit.submit(key, stream, 0)), Picture)
    # Least loaded first: 1 and 3 are with the first worker.
    kit.kill(0)
    await kit.until(lambda: kit.lost == [[1, 3]])
    for key in (1, 3):
        picture = await kit.outcome(kit.submit(key, stream, 12))
        assert isinstance(picture, Picture)
        assert picture.slot in kit.arena.slots_of(1)
    for key in (2, 4):
        assert isinstance(await kit.outcome(kit.submit(key, stream, 1)), Picture)


async def test_a_restarted_worker_does_not_overwrite_slots_in_use(make, clip) -> None:
    kit = make(ALL.model_copy(update={"slots_per_worker": 2}))
    kit.keep_slots = True
    await kit.pool.start()
    kit.pool.open(1, Codec.H264, b"")
    stream = clip(Codec.H264)
    before = await kit.outcome(kit.submit(1, stream, 0))
    assert isinstance(before, Picture)
    kit.kill(0)
    await kit.until(lambda: kit.lost == [[1]])
    after = await kit.outcome(kit.submit(1, stream, 12))
    assert isinstance(after, Picture)
    assert after.slot != before.slot
    no_room = await kit.outcome(kit.submit(1, stream, 13))
    assert isinstance(no_room, Dropped)
    assert no_room.reason is DropReason.NO_SLOT
    kit.pool.release(before.slot, analysed=True)
    assert isinstance(await kit.outcome(kit.submit(1, stream, 14)), Picture)


async def test_a_hold_survives_a_restart_of_the_worker(make, still) -> None:
    kit = make(MediaSettings(workers=1, slots_per_worker=8, max_analysis_fps=240.0, late_ms=1.0))
    await kit.pool.start()
    kit.pool.open(1, Codec.PNG, b"")
    kit.pool.set_hold(1, True)
    kit.kill(0)
    await kit.until(lambda: kit.lost == [[1]])
    outcomes = [await kit.outcome(kit.submit(1, still, index)) for index in range(3)]
    assert all(isinstance(outcome, Picture) for outcome in outcomes)


async def test_stop_answers_every_unit(make, clip) -> None:
    kit = make(ALL)
    await kit.pool.start()
    kit.pool.open(1, Codec.H264, b"")
    tokens = [kit.submit(1, clip(Codec.H264), index) for index in range(12)]
    await kit.pool.stop()
    assert kit.tokens(1) == tokens
    assert not kit.pool.is_ready
    late = kit.submit(1, clip(Codec.H264), 12)
    dropped = await kit.outcome(late)
    assert isinstance(dropped, Dropped)
    assert dropped.reason is DropReason.DECODE_WORKER_LOST


async def test_units_before_the_start_are_answered_as_lost(make, clip) -> None:
    kit = make(ALL)
    kit.pool.open(1, Codec.H264, b"")
    token = kit.submit(1, clip(Codec.H264), 0)
    assert kit.outcomes == []
    dropped = await kit.outcome(token)
    assert isinstance(dropped, Dropped)
    assert dropped.reason is DropReason.DECODE_WORKER_LOST
    await kit.pool.start()
    assert isinstance(await kit.outcome(kit.submit(1, clip(Codec.H264), 0)), Picture)


async def test_participants_of_a_failed_worker_move_to_the_others(make, clip, monkeypatch) -> None:
    kit = make(ALL.model_copy(update={"workers": 2}))
    await kit.pool.start()
    stream = clip(Codec.H264)
    kit.pool.open(1, Codec.H264, b"")
    python = sys.executable
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    kit.kill(0)
    await kit.until(lambda: kit.lost == [[1]])
    assert isinstance(await kit.outcome(kit.submit(1, stream, 0)), Picture)
    assert not kit.pool.has_failed
    kit.kill(1)
    await until(lambda: kit.pool.has_failed)
    dropped = await kit.outcome(kit.submit(1, stream, 2))
    assert isinstance(dropped, Dropped)
    assert dropped.reason is DropReason.DECODE_WORKER_LOST
    kit.pool.open(2, Codec.H264, b"")
    assert isinstance(await kit.outcome(kit.submit(2, stream, 0)), Dropped)
    # A process can be started again: the first worker that is ready takes the participants of all.
    kit.lost.clear()
    monkeypatch.setattr(sys, "executable", python)
    await kit.until(lambda: [key for keys in kit.lost for key in keys] == [1, 2])
    for key in (1, 2):
        assert isinstance(await kit.outcome(kit.submit(key, stream, 0)), Picture)


HUGE = ALL.model_copy(update={"max_pixels": 8192 * 8192})


@pytest.fixture(scope="module")
def expensive() -> bytes:
    """A grey JPEG of 58 megapixels, which takes long to decode and little memory."""
    return many_scans(8192, 7040, 1)


@pytest.fixture(scope="module")
def half_of_it_ms(expensive) -> float:
    """Half of the CPU time that `expensive` takes on this machine. A worker is ended at four times its budget."""
    decoder = av.CodecContext.create("mjpeg", "r")
    decoder.thread_count = 1
    began_s = time.thread_time()
    decoder.decode(av.Packet(expensive))
    return (time.thread_time() - began_s) * 1000 / 2


async def test_a_unit_over_its_budget_is_an_incident(make, expensive, half_of_it_ms) -> None:
    kit = make(HUGE.model_copy(update={"unit_cpu_ms": half_of_it_ms}))
    await kit.pool.start()
    kit.pool.open(7, Codec.JPEG, b"")
    token = kit.submit_bytes(7, expensive, 0.0)
    assert isinstance(await kit.outcome(token), Picture)
    (incident,) = kit.incidents
    assert (incident.key, incident.token, incident.worker_name) == (7, token, "decode-0")
    assert not incident.is_fatal
    assert incident.reason.startswith(
        f"expected at most {half_of_it_ms:g} ms of CPU time for one frame, got "
    )
    assert kit.pool.statistics().workers[0].restarts == 0


async def test_a_unit_far_over_its_budget_ends_the_worker_and_is_to_blame(make, clip, expensive) -> None:
    kit = make(HUGE.model_copy(update={"unit_cpu_ms": 5.0, "workers": 2}))
    await kit.pool.start()
    for key in (1, 2, 3):
        kit.pool.open(key, Codec.JPEG, b"")
    small = clip(Codec.JPEG)
    # 1 and 3 are with the first worker.
    token = kit.submit_bytes(1, expensive, 0.0)
    waiting = kit.submit(3, small, 0)
    lost = await kit.outcome(token)
    assert isinstance(lost, Dropped)
    assert lost.reason is DropReason.CPU_BUDGET
    assert "at most 20 ms of CPU time" in lost.message
    (incident,) = kit.incidents
    assert (incident.key, incident.token, incident.worker, incident.is_fatal) == (1, token, 0, True)
    bystander = await kit.outcome(waiting)
    assert isinstance(bystander, Picture) or bystander.reason is DropReason.DECODE_WORKER_LOST
    # The bystander moves to the other worker. The suspect waits for its own.
    await kit.until(lambda: kit.lost == [[3], [1]])
    moved = await kit.outcome(kit.submit(3, small, 1))
    assert isinstance(moved, Picture)
    assert moved.slot in kit.arena.slots_of(1)
    stayed = await kit.outcome(kit.submit(1, small, 1))
    assert isinstance(stayed, Picture)
    assert stayed.slot in kit.arena.slots_of(0)


async def test_a_participant_that_is_opened_on_a_worker_stays_there(make, clip) -> None:
    kit = make(ALL.model_copy(update={"workers": 2}))
    await kit.pool.start()
    for key in (1, 2, 3):
        kit.pool.open(key, Codec.JPEG, b"", worker=1)
        picture = await kit.outcome(kit.submit(key, clip(Codec.JPEG), 0))
        assert picture.slot in kit.arena.slots_of(1)
    kit.kill(1)
    await kit.until(lambda: kit.lost == [[1, 2, 3]])
    picture = await kit.outcome(kit.submit(1, clip(Codec.JPEG), 1))
    assert picture.slot in kit.arena.slots_of(1)


async def test_a_worker_killed_between_units_is_nobodys_fault(make, clip) -> None:
    kit = make(ALL)
    await kit.pool.start()
    kit.pool.open(1, Codec.JPEG, b"")
    await kit.outcome(kit.submit(1, clip(Codec.JPEG), 0))
    await until(lambda: kit.pool.statistics().units == 0)
    os.kill(kit.pool.statistics().workers[0].pid, signal.SIGKILL)
    await kit.until(lambda: kit.lost == [[1]])
    assert kit.incidents == []


async def test_what_waits_of_a_participant_in_quarantine_is_dropped(make, clip) -> None:
    kit = make(ALL)
    await kit.pool.start()
    kit.pool.open(1, Codec.JPEG, b"")
    tokens = [kit.submit(1, clip(Codec.JPEG), 0) for _ in range(6)]
    kit.pool.quarantine(1, "in words")
    kit.pool.quarantine(2, "left before")
    outcomes = [await kit.outcome(token) for token in tokens]
    assert [outcome.reason for outcome in outcomes[1:] if isinstance(outcome, Dropped)] == [
        DropReason.QUARANTINED
    ] * 5


async def test_an_arena_that_is_too_small_is_refused() -> None:
    arena = Arena.create(1, 2, 100)
    with pytest.raises(
        ValueError, match="expected an arena of 1 ranges and slots of 691200 bytes, got 1 and 100"
    ):
        DecodePool(ALL, arena, on_outcome=print, on_decoder_lost=print, on_incident=print)
    arena.close()


async def test_worker_states_are_in_the_statistics(make) -> None:
    kit = make(ALL)
    assert not kit.pool.is_ready
    await kit.pool.start()
    (worker,) = kit.pool.statistics().workers
    assert (worker.name, worker.state) == ("decode-0", WorkerState.READY)
    assert not kit.pool.has_failed


async def test_what_waits_too_long_is_dropped_up_to_a_keyframe(make, clip) -> None:
    time = ManualTime()
    kit = make(ALL, max_wait_s=0.5, time=time)
    await kit.pool.start()
    stream = clip(Codec.H264)
    kit.pool.open(1, Codec.H264, b"")
    assert isinstance(await kit.outcome(kit.submit(1, stream, 0)), Picture)
    # A worker that is stopped takes nothing out of its window.
    os.kill(kit.pool.statistics().workers[0].pid, signal.SIGSTOP)
    old = [kit.submit(1, stream, index) for index in range(1, 12)]
    time.advance(0.4)
    new = [kit.submit(1, stream, index) for index in range(12, 15)]
    time.advance(0.2)
    assert kit.pool.statistics().oldest_s == pytest.approx(0.6)
    dropped = await kit.outcome(old[-1])
    assert isinstance(dropped, Dropped)
    assert (dropped.reason, dropped.needs_keyframe) == (DropReason.OVERLOAD, False)
    assert kit.pool.statistics().oldest_s == pytest.approx(0.2)
    time.advance(0.4)
    dropped = await kit.outcome(new[-1])
    assert isinstance(dropped, Dropped)
    assert (dropped.reason, dropped.needs_keyframe) == (DropReason.OVERLOAD, True)
    assert "expected a decoder within 0.5 s" in dropped.message
    os.kill(kit.pool.statistics().workers[0].pid, signal.SIGCONT)
    await kit.until(lambda: kit.pool.statistics().units == 0)
    assert sorted(kit.tokens(1)) == list(range(1, 16))


async def test_consent_withdrawn_drops_what_waits(make, clip) -> None:
    kit = make(ALL)
    await kit.pool.start()
    kit.pool.open(1, Codec.H264, b"")
    tokens = [kit.submit(1, clip(Codec.H264), index) for index in range(4)]
    kit.pool.start_over(1)
    await kit.outcome(tokens[0])
    reasons = {outcome.token: outcome.reason for outcome in kit.outcomes if isinstance(outcome, Dropped)}
    assert {reasons.pop(token) for token in tokens[1:]} == {DropReason.NOT_ALLOWED}


async def test_a_participant_with_expensive_video_does_not_delay_the_others(make, clip) -> None:
    kit = make(ALL)
    await kit.pool.start()
    large = encode([np.zeros((1080, 1920, 3), np.uint8)] * 2, Codec.H264, 15.0)
    for key in (1, 2):
        kit.pool.open(key, Codec.H264, b"")
    for key, shown in ((1, large), (2, clip(Codec.H264))):
        await kit.outcome(kit.submit(key, shown, 0))
    kit.outcomes.clear()
    flood = [kit.submit(1, large, 0) for _ in range(60)]
    wanted = [kit.submit(2, clip(Codec.H264), index) for index in range(1, 4)]
    await kit.outcome(flood[-1])
    order = [outcome.token for outcome in kit.outcomes]
    assert order.index(wanted[-1]) < order.index(flood[20])


async def test_a_worker_without_time_is_relieved_of_those_who_joined_last(make, clip) -> None:
    time = ManualTime()
    kit = make(ALL, time=time)
    await kit.pool.start()
    picture = clip(Codec.JPEG).packets[0].payload
    # More than fit into a window, so that most have to wait.
    keys = range(1, 61)
    for key in keys:
        kit.pool.open(key, Codec.JPEG, b"")
    assert not kit.pool.is_overloaded
    async with asyncio.timeout(TIMEOUT_S):
        while not any(relief.pause for relief in kit.reliefs):
            # While the worker is stopped, time passes for what waits.
            os.kill(kit.pool.statistics().workers[0].pid, signal.SIGSTOP)
            for key in keys:
                kit.submit_bytes(key, picture, time.clock())
            time.advance(WINDOW_S)
            os.kill(kit.pool.statistics().workers[0].pid, signal.SIGCONT)
            await kit.until(lambda: kit.pool.statistics().units == 0)
    assert len(kit.reliefs[0].slow_down) >= 8
    assert kit.reliefs[0].pause == ()
    paused = kit.reliefs[-1].pause
    assert paused
    assert max(paused) == 60
    assert kit.pool.is_overloaded
    figures = kit.pool.statistics()
    assert (figures.overloaded, figures.paused) == (1, len(paused))
    kit.pool.close(60)
    assert kit.pool.statistics().paused == len(paused) - 1
    for key in keys:
        kit.pool.close(key)
    # Who comes next is not held to what was before.
    assert not kit.pool.is_overloaded


async def test_a_worker_that_does_not_answer_is_not_overloaded(make, clip) -> None:
    time = ManualTime()
    kit = make(ALL, max_wait_s=3.0, time=time)
    await kit.pool.start()
    picture = clip(Codec.JPEG).packets[0].payload
    for key in range(1, 13):
        kit.pool.open(key, Codec.JPEG, b"")
    os.kill(kit.pool.statistics().workers[0].pid, signal.SIGSTOP)
    tokens = [kit.submit_bytes(key, picture, 0.0) for key in range(1, 13) for _ in range(3)]
    for _ in range(8):
        time.advance(WINDOW_S)
        await asyncio.sleep(0)
    # What waits is dropped by the same look that would notice overload.
    await kit.outcome(tokens[-1])
    os.kill(kit.pool.statistics().workers[0].pid, signal.SIGCONT)
    await kit.until(lambda: kit.pool.statistics().units == 0)
    assert kit.reliefs == []


async def test_the_memory_of_decoders_is_reported(make, clip) -> None:
    kit = make(ALL)
    await kit.pool.start()
    kit.pool.open(1, Codec.H264, b"")
    await kit.outcome(kit.submit(1, clip(Codec.H264), 0))
    assert 1_000_000 < kit.pool.statistics().decoder_bytes < 8_000_000
    kit.pool.close(1)
    kit.pool.open(2, Codec.H264, b"")
    await kit.outcome(kit.submit(2, clip(Codec.H264), 1))
    assert kit.pool.statistics().decoder_bytes == 0
