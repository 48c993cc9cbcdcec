"""The pipeline between fake pools: which listener is notified of which event, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from gifcue.detect.regions import Region
from gifcue.media.frame import FrameInFlight
from gifcue.media.suspects import Incident
from gifcue.protocol.codecs import Codec
from gifcue.protocol.reasons import DropReason, SkipReason
from tests.engine.kit import NOTHING, SMILE, Kit


class Listener:
    """Records its notifications."""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        self.notified: list[tuple[Any, ...]] = []
        self.key = kit.pipeline.open(self, Codec.VP8, b"extradata")
        self._tokens = 0

    def decoded(self, frame: FrameInFlight) -> None:
        self.notified.append(("decoded", frame.token))

    def skipped(self, frame: FrameInFlight, reason: SkipReason) -> None:
        self.notified.append(("skipped", frame.token, reason, frame.latency_ms))

    def judged(self, frame: FrameInFlight, regions: Sequence[Region]) -> None:
        # The slot has been released before.
        self.notified.append(("judged", frame.token, regions, frame.latency_ms, self.kit.decode.released[-1]))

    def dropped(
        self, frame: FrameInFlight, reason: DropReason, message: str, *, needs_keyframe: bool
    ) -> None:
        self.notified.append(("dropped", frame.token, reason, message, needs_keyframe))

    def suspected(self, incident: Incident) -> None:
        self.notified.append(("suspected", incident.token, incident.reason))

    def decoder_lost(self) -> None:
        self.notified.append(("decoder_lost",))

    def slow_down(self) -> None:
        self.notified.append(("slow_down",))

    def pause(self) -> None:
        self.notified.append(("pause",))

    def resume(self) -> None:
        self.notified.append(("resume",))

    def submit(self) -> None:
        self._tokens += 1
        now_s = self.kit.time.clock()
        frame = FrameInFlight(self.key, self._tokens, 0, 0, 90_000, 0.0, 3, now_s)
        self.kit.pipeline.submit(frame, b"abc")


def test_an_incident_is_told_before_the_frame_ends() -> None:
    kit = Kit()
    listener = Listener(kit)
    listener.submit()
    kit.incident(listener.key)
    assert listener.notified == [
        ("suspected", 1, "killed by SIGSEGV"),
        ("dropped", 1, DropReason.DECODE_WORKER_LOST, "in words", False),
    ]


def test_each_listener_receives_its_own_frames() -> None:
    kit = Kit()
    alice, bob = Listener(kit), Listener(kit)
    for listener in (alice, bob):
        listener.submit()
    kit.time.advance(0.01)
    kit.skipped(bob.key, SkipReason.PACED)
    slot = kit.decoded(alice.key)
    kit.time.advance(0.01)
    kit.detected(alice.key, SMILE)
    assert bob.notified == [("skipped", 1, SkipReason.PACED, pytest.approx(10.0))]
    assert alice.notified == [("decoded", 1), ("judged", 1, SMILE, pytest.approx(20.0), (slot, True))]
    assert kit.decode.opened == [(key, Codec.VP8, b"extradata") for key in (alice.key, bob.key)]


def test_without_a_detector_decoded_pictures_are_lost() -> None:
    kit = Kit()
    alice = Listener(kit)
    kit.detect.has_failed = True
    alice.submit()
    slot = kit.decoded(alice.key)
    assert alice.notified == [
        ("decoded", 1),
        ("dropped", 1, DropReason.DETECT_WORKER_LOST, "no detector is ready", False),
    ]
    assert kit.decode.released == [(slot, False)]
    assert kit.pipeline.has_failed


def test_an_error_in_a_listener_leaks_no_slot_and_loses_no_latency() -> None:
    kit = Kit()
    alice = Listener(kit)
    alice.submit()
    slot = kit.decoded(alice.key)

    def fail(frame: FrameInFlight, regions: Sequence[Region]) -> None:
        raise LookupError

    alice.judged = fail  # type: ignore[method-assign]
    with pytest.raises(LookupError):
        kit.detected(alice.key, NOTHING)
    assert kit.decode.released == [(slot, True)]
    assert kit.pipeline.statistics().latency.count == 1


def test_remaining_listeners_are_notified_of_lost_decoders() -> None:
    kit = Kit()
    alice, bob = Listener(kit), Listener(kit)
    kit.pipeline.close(bob.key)
    kit.pipeline.forget(bob.key)
    kit.decoder_lost(alice.key, bob.key)
    assert (alice.notified, bob.notified) == ([("decoder_lost",)], [])
    assert kit.pipeline.participant_count == 1
    assert (kit.decode.closed, kit.detect.forgotten) == ([bob.key], [bob.key])


def test_keys_are_not_reused() -> None:
    kit = Kit()
    first = Listener(kit)
    kit.pipeline.close(first.key)
    kit.pipeline.forget(first.key)
    assert Listener(kit).key != first.key


def test_readiness_and_failure_follow_the_pools() -> None:
    kit = Kit()
    assert (kit.engine.is_ready, kit.engine.has_failed) == (True, False)
    kit.decode.is_ready = False
    assert not kit.engine.is_ready
    kit.decode.has_failed = True
    assert kit.engine.has_failed


def test_the_detectors_entry_point_reaches_the_pool() -> None:
    assert Kit().detect.target == "tests:detector"


def test_the_rate_and_its_metric_are_full_again_when_the_load_is_gone() -> None:
    kit = Kit()
    stream = kit.open()
    key = stream.join()
    full = kit.pipeline.statistics().analysis_fps
    for _ in range(100):
        stream.send()
        kit.decoded(key)
        kit.time.advance(0.2)
        kit.detected(key, NOTHING)
    assert kit.pipeline.statistics().analysis_fps < full
    # The participant stays, and sends nothing that is analysed.
    kit.time.advance(10.0)
    kit.pipeline.look()
    assert kit.pipeline.statistics().analysis_fps == full
    assert kit.decode.paces[-1] == full
