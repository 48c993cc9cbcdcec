"""One stream: joins, events, and frame accounting until the last frame has an outcome."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gifcue.engine.decisions import DecisionDetails
from gifcue.engine.settings import LimitSettings
from gifcue.media.overload import Relief
from gifcue.protocol.codecs import Codec
from gifcue.protocol.events import Draining, Fault, FrameDecided, KeyframeRequested, Reaction
from gifcue.protocol.phases import Phase
from gifcue.protocol.reasons import DropReason, FaultCode, LeaveReason
from tests.engine.kit import CLOCK_HZ, LIMITS, NOTHING, SMILE, STEP, Kit, turn


def limits(**changed: Any) -> LimitSettings:
    return LIMITS.model_copy(update=changed)


def codes(stream: Any) -> list[FaultCode]:
    return [each.code for each in stream.of(Fault)]


class TestJoin:
    def test_a_join_opens_a_decoder(self) -> None:
        kit = Kit()
        stream = kit.open()
        key = stream.join("alice", codec=Codec.VP8, extradata=b"")
        assert kit.decode.opened == [(key, Codec.VP8, b"")]
        assert stream.session.participant_count == 1
        assert stream.events == []

    @pytest.mark.parametrize(
        ("join", "code", "words"),
        [
            ({"name": ""}, FaultCode.INVALID_ARGUMENT, "name of 1 to 128 bytes, got 0"),
            ({"name": "x" * 129}, FaultCode.INVALID_ARGUMENT, "name of 1 to 128 bytes, got 129"),
            ({"codec": None}, FaultCode.UNSUPPORTED_CODEC, "expected one of H264, "),
            ({"extradata": bytes(65537)}, FaultCode.INVALID_EXTRADATA, "at most 65536 bytes of extradata"),
            ({"labels": ["smile"] * 257}, FaultCode.INVALID_LABEL, "at most 256 labels, got 257"),
        ],
    )
    def test_an_invalid_join_is_a_fault_and_has_no_effect(
        self, join: dict[str, Any], code: FaultCode, words: str
    ) -> None:
        kit = Kit()
        stream = kit.open()
        stream.join(**join)
        (fault,) = stream.of(Fault)
        assert fault.code is code
        assert words in fault.message
        assert stream.session.participant_count == 0
        assert kit.decode.opened == []

    @pytest.mark.parametrize(
        ("labels", "words"),
        [
            (["smile", "frown"], "got frown"),
            (["frown", "smile", "smile", "face"], "got face, frown"),
            (["smile", *(f"no {i}" for i in range(9))], "no 7 and 1 others"),
        ],
    )
    def test_unknown_labels_are_left_out_and_named(self, labels: list[str], words: str) -> None:
        kit = Kit()
        stream = kit.open()
        key = stream.join(labels=labels)
        (fault,) = stream.of(Fault)
        assert fault.code is FaultCode.INVALID_LABEL
        assert fault.message.endswith(words)
        kit.smile(stream, key)
        assert stream.phases() == [("smile", Phase.STARTED)]

    def test_with_unknown_labels_alone_nothing_is_decoded(self) -> None:
        kit = Kit()
        stream = kit.open()
        stream.join(labels=["frown"])
        stream.send()
        assert codes(stream) == [FaultCode.INVALID_LABEL]
        assert stream.counts().dropped == {"not_allowed": 1}

    def test_extradata_is_checked(self) -> None:
        stream = Kit().open()
        stream.join(codec=Codec.H264, extradata=b"nonsense")
        assert codes(stream) == [FaultCode.INVALID_EXTRADATA]

    def test_participants_per_stream_and_server_are_limited(self) -> None:
        kit = Kit(limits(max_participants_per_stream=1, max_participants=2))
        first, second, third = kit.open(), kit.open(), kit.open()
        first.join("alice")
        first.join("bob")
        second.join("carol")
        third.join("dave")
        assert "on a stream" in first.of(Fault)[0].message
        assert second.events == []
        assert "on this server" in third.of(Fault)[0].message
        # A participant that leaves frees its place, and a second join takes no further place.
        second.session.leave("carol")
        third.join("dave")
        third.join("dave")
        assert codes(third) == [FaultCode.TOO_MANY_PARTICIPANTS]
        assert kit.engine.statistics().participants == 2

    def test_joins_within_a_second_are_limited(self) -> None:
        kit = Kit(limits(max_participants_per_stream=8))
        stream = kit.open()
        for number in range(16):
            stream.join(f"guest {number % 8}")
        assert codes(stream) == []
        stream.join("guest 3")
        (fault,) = stream.of(Fault)
        assert fault.code is FaultCode.TOO_MANY_JOINS
        assert "at most 10 joins a second on a stream: try again in 0.1 s" in fault.message
        kit.time.advance(1.0)
        for _ in range(10):
            stream.join("guest 3")
        assert len(stream.of(Fault)) == 1
        # Another stream has a rate of its own.
        other = kit.open()
        other.join("alice")
        assert codes(other) == []

    def test_an_overloaded_server_takes_no_newcomers(self) -> None:
        kit = Kit()
        stream = kit.open()
        alice, bob = stream.join("alice"), stream.join("bob")
        kit.decode.is_overloaded = True
        kit.decode.on_relief(Relief(pause=(bob,)))
        stream.join("carol")
        (fault,) = stream.of(Fault)
        assert (fault.participant_id, fault.code) == ("carol", FaultCode.TOO_MANY_PARTICIPANTS)
        assert "try again in a few seconds" in fault.message
        # Who is decoded may join anew, for another codec. Who is paused does not get back in that way.
        assert stream.join("alice") > alice
        stream.join("bob")
        assert [each.participant_id for each in stream.of(Fault)] == ["carol", "bob"]
        kit.decode.is_overloaded = False
        stream.join("carol")
        assert stream.session.participant_count == 3

    def test_a_second_join_starts_over(self) -> None:
        kit = Kit()
        stream = kit.open()
        first = stream.join()
        kit.smile(stream, first)
        second = stream.join()
        assert second != first
        assert kit.decode.closed == [first]
        assert stream.of(Reaction)[-1].end_reason == "rejoined"
        kit.smile(stream, second)
        counts = [each.frames for each in stream.session.statistics()]
        assert [each.is_consistent for each in counts] == [True, True]

    def test_long_units_are_counted_for_the_stream(self) -> None:
        kit = Kit()
        stream = kit.open()
        first, second = stream.join(), stream.join()
        other = kit.open().join()
        assert kit.decode.long_units[first] is not None
        assert kit.decode.long_units[first] is kit.decode.long_units[second]
        assert kit.decode.long_units[other] is not kit.decode.long_units[first]

    def test_a_refused_join_revokes_the_labels_it_omits(self) -> None:
        kit = Kit()
        stream = kit.open()
        key = stream.join(labels=["smile", "wave"])
        kit.smile(stream, key)
        stream.session.join("alice", None, b"", ["wave", "frown"])
        assert stream.of(Reaction)[-1].end_reason == "not_allowed"
        assert codes(stream) == [FaultCode.UNSUPPORTED_CODEC]
        assert kit.decode.closed == []


class TestUpdates:
    def test_an_update_of_an_unknown_participant_is_a_fault(self) -> None:
        stream = Kit().open()
        stream.session.allow("ghost", ["smile"])
        stream.session.speaking("ghost", True)
        stream.session.leave("ghost")
        assert codes(stream) == [FaultCode.UNKNOWN_PARTICIPANT] * 3

    def test_a_revoked_label_ends_its_reaction(self) -> None:
        kit = Kit()
        stream = kit.open()
        key = stream.join(labels=["smile", "wave"])
        kit.smile(stream, key)
        stream.session.allow("alice", ["wave"])
        assert stream.of(Reaction)[-1].phase is Phase.ENDED
        assert kit.decode.started_over == []

    def test_without_labels_nothing_is_decoded_and_state_is_discarded(self) -> None:
        kit = Kit()
        stream = kit.open()
        key = stream.join()
        kit.analyse(stream, key, NOTHING, 2)
        stream.session.allow("alice", [])
        stream.session.allow("alice", [])
        assert kit.decode.started_over == [key]
        stream.send()
        assert stream.counts().dropped == {"not_allowed": 1}
        assert stream.events == []
        stream.session.allow("alice", ["smile"])
        assert stream.events == [KeyframeRequested("alice", "allowed")]
        stream.send()
        assert stream.counts().dropped == {"not_allowed": 1, "awaiting_keyframe": 1}

    def test_an_unknown_label_is_left_out_and_omitted_ones_are_revoked(self) -> None:
        kit = Kit()
        stream = kit.open()
        key = stream.join(labels=["wave"])
        stream.session.allow("alice", ["smile", "smlie"])
        assert codes(stream) == [FaultCode.INVALID_LABEL]
        kit.smile(stream, key)
        assert stream.phases() == [("smile", Phase.STARTED)]
        stream.session.allow("alice", ["smlie"])
        assert stream.of(Reaction)[-1].end_reason == "not_allowed"
        stream.send()
        assert stream.counts().dropped == {"not_allowed": 1}

    def test_too_many_labels_add_none_and_omitted_ones_are_revoked(self) -> None:
        kit = Kit()
        stream = kit.open()
        key = stream.join(labels=["smile", "wave"])
        kit.smile(stream, key)
        stream.session.allow("alice", ["wave", "thumbs_up"] * 129)
        assert codes(stream) == [FaultCode.INVALID_LABEL]
        assert stream.of(Reaction)[-1].end_reason == "not_allowed"
        stream.session.allow("alice", ["smile"] * 257)
        stream.send()
        assert stream.counts().dropped == {"not_allowed": 1}

    def test_speaking_reaches_the_policy(self) -> None:
        kit = Kit()
        stream = kit.open(send_holding=True)
        key = stream.join()
        kit.smile(stream, key)
        before = len(stream.events)
        stream.session.speaking("alice", True)
        assert len(stream.events) == before


class TestFrames:
    def test_a_frame_of_an_unknown_participant_is_counted_and_reported(self) -> None:
        stream = Kit().open()
        stream.send("ghost", sequence=4)
        (fault,) = stream.of(Fault)
        assert (fault.code, fault.participant_id, fault.sequence) == (
            FaultCode.UNKNOWN_PARTICIPANT,
            "ghost",
            4,
        )
        assert stream.session.frame_counts().dropped == {"unknown_participant": 1}
        assert stream.session.statistics() == []

    def test_a_draining_stream_accepts_no_join(self) -> None:
        kit = Kit()
        stream = kit.open()
        stream.session.drain(2000)
        stream.join()
        assert codes(stream) == [FaultCode.TOO_MANY_PARTICIPANTS]
        assert "this stream drains, join on a new one" in stream.of(Fault)[0].message
        assert kit.decode.opened == []

    def test_a_draining_stream_accepts_no_frames(self) -> None:
        kit = Kit()
        stream = kit.open()
        key = stream.join()
        stream.send()
        stream.session.drain(2000)
        stream.session.drain(2000)
        stream.send()
        assert stream.events == [Draining(2000)]
        assert stream.counts().dropped == {"draining": 1}
        kit.decoded(key)
        kit.detected(key, SMILE)
        assert stream.counts().analysed == 1

    def test_what_comes_after_the_end_of_a_drain_is_draining_and_no_fault(self) -> None:
        kit = Kit()
        stream = kit.open()
        stream.join()
        stream.session.drain(2000)
        # The stream reads on until everything is written.
        stream.session.finish(LeaveReason.DRAINING)
        stream.send()
        stream.session.allow("alice", [])
        assert stream.events == [Draining(2000)]
        assert stream.session.frame_counts().dropped == {"draining": 1}
        assert kit.engine.statistics().faults == {}

    def test_the_same_fault_is_reported_once_per_interval(self) -> None:
        kit = Kit(limits(fault_interval_s=1.0))
        stream = kit.open()
        stream.join()
        for _ in range(3):
            stream.send(payload=b"")
        kit.time.advance(1.0)
        stream.send(payload=b"")
        assert [(each.code, each.count) for each in stream.of(Fault)] == [
            (FaultCode.EMPTY_PAYLOAD, 1),
            (FaultCode.EMPTY_PAYLOAD, 3),
        ]


class TestLeave:
    def test_frames_in_flight_are_finished_without_effect(self) -> None:
        kit = Kit()
        stream = kit.open()
        key = stream.join()
        kit.smile(stream, key)
        stream.send()
        stream.send()
        stream.session.leave("alice")
        events = list(stream.events)
        assert events[-1].end_reason == "left"
        assert not stream.session.is_idle
        kit.decoded(key)
        kit.detected(key, SMILE)
        kit.dropped(key, DropReason.INVALID_DATA, needs_keyframe=True)
        assert stream.events == events
        assert stream.session.is_idle
        assert kit.detect.forgotten == [key]
        counts = stream.counts()
        assert counts.is_consistent
        assert (counts.in_flight, counts.dropped) == (0, {"invalid_data": 1})

    def test_statistics_keep_a_bounded_number_of_left_participants_and_all_in_the_total(self) -> None:
        kit = Kit(limits(left_participants_kept=2))
        stream = kit.open()
        for number in range(5):
            key = stream.join(f"guest-{number}")
            stream.send(f"guest-{number}")
            kit.skipped(key)
            stream.session.leave(f"guest-{number}")
        assert [each.participant_id for each in stream.session.statistics()] == ["guest-3", "guest-4"]
        assert stream.session.frame_counts().received == 5
        assert stream.session.frame_counts().is_consistent


class TestSettled:
    async def test_settling_waits_for_the_last_frame_of_every_participant(self) -> None:
        kit = Kit()
        stream = kit.open()
        alice, bob = stream.join("alice"), stream.join("bob")
        stream.send("alice")
        stream.send("bob")
        waits = [asyncio.create_task(stream.session.settled()) for _ in range(2)]
        await turn()
        kit.skipped(alice)
        await turn()
        assert not waits[0].done()
        stream.session.leave("bob")
        kit.skipped(bob)
        await asyncio.gather(*waits)

    async def test_an_idle_stream_is_settled_at_once(self) -> None:
        stream = Kit().open()
        stream.join()
        await stream.session.settled()

    async def test_a_cancelled_waiter_does_not_affect_others(self) -> None:
        kit = Kit()
        stream = kit.open()
        key = stream.join()
        stream.send()
        gone, waits = (asyncio.create_task(stream.session.settled()) for _ in range(2))
        await turn()
        gone.cancel()
        await turn()
        kit.skipped(key)
        await waits


class TestDecisions:
    def test_decisions_are_sent_only_on_request(self) -> None:
        for asked in (False, True):
            kit = Kit()
            stream = kit.open(decisions=DecisionDetails() if asked else None)
            key = stream.join()
            stream.send(pts=4500)
            kit.decoded(key)
            kit.time.advance(0.025)
            kit.detected(key, NOTHING)
            decisions = stream.of(FrameDecided)
            assert [(each.sequence, each.pts, each.clock_hz) for each in decisions] == [
                (0, 4500, CLOCK_HZ)
            ] * asked
            assert [each.latency_ms for each in decisions] == [pytest.approx(25.0)] * asked
            assert stream.events == decisions

    def test_the_default_clock_rate_is_that_of_rtp(self) -> None:
        kit = Kit()
        stream = kit.open(decisions=DecisionDetails())
        key = stream.join()
        stream.send(clock_hz=0, pts=STEP)
        kit.decoded(key)
        kit.detected(key, NOTHING)
        assert stream.of(FrameDecided)[0].clock_hz == CLOCK_HZ
