"""A session that takes reactions over from another server, and hands them over on a drain."""

from __future__ import annotations

import pytest

from gifcue.engine.quiet import FIRST_RESULT_S
from gifcue.engine.settings import LimitSettings
from gifcue.errors import ConfigError
from gifcue.protocol.events import Fault, Reaction
from gifcue.protocol.phases import Phase
from gifcue.protocol.reasons import FaultCode, LeaveReason
from gifcue.protocol.resume import (
    LabelCooldown,
    ParticipantState,
    RoomState,
    RuleCooldown,
    RunningReaction,
    participant_state_fault,
    room_state_fault,
)
from tests.engine.kit import LABELS, NOTHING, SMILE, Kit, Stream

HELD = ParticipantState((RunningReaction("r-1", "smile", 900),))


def ends(stream: Stream) -> list[tuple[str, str, str]]:
    return [
        (each.reaction_id, each.phase.name, each.end_reason)
        for each in stream.of(Reaction)
        if each.phase in (Phase.STARTED, Phase.ENDED)
    ]


def test_a_held_smile_moves_with_one_start_one_end_and_one_gif() -> None:
    first, second = Kit(), Kit()
    before = first.open(resume=RoomState())
    first.smile(before, before.join())
    (start,) = [each for each in before.of(Reaction) if each.phase is Phase.STARTED]
    before.session.drain(1000)
    before.session.finish(LeaveReason.DRAINING, hands_over=True)
    after = second.open(resume=RoomState())
    state = ParticipantState((RunningReaction(start.reaction_id, "smile", 500),))
    key = after.join(resume=state)
    second.analyse(after, key, SMILE, 20)
    second.analyse(after, key, NOTHING, 20)
    assert ends(before) == [(start.reaction_id, "STARTED", "")]
    assert ends(after) == [(start.reaction_id, "ENDED", "released")]
    assert len(first.delivered) == 1
    assert second.delivered == []
    assert second.engine.statistics().reactions == {}


def test_a_client_that_carries_nothing_gets_every_end() -> None:
    kit = Kit()
    stream = kit.open()
    kit.smile(stream, stream.join())
    stream.session.finish(LeaveReason.DRAINING, hands_over=True)
    assert [each[1:] for each in ends(stream)] == [("STARTED", ""), ("ENDED", "draining")]


def test_the_events_state_what_a_client_must_pass_on() -> None:
    kit = Kit()
    stream = kit.open()
    key = stream.join()
    kit.smile(stream, key)
    kit.analyse(stream, key, NOTHING, 20)
    start, end = [each for each in stream.of(Reaction) if each.phase in (Phase.STARTED, Phase.ENDED)]
    assert start.gif is not None
    assert (start.gif.rule_id, start.gif_cooldown_ms, start.room_cooldown_ms) == ("rule", 10_000, 2_000)
    assert (start.cooldown_ms, end.cooldown_ms) == (0, 3_000)
    assert (end.gif_cooldown_ms, end.room_cooldown_ms) == (0, 0)


def test_cooldowns_reach_policy_and_rules() -> None:
    kit = Kit()
    stream = kit.open(resume=RoomState((RuleCooldown("rule", 1500),)))
    state = ParticipantState(
        cooldowns=(LabelCooldown("smile", 1000),), gif_cooldowns=(RuleCooldown("rule", 7000),)
    )
    key = stream.join(resume=state)
    kit.smile(stream, key)
    (brought,) = kit.chooser.brought
    assert brought.participant.left_s("rule", 60.0, kit.time.clock()) == 7.0
    assert brought.room.left_s("rule", 60.0, kit.time.clock()) == 1.5
    # A second of cooldown comes before the 0.8 s of a smile.
    (start,) = [each for each in stream.of(Reaction) if each.phase is Phase.STARTED]
    assert start.at_s >= 1.8


def test_without_video_what_goes_on_ends_after_a_while() -> None:
    kit = Kit()
    stream = kit.open()
    stream.join(resume=HELD)
    kit.time.advance(FIRST_RESULT_S - 0.1)
    stream.session.end_quiet(kit.time.clock())
    assert ends(stream) == []
    kit.time.advance(0.2)
    stream.session.end_quiet(kit.time.clock())
    assert ends(stream) == [("r-1", "ENDED", "no_frames")]
    (ended,) = stream.of(Reaction)
    assert (ended.pts, ended.clock_hz, ended.sequence) == (0, 0, 0)


def test_what_goes_on_ends_with_its_participant_before_any_frame() -> None:
    kit = Kit()
    stream = kit.open()
    stream.join(resume=HELD)
    stream.session.leave("alice")
    assert ends(stream) == [("r-1", "ENDED", "left")]


def test_what_goes_on_can_be_dismissed() -> None:
    kit = Kit()
    stream = kit.open()
    stream.join(resume=HELD)
    stream.session.dismiss("alice", "r-1")
    assert ends(stream) == [("r-1", "ENDED", "dismissed")]
    assert stream.of(Fault) == []


def test_consent_decides_what_goes_on() -> None:
    kit = Kit()
    stream = kit.open()
    stream.join(labels=["wave"], resume=HELD)
    stream.join("bob", resume=ParticipantState((RunningReaction("r-2", "frown"),)))
    assert ends(stream) == [("r-1", "ENDED", "not_allowed"), ("r-2", "ENDED", "not_allowed")]


def test_a_second_join_goes_on_with_what_runs_and_with_nothing_else() -> None:
    kit = Kit()
    stream = kit.open()
    kit.smile(stream, stream.join())
    (start,) = [each for each in stream.of(Reaction) if each.phase is Phase.STARTED]
    # The ENDED of the second one is on its way to the client.
    running = (RunningReaction(start.reaction_id, "smile"), RunningReaction("r-old", "wave"))
    key = stream.join(labels=["smile", "wave"], resume=ParticipantState(running))
    kit.analyse(stream, key, SMILE, 10)
    assert ends(stream) == [(start.reaction_id, "STARTED", "")]
    stream.session.leave("alice")
    assert ends(stream)[1:] == [(start.reaction_id, "ENDED", "left")]


def test_a_second_join_keeps_the_cooldowns_of_the_first() -> None:
    kit = Kit()
    stream = kit.open()
    key = stream.join()
    kit.smile(stream, key)
    kit.analyse(stream, key, NOTHING, 10)
    key = stream.join(resume=ParticipantState(cooldowns=(LabelCooldown("smile", 1),)))
    kit.analyse(stream, key, SMILE, 12)  # 2.4 s, of a cooldown of 3 s
    assert [each[1] for each in ends(stream)] == ["STARTED", "ENDED"]


@pytest.mark.parametrize("reason", ["full", "codec"])
def test_a_join_that_is_refused_ends_what_it_carries(reason: str) -> None:
    kit = Kit(LimitSettings(fault_interval_s=0.0, max_participants_per_stream=1))
    stream = kit.open(resume=RoomState())
    if reason == "full":
        stream.join("bob")
        stream.join(resume=HELD)
    else:
        stream.join(codec=None, resume=HELD)
    assert ends(stream) == [("r-1", "ENDED", "refused")]
    assert len(stream.of(Fault)) == 1


def test_joins_that_come_too_fast_leave_what_they_carry_to_the_client() -> None:
    kit = Kit(LimitSettings(fault_interval_s=0.0, max_participants_per_stream=1))
    stream = kit.open(resume=RoomState())
    answered = 0
    while FaultCode.TOO_MANY_JOINS not in [each.code for each in stream.of(Fault)]:
        answered = len(ends(stream))
        stream.join(codec=None, resume=HELD)
    assert answered > 1
    assert len(ends(stream)) == answered


def test_a_join_that_meets_a_drain_leaves_what_it_carries_to_the_client() -> None:
    kit = Kit()
    stream = kit.open(resume=RoomState())
    stream.session.drain(1000)
    stream.join(resume=HELD)
    assert ends(stream) == []
    assert [each.code for each in stream.of(Fault)] == [FaultCode.TOO_MANY_PARTICIPANTS]


def many(count: int) -> ParticipantState:
    return ParticipantState(tuple(RunningReaction(f"r{each}", f"label {each}") for each in range(count)))


@pytest.mark.parametrize(
    ("state", "words", "ended"),
    [
        (
            many(257),
            "resume.running: expected at most 256 entries, got more",
            [f"r{each}" for each in range(len(LABELS))],
        ),
        (
            ParticipantState((RunningReaction("a", "smile"), RunningReaction("b", "smile"))),
            "resume.running: expected at most one entry for each label, got two",
            ["a", "b"],
        ),
        (
            ParticipantState((RunningReaction("a", "smile"), RunningReaction("a", "wave"))),
            "expected a different reaction_id for each entry",
            ["a"],
        ),
        (
            ParticipantState((RunningReaction("", "smile"),)),
            "resume.running: reaction_id: expected 1 to 64 bytes, got 0",
            [],
        ),
        (
            ParticipantState((RunningReaction("é" * 33, "smile"),)),
            "resume.running: reaction_id: expected 1 to 64 bytes, got 66",
            [],
        ),
        (
            ParticipantState((RunningReaction("a", "x" * 129),)),
            "resume.running: label: expected 1 to 128 bytes, got 129",
            [],
        ),
        (
            ParticipantState(cooldowns=(LabelCooldown("a", 1), LabelCooldown("a", 2))),
            "resume.cooldowns: expected at most one entry for each label, got two",
            [],
        ),
        (
            ParticipantState(gif_cooldowns=(RuleCooldown("", 1),)),
            "resume.gif_cooldowns: rule_id: expected 1 to 512 bytes, got 0",
            [],
        ),
        (
            ParticipantState((RunningReaction("a", "smile"),), gif_cooldowns=(RuleCooldown("x" * 513, 1),)),
            "resume.gif_cooldowns: rule_id: expected 1 to 512 bytes, got 513",
            ["a"],
        ),
    ],
)
def test_a_state_that_is_wrong_refuses_the_join_and_ends_what_it_names(
    state: ParticipantState, words: str, ended: list[str]
) -> None:
    kit = Kit()
    stream = kit.open()
    stream.join("bob")
    stream.join(resume=state)
    (fault,) = stream.of(Fault)
    assert (fault.participant_id, fault.code) == ("alice", FaultCode.INVALID_ARGUMENT)
    assert words in fault.message
    assert stream.session.participant_count == 1
    assert ends(stream) == [(each, "ENDED", "refused") for each in ended]


def test_every_name_of_a_rule_can_be_carried() -> None:
    cooldowns = (RuleCooldown(128 * "\N{BEAR FACE}", 1),)
    assert participant_state_fault(ParticipantState(gif_cooldowns=cooldowns), 128) is None
    assert room_state_fault(RoomState(cooldowns)) is None


def test_a_room_whose_state_is_wrong_is_not_opened() -> None:
    rules = tuple(RuleCooldown(f"rule {each}", 1) for each in range(257))
    with pytest.raises(ConfigError, match="at most 256 entries"):
        Kit().open(resume=RoomState(rules))
