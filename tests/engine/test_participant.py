"""One participant: admission of frames, effects of outcomes on reactions, and keyframe requests."""

from __future__ import annotations

from typing import Any

import pytest
import structlog

from gifcue.engine.settings import LimitSettings
from gifcue.media.overload import Relief
from gifcue.protocol.codecs import Codec
from gifcue.protocol.events import Fault, KeyframeRequested, Reaction, SlowDown
from gifcue.protocol.phases import Phase
from gifcue.protocol.reasons import DropReason, FaultCode, SkipReason
from tests.engine.kit import FPS, INTER, KEYFRAME, LIMITS, NOTHING, SMILE, STEP, Kit


def limits(**changed: Any) -> LimitSettings:
    return LIMITS.model_copy(update=changed)


class TestAdmission:
    @pytest.mark.parametrize(
        ("changed", "payload", "reason"),
        [
            ({}, b"", "empty_payload"),
            ({"max_frame_bytes": 1024}, KEYFRAME + bytes(1024), "frame_too_large"),
        ],
    )
    def test_a_frame_over_a_limit_is_a_fault_and_closes_the_gate(
        self, changed: dict[str, int], payload: bytes, reason: str
    ) -> None:
        kit = Kit(limits(**changed))
        stream = kit.open()
        key = stream.join()
        kit.analyse(stream, key, NOTHING)
        stream.send(payload=payload)
        assert [each.code.value for each in stream.of(Fault)] == [reason]
        assert stream.of(KeyframeRequested) == [KeyframeRequested("alice", reason)]
        stream.send()
        assert stream.counts().dropped == {reason: 1, "awaiting_keyframe": 1}
        stream.send(payload=KEYFRAME)
        assert stream.counts().in_flight == 1
        assert stream.counts().is_consistent

    @pytest.mark.parametrize(
        ("field", "value", "expected"),
        [
            ("rotation", 45, "rotation: expected 0, 90, 180 or 270 degrees, got 45"),
            ("rotation", 360, "rotation: expected 0, 90, 180 or 270 degrees, got 360"),
            ("temporal_layer", 8, "temporal_layer: expected 0 to 7, got 8"),
            (
                "clock_hz",
                1_000_000_001,
                "clock_hz: expected at most 1000000000 ticks a second, got 1000000001",
            ),
        ],
    )
    def test_a_field_out_of_its_range_is_a_fault_and_closes_the_gate(
        self, field: str, value: Any, expected: str
    ) -> None:
        kit = Kit()
        stream = kit.open()
        key = stream.join()
        kit.analyse(stream, key, NOTHING)
        stream.send(**{field: value})
        (fault,) = stream.of(Fault)
        assert (fault.code, fault.message) == (FaultCode.INVALID_ARGUMENT, expected)
        assert stream.of(KeyframeRequested) == [KeyframeRequested("alice", "invalid_argument")]
        stream.send()
        assert stream.counts().dropped == {"invalid_argument": 1, "awaiting_keyframe": 1}
        assert stream.counts().is_consistent

    def test_rotation_and_temporal_layer_reach_the_decoder_and_may_change(self) -> None:
        kit = Kit()
        stream = kit.open()
        key = stream.join()
        sent = [(0, None), (90, 0), (270, 7), (0, 2)]
        for rotation, layer in sent:
            stream.send(rotation=rotation, temporal_layer=layer)
        assert stream.of(Fault) == []
        assert [(each.rotation, each.temporal_layer) for each in kit.decode.frames[key]] == sent

    def test_pts_that_wrap_are_not_a_jump_of_the_clock(self) -> None:
        kit = Kit()
        stream = kit.open()
        key = stream.join()
        start = 2**32 - 3 * STEP
        for number in range(2 * FPS):
            stream.send(pts=(start + number * STEP) % 2**32)
            kit.decoded(key)
            kit.detected(key, SMILE)
        assert stream.phases() == [("smile", Phase.STARTED)]
        # Events state the time that the sender gave.
        assert 0 <= stream.of(Reaction)[0].pts < 2**32

    def test_bytes_buffered_for_the_decoder_are_bounded(self) -> None:
        kit = Kit(limits(max_buffered_bytes=65536))
        stream = kit.open()
        key = stream.join()
        stream.send(payload=KEYFRAME + bytes(40_000))
        stream.send(payload=INTER + bytes(40_000))
        (fault,) = stream.of(Fault)
        assert fault.code is FaultCode.OVERLOAD
        assert "got 80029" in fault.message
        assert stream.of(SlowDown) == [SlowDown("alice", 15.0, "overload")]
        kit.skipped(key)
        stream.send(payload=KEYFRAME)
        assert stream.counts().dropped == {"overload": 1}

    def test_frames_that_wait_for_the_decoder_are_bounded(self) -> None:
        kit = Kit(limits(max_buffered_frames=2))
        stream = kit.open()
        key = stream.join()
        for _ in range(3):
            stream.send()
        (fault,) = stream.of(Fault)
        assert fault.code is FaultCode.OVERLOAD
        assert "at most 2 frames" in fault.message
        kit.skipped(key)
        stream.send(payload=KEYFRAME)
        assert stream.counts().dropped == {"overload": 1}

    def test_nobody_uses_up_the_bytes_of_the_whole_server(self) -> None:
        # Half of the bytes are for participants of whom at most a fourth of them waits.
        kit = Kit(limits(max_server_buffered_bytes=1024 * 1024, max_participants=2))
        assert kit.engine.limits.buffered_share_bytes == 256 * 1024
        stream = kit.open()
        for name in ("alice", "bob"):
            stream.join(name)
        stream.send("alice", payload=KEYFRAME + bytes(400_000))
        stream.send("alice", payload=INTER + bytes(400_000))
        (fault,) = stream.of(Fault)
        assert (fault.participant_id, fault.code) == ("alice", FaultCode.OVERLOAD)
        assert "of all participants" in fault.message
        stream.send("bob", payload=KEYFRAME + bytes(200_000))
        assert stream.counts("bob").in_flight == 1

    def test_what_waited_too_long_is_a_fault_and_asks_to_slow_down(self) -> None:
        kit = Kit()
        stream = kit.open()
        key = stream.join()
        stream.send()
        kit.dropped(key, DropReason.OVERLOAD, needs_keyframe=True)
        assert [each.code for each in stream.of(Fault)] == [FaultCode.OVERLOAD]
        assert stream.of(SlowDown) == [SlowDown("alice", 15.0, "overload")]
        assert stream.of(KeyframeRequested) == [KeyframeRequested("alice", "overload")]

    def test_a_paused_participant_is_not_decoded_and_asked_for_nothing(self) -> None:
        kit = Kit(limits(fault_interval_s=1.0))
        stream = kit.open()
        key = stream.join()
        stream.send()
        kit.skipped(key)
        kit.decode.on_relief(Relief(pause=(key, 99)))
        for _ in range(5):
            stream.send()
        stream.send(payload=KEYFRAME)
        assert stream.counts().dropped == {"overload": 6}
        assert [each.code for each in stream.of(Fault)] == [FaultCode.OVERLOAD]
        assert stream.of(KeyframeRequested) == []
        kit.decode.on_relief(Relief(resume=(key,)))
        assert stream.of(KeyframeRequested) == [KeyframeRequested("alice", "overload")]
        stream.send()
        stream.send(payload=KEYFRAME)
        assert stream.counts().dropped == {"overload": 6, "awaiting_keyframe": 1}
        assert stream.counts().in_flight == 1

    def test_a_new_decoder_ends_a_pause(self) -> None:
        kit = Kit()
        stream = kit.open()
        key = stream.join()
        kit.decode.on_relief(Relief(pause=(key,)))
        kit.decoder_lost(key)
        stream.send(payload=KEYFRAME)
        assert stream.counts().in_flight == 1

    def test_overload_asks_everybody_to_slow_down_once_a_second(self) -> None:
        kit = Kit()
        stream = kit.open()
        keys = [stream.join(name) for name in ("alice", "bob")]
        for _ in range(3):
            kit.decode.on_relief(Relief(slow_down=tuple(keys)))
        assert [each.participant_id for each in stream.of(SlowDown)] == ["alice", "bob"]
        kit.time.advance(1.0)
        kit.decode.on_relief(Relief(slow_down=tuple(keys)))
        assert len(stream.of(SlowDown)) == 4

    def test_a_rate_above_the_limit_is_reported_once_per_interval(self) -> None:
        kit = Kit(limits(max_fps=2))
        stream = kit.open()
        stream.join()
        for _ in range(6):
            stream.send(pts=0)
        assert stream.counts().dropped["rate_limit"] == 4
        assert stream.of(SlowDown) == [SlowDown("alice", 15.0, "rate_limit")]
        assert stream.of(Fault) == []
        kit.time.advance(1.0)
        stream.send(pts=0)
        assert len(stream.of(SlowDown)) == 2

    def test_a_sequence_gap_is_a_fault_with_the_sequence_number(self) -> None:
        kit = Kit()
        stream = kit.open()
        stream.join()
        stream.send()
        stream.send(sequence=5)
        (fault,) = stream.of(Fault)
        assert (fault.code, fault.sequence) == (FaultCode.SEQUENCE_GAP, 5)

    def test_a_keyframe_is_requested_once_per_interval(self) -> None:
        kit = Kit()
        stream = kit.open()
        stream.join()
        for sequence in range(1, 4):
            stream.send(sequence=sequence)
        assert stream.of(KeyframeRequested) == [KeyframeRequested("alice", "awaiting_keyframe")]
        kit.time.advance(1.0)
        stream.send(sequence=4)
        assert len(stream.of(KeyframeRequested)) == 2
        assert stream.of(Fault) == []

    def test_after_a_second_join_a_keyframe_is_requested_at_once(self) -> None:
        kit = Kit()
        stream = kit.open()
        for _ in range(2):
            stream.join()
            stream.send(payload=INTER)
        assert len(stream.of(KeyframeRequested)) == 2

    def test_a_wrong_keyframe_flag_is_a_fault(self) -> None:
        stream = Kit().open()
        stream.join()
        stream.send(payload=INTER, keyframe=True)
        (fault,) = stream.of(Fault)
        assert fault.code is FaultCode.INVALID_DATA
        assert "expected a keyframe of VP8 as its flag says" in fault.message

    def test_intra_only_codecs_need_no_keyframe(self) -> None:
        kit = Kit()
        stream = kit.open()
        stream.join(codec=Codec.MJPEG)
        stream.send(payload=b"\xff\xd8\xff", sequence=3)
        stream.send(payload=b"\xff\xd8\xff", sequence=9)
        assert stream.counts().in_flight == 2


class TestDecoding:
    def test_invalid_data_is_a_fault_and_requests_a_keyframe(self) -> None:
        kit = Kit()
        stream = kit.open()
        key = stream.join()
        stream.send()
        kit.dropped(key, DropReason.INVALID_DATA, needs_keyframe=True)
        (fault,) = stream.of(Fault)
        assert (fault.code, fault.message, fault.sequence) == (FaultCode.INVALID_DATA, "in words", 0)
        assert stream.of(KeyframeRequested) == [KeyframeRequested("alice", "invalid_data")]
        stream.send()
        assert stream.counts().dropped == {"invalid_data": 1, "awaiting_keyframe": 1}

    def test_a_missing_slot_drops_only_one_picture(self) -> None:
        kit = Kit()
        stream = kit.open()
        key = stream.join()
        stream.send()
        kit.dropped(key, DropReason.NO_SLOT, needs_keyframe=False)
        stream.send()
        assert stream.events == []
        assert stream.counts().in_flight == 1

    def test_a_lost_decoder_is_reported_and_a_keyframe_requested(self) -> None:
        kit = Kit()
        stream = kit.open()
        key = stream.join()
        stream.send()
        kit.dropped(key, DropReason.DECODE_WORKER_LOST, needs_keyframe=False)
        assert [each.code for each in stream.of(Fault)] == [FaultCode.WORKER_LOST]
        assert stream.of(KeyframeRequested) == []
        kit.decoder_lost(key, 99)
        assert stream.of(KeyframeRequested) == [KeyframeRequested("alice", "decode_worker_lost")]
        stream.send()
        assert stream.counts().dropped == {"decode_worker_lost": 1, "awaiting_keyframe": 1}


class TestReactions:
    def test_a_smile_starts_with_a_gif_and_ends(self) -> None:
        kit = Kit()
        stream = kit.open(room_id="weekly")
        key = stream.join()
        kit.smile(stream, key)
        started = stream.of(Reaction)[0]
        assert (started.participant_id, started.label, started.model_version) == ("alice", "smile", "7")
        assert started.gif is not None
        assert (started.gif.gif_id, started.gif.priority, started.gif_reason) == ("smile", 3, "because")
        kit.analyse(stream, key, NOTHING, 5)
        assert stream.phases() == [("smile", Phase.STARTED), ("smile", Phase.ENDED)]
        assert stream.of(Reaction)[1].reaction_id == started.reaction_id
        assert stream.of(Reaction)[1].gif is None
        assert [each.reactions for each in stream.session.statistics()] == [1]

    def test_progress_is_sent_only_on_request(self) -> None:
        kit = Kit()
        stream = kit.open(send_holding=True)
        key = stream.join()
        kit.smile(stream, key)
        phases = [phase for _, phase in stream.phases()]
        assert phases[0] is Phase.HOLDING
        assert phases[-1] is Phase.STARTED

    def test_a_reaction_has_the_numbers_of_the_deciding_frame(self) -> None:
        kit = Kit()
        stream = kit.open()
        key = stream.join()
        kit.smile(stream, key)
        started = stream.of(Reaction)[0]
        received = stream.counts().received
        assert (started.sequence, started.pts) == (received - 1, (received - 1) * 18_000)
        # An event caused by a message has the numbers of the newest frame and a latency of zero.
        stream.session.leave("alice")
        ended = stream.of(Reaction)[1]
        assert (ended.sequence, ended.pts, ended.latency_ms) == (started.sequence, started.pts, 0.0)

    def test_the_filter_is_notified_of_a_hold_once(self) -> None:
        kit = Kit()
        stream = kit.open()
        key = stream.join()
        kit.analyse(stream, key, SMILE, 2)
        assert kit.decode.holds == [(key, True)]
        kit.analyse(stream, key, NOTHING, 6)
        assert kit.decode.holds == [(key, True), (key, False)]

    def test_a_similar_frame_repeats_the_last_analysed_result(self) -> None:
        kit = Kit()
        stream = kit.open()
        key = stream.join()
        kit.smile(stream, key)
        for _ in range(10):
            stream.send()
            kit.skipped(key)
        assert stream.phases() == [("smile", Phase.STARTED)]

    def test_paced_frames_do_not_reach_the_policy(self) -> None:
        kit = Kit()
        stream = kit.open()
        key = stream.join()
        kit.smile(stream, key)
        stream.send()
        kit.skipped(key, SkipReason.PACED)
        stream.session.leave("alice")
        assert stream.of(Reaction)[1].sequence == stream.of(Reaction)[0].sequence

    def test_a_frame_similar_to_a_pending_one_is_applied_after_its_analysis(self) -> None:
        kit = Kit()
        stream = kit.open(send_holding=True)
        key = stream.join()
        kit.analyse(stream, key, SMILE)
        stream.send()
        stream.send()
        kit.decoded(key)
        kit.skipped(key)
        before = len(stream.events)
        kit.detected(key, SMILE)
        sequences = [each.sequence for each in stream.events[before:]]
        assert sequences == [1, 2]

    def test_a_frame_similar_to_a_lost_picture_has_no_effect(self) -> None:
        kit = Kit()
        stream = kit.open(send_holding=True)
        key = stream.join()
        kit.analyse(stream, key, SMILE)
        stream.send()
        stream.send()
        kit.decoded(key)
        kit.skipped(key)
        before = len(stream.events)
        kit.undetected(key)
        assert stream.events[before:] == []
        kit.analyse(stream, key, SMILE)
        assert [each.sequence for each in stream.events[before:]] == [3]

    def test_a_similar_frame_waits_for_the_newest_of_several_pictures(self) -> None:
        kit = Kit()
        stream = kit.open(send_holding=True)
        key = stream.join()
        kit.analyse(stream, key, SMILE)
        for _ in range(3):
            stream.send()
        kit.decoded(key)
        kit.decoded(key)
        kit.skipped(key)
        before = len(stream.events)
        kit.detected(key, SMILE)
        assert [each.sequence for each in stream.events[before:]] == [1]
        kit.detected(key, SMILE)
        assert [each.sequence for each in stream.events[before:]] == [1, 2, 3]


class TestQuarantine:
    def test_after_a_second_event_frames_are_refused_for_a_while(self) -> None:
        kit = Kit()
        stream = kit.open()
        key = stream.join()
        for _ in range(2):
            stream.send(payload=KEYFRAME)
            kit.incident(key)
        assert kit.decode.quarantined == [key]
        faults = [each.code for each in stream.of(Fault)]
        assert faults == [FaultCode.WORKER_LOST, FaultCode.QUARANTINED, FaultCode.WORKER_LOST]
        stream.events.clear()
        kit.time.advance(4.0)
        stream.send(payload=KEYFRAME)
        (fault,) = stream.of(Fault)
        assert fault.code is FaultCode.QUARANTINED
        assert fault.message.endswith("its frames are refused for 1 s")
        # A keyframe would be refused, too: none is asked for.
        assert stream.of(KeyframeRequested) == []
        kit.time.advance(1.0)
        stream.send(payload=INTER)
        assert len(stream.of(KeyframeRequested)) == 1
        stream.send(payload=KEYFRAME)
        assert stream.counts().dropped == {"decode_worker_lost": 2, "quarantined": 1, "awaiting_keyframe": 1}
        assert stream.counts().in_flight == 1
        assert stream.counts().is_consistent

    def test_a_frame_that_took_too_long_is_a_fault_and_counts(self) -> None:
        kit = Kit()
        stream = kit.open()
        key = stream.join()
        stream.send(payload=KEYFRAME)
        kit.incident(key, is_fatal=False)
        assert stream.of(Fault)[0].code is FaultCode.TOO_EXPENSIVE
        stream.send(payload=KEYFRAME)
        kit.incident(key, is_fatal=False)
        stream.send(payload=KEYFRAME)
        assert stream.counts().dropped["quarantined"] == 1

    def test_others_on_the_stream_and_the_worker_go_on(self) -> None:
        kit = Kit()
        stream = kit.open()
        key = stream.join("mallory")
        other = stream.join("alice")
        for _ in range(2):
            stream.send("mallory", payload=KEYFRAME)
            kit.incident(key)
        stream.send("alice")
        kit.decoded(other)
        assert stream.counts("alice").in_flight == 1

    def test_who_leaves_after_the_event_is_known_when_it_joins_again(self) -> None:
        kit = Kit()
        stream = kit.open()
        for _ in range(2):
            key = stream.join("mallory")
            stream.send("mallory", payload=KEYFRAME)
            stream.session.leave("mallory")
            kit.incident(key, worker=3)
        key = stream.join("mallory")
        # It is decoded by the worker that it has taken down, not by another one.
        assert kit.decode.workers[key] == 3
        stream.send("mallory", payload=KEYFRAME)
        assert stream.session.statistics()[-1].frames.dropped == {"quarantined": 1}

    def test_the_log_names_worker_session_number_and_peer_but_no_person(self) -> None:
        kit = Kit()
        stream = kit.open(peer="ipv4:192.0.2.7")
        key = stream.join("mallory")
        stream.send("mallory", payload=KEYFRAME)
        with structlog.testing.capture_logs() as entries:
            kit.incident(key)
        assert entries == [
            {
                "event": "video killed a decode worker",
                "log_level": "warning",
                "worker": "decode-0",
                "reason": "killed by SIGSEGV",
                "session": stream.session.session_id,
                "participant": key,
                "peer": "ipv4:192.0.2.7",
                "refused_for_s": 0,
            }
        ]
