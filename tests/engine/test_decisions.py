"""What a stream is told of each frame analysed, and dismissals of one participant."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from gifcue.detect.regions import Region
from gifcue.engine.decisions import (
    MAX_LABELS,
    MAX_REGIONS,
    DecisionDetails,
    decision_details,
    decision_of,
)
from gifcue.engine.dismissals import MAX_REMEMBERED
from gifcue.media.frame import FrameInFlight
from gifcue.protocol.detections import Landmark, RegionKind
from gifcue.protocol.events import Fault, FrameDecided, Reaction
from gifcue.protocol.geometry import Box
from gifcue.protocol.phases import Phase
from gifcue.protocol.reasons import FaultCode
from gifcue.protocol.requests import StreamOptions
from gifcue.reactions.settings import ReactionSettings
from tests.engine.kit import NOTHING, SMILE, STEP, Kit, Stream

EVERYTHING = DecisionDetails(regions=True, landmarks=True, unmet=True)
FRAME = FrameInFlight(1, 1, 7, 630_000, 90_000, 7.0, 100, 3.0, decided_s=3.02)


def region(score: float, kind: str = "face", **attributes: float) -> Region:
    points = np.array([[0.25, 0.5, 9.0], [1.5, -0.25, 9.0]], np.float32)
    return Region(kind, Box(0.1, 0.2, 0.3, 0.4), score, attributes, points)  # type: ignore[arg-type]


def decided(details: DecisionDetails, *regions: Region) -> FrameDecided:
    return decision_of("alice", FRAME, details, regions, [], min_score=0.3)


class TestDecision:
    def test_a_plain_one_has_the_frame_alone(self) -> None:
        assert decided(DecisionDetails(), region(0.9)) == FrameDecided(
            "alice", 7, 630_000, 90_000, FRAME.latency_ms
        )
        assert decided(DecisionDetails()).at_s == 7.0

    def test_regions_and_their_labels_come_highest_score_first(self) -> None:
        made = decided(
            DecisionDetails(regions=True), region(0.5, "hand", wave=0.1, ok_hand=0.8), region(0.9, smile=0.2)
        )
        assert [(each.kind, each.score) for each in made.regions] == [
            (RegionKind.FACE, 0.9),
            (RegionKind.HAND, 0.5),
        ]
        assert [(each.label, each.score) for each in made.regions[1].labels] == [
            ("ok_hand", 0.8),
            ("wave", 0.1),
        ]
        assert all(each.landmarks == () for each in made.regions)

    def test_landmarks_are_x_and_y_and_may_lie_outside(self) -> None:
        (found,) = decided(EVERYTHING, region(0.9)).regions
        assert found.landmarks == (Landmark(0.25, 0.5), Landmark(1.5, -0.25))

    def test_what_the_policy_does_not_follow_is_left_out(self) -> None:
        made = decided(EVERYTHING, region(0.31), region(0.29), region(0.3))
        assert [each.score for each in made.regions] == [0.31, 0.3]

    def test_regions_and_labels_are_bounded_and_the_best_are_kept(self) -> None:
        labels: dict[str, Any] = {f"label{number}": number / 100 for number in range(MAX_LABELS + 5)}
        scores = [0.4 + number / 1000 for number in range(MAX_REGIONS + 5)]
        made = decided(EVERYTHING, *(region(score, **labels) for score in scores))
        assert [each.score for each in made.regions] == sorted(scores, reverse=True)[:MAX_REGIONS]
        assert len(made.regions[0].labels) == MAX_LABELS
        assert made.regions[0].labels[0].score == max(labels.values())

    def test_landmarks_need_detections_and_everything_needs_decisions(self) -> None:
        asked = StreamOptions(send_detections=True, send_landmarks=True, explain=True)
        assert decision_details(asked) is None
        assert decision_details(StreamOptions(send_decisions=True)) == DecisionDetails()
        without = StreamOptions(send_decisions=True, send_landmarks=True)
        assert decision_details(without) == DecisionDetails()
        full = StreamOptions(send_decisions=True, send_detections=True, send_landmarks=True, explain=True)
        assert decision_details(full) == EVERYTHING
        assert all(getattr(EVERYTHING, field.name) for field in fields(EVERYTHING))


class TestParticipant:
    def test_a_decision_comes_before_the_reactions_of_its_frame_and_explains_them(self) -> None:
        kit = Kit()
        stream = kit.open(decisions=EVERYTHING)
        key = stream.join(labels=["smile", "wave"])
        kit.smile(stream, key)
        started = next(index for index, each in enumerate(stream.events) if isinstance(each, Reaction))
        before, same = stream.of(FrameDecided)[-2:]
        assert stream.events[started - 1] is same
        assert {each.label: each.condition for each in before.unmet} == {"smile": "hold", "wave": "no_region"}
        assert [each.label for each in same.unmet] == ["wave"]
        assert [each.kind for each in same.regions] == [RegionKind.FACE]

    @pytest.mark.parametrize(
        ("details", "wanted"),
        [(None, False), (DecisionDetails(regions=True, unmet=True), False), (EVERYTHING, True)],
    )
    def test_landmarks_are_asked_of_the_detector_only_where_the_stream_asks(
        self, details: DecisionDetails | None, wanted: bool
    ) -> None:
        kit = Kit()
        stream = kit.open(decisions=details)
        key = stream.join()
        stream.send()
        kit.decoded(key)
        assert kit.detect.pictures[key][0].wants_landmarks is wanted

    def test_a_frame_that_ends_after_its_participant_left_is_not_explained(self) -> None:
        kit = Kit()
        stream = kit.open(decisions=EVERYTHING)
        key = stream.join()
        kit.analyse(stream, key, SMILE)
        stream.send()
        kit.decoded(key)
        stream.session.leave("alice")
        kit.detected(key, SMILE)
        assert [len(each.unmet) for each in stream.of(FrameDecided)] == [1, 0]

    def test_a_skipped_frame_has_no_decision(self) -> None:
        kit = Kit()
        stream = kit.open(decisions=EVERYTHING)
        key = stream.join()
        kit.analyse(stream, key, NOTHING)
        stream.send()
        kit.skipped(key)
        assert len(stream.of(FrameDecided)) == 1
        assert stream.counts().skipped == {"similar": 1}


def smiled() -> tuple[Kit, Stream, int, str]:
    """A stream on which a smile is under way, and the id of the reaction."""
    kit = Kit()
    stream = kit.open()
    key = stream.join()
    kit.smile(stream, key)
    return kit, stream, key, stream.of(Reaction)[-1].reaction_id


class TestDismiss:
    def test_the_reaction_ends_at_once_and_is_counted(self) -> None:
        kit, stream, _, reaction_id = smiled()
        stream.session.dismiss("alice", reaction_id)
        ended = stream.of(Reaction)[-1]
        assert (ended.phase, ended.reaction_id, ended.end_reason) == (Phase.ENDED, reaction_id, "dismissed")
        assert kit.engine.statistics().dismissals == {"smile": 1}
        assert kit.engine.statistics().reactions == {"smile": 1}
        assert stream.of(Fault) == []

    def test_the_cooldown_begins(self) -> None:
        kit, stream, key, reaction_id = smiled()
        stream.session.dismiss("alice", reaction_id)
        at_s = stream.of(Reaction)[-1].at_s
        kit.analyse(stream, key, SMILE, 50)
        again = next(each for each in stream.of(Reaction) if each.phase is Phase.STARTED and each.at_s > at_s)
        cooldown_s = ReactionSettings().labels["smile"].cooldown_s
        assert at_s + cooldown_s <= again.at_s <= at_s + cooldown_s + 0.8 + 2 * STEP / 90_000

    def test_a_second_time_is_a_fault_and_not_counted(self) -> None:
        kit, stream, _, reaction_id = smiled()
        stream.session.dismiss("alice", reaction_id)
        stream.session.dismiss("alice", reaction_id)
        (fault,) = stream.of(Fault)
        assert (fault.participant_id, fault.code) == ("alice", FaultCode.INVALID_ARGUMENT)
        assert "got one a second time" in fault.message
        assert kit.engine.statistics().dismissals == {"smile": 1}

    @pytest.mark.parametrize("reaction_id", ["", "unknown", "x" * 10_000])
    def test_an_unknown_id_is_a_fault_that_does_not_quote_it(self, reaction_id: str) -> None:
        kit, stream, _, _ = smiled()
        stream.session.dismiss("alice", reaction_id)
        (fault,) = stream.of(Fault)
        assert fault.code is FaultCode.INVALID_ARGUMENT
        assert "last 32 reactions" in fault.message
        assert len(fault.message) < 200
        assert kit.engine.statistics().dismissals == {}

    def test_the_id_of_another_participant_is_a_fault_and_ends_nothing(self) -> None:
        kit, stream, _, reaction_id = smiled()
        stream.join("bob")
        stream.session.dismiss("bob", reaction_id)
        assert [each.code for each in stream.of(Fault)] == [FaultCode.INVALID_ARGUMENT]
        assert stream.of(Reaction)[-1].phase is Phase.STARTED
        assert kit.engine.statistics().dismissals == {}

    def test_a_hold_has_no_id_that_can_be_dismissed(self) -> None:
        kit = Kit()
        stream = kit.open(send_holding=True)
        key = stream.join()
        kit.analyse(stream, key, SMILE, 3)
        holding = stream.of(Reaction)[-1]
        assert holding.phase is Phase.HOLDING
        stream.session.dismiss("alice", holding.reaction_id)
        assert [each.code for each in stream.of(Fault)] == [FaultCode.INVALID_ARGUMENT]

    def test_who_has_not_joined_or_has_left_is_unknown(self) -> None:
        _, stream, _, reaction_id = smiled()
        stream.session.dismiss("carol", reaction_id)
        stream.session.leave("alice")
        stream.session.dismiss("alice", reaction_id)
        assert [each.code for each in stream.of(Fault)] == [FaultCode.UNKNOWN_PARTICIPANT] * 2

    def test_only_the_last_reactions_are_remembered(self) -> None:
        kit = Kit(reactions=ReactionSettings.model_validate({"labels": {"smile": {"cooldown_s": 0.0}}}))
        stream = kit.open()
        key = stream.join()
        for _ in range(MAX_REMEMBERED + 1):
            kit.analyse(stream, key, SMILE, 6)
            kit.analyse(stream, key, NOTHING, 6)
        ids = [each.reaction_id for each in stream.of(Reaction) if each.phase is Phase.STARTED]
        assert len(ids) == MAX_REMEMBERED + 1
        for reaction_id in ids:
            stream.session.dismiss("alice", reaction_id)
        assert [each.code for each in stream.of(Fault)] == [FaultCode.INVALID_ARGUMENT]
        assert kit.engine.statistics().dismissals == {"smile": MAX_REMEMBERED}

    def test_a_new_join_forgets_the_reactions_before_it(self) -> None:
        _, stream, _, reaction_id = smiled()
        stream.join("alice")
        stream.session.dismiss("alice", reaction_id)
        assert [each.code for each in stream.of(Fault)] == [FaultCode.INVALID_ARGUMENT]
