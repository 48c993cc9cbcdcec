"""What the client carries from server to server, and what it tells its caller where servers fail."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gifcue.client import carried
from gifcue.client.carried import Carried
from gifcue.protocol.events import Gif, Reaction
from gifcue.protocol.geometry import Box
from gifcue.protocol.phases import Phase
from gifcue.protocol.resume import MAX_ENTRIES, LabelCooldown, ParticipantState, RuleCooldown, RunningReaction
from tests.support.manual_time import ManualTime

GIF = Gif("bear", "/gifs/bear.gif", "A bear", "image/gif", 1, "bears")


def event(
    phase: Phase, number: int = 1, *, name: str = "ada", label: str = "smile", **fields: object
) -> Reaction:
    made = Reaction(
        name, f"r{number}", phase, label, 1.0, 0.9, Box(0.1, 0.1, 0.2, 0.2), 0, 90_000, 1, 5.0, "m1"
    )
    return replace(made, **fields)  # type: ignore[arg-type]


class Kit:
    def __init__(self) -> None:
        self.time = ManualTime()
        self.carried = Carried(self.time.clock)
        self.carried.joined("ada")

    def hear(self, phase: Phase, number: int = 1, **fields: object) -> list[tuple[Phase, str, str]]:
        return told(self.carried.heard(event(phase, number, **fields)))  # type: ignore[arg-type]

    @property
    def state(self) -> ParticipantState:
        return self.carried.participant("ada")


def told(events: list[Reaction]) -> list[tuple[Phase, str, str]]:
    return [(each.phase, each.reaction_id, each.end_reason) for each in events]


def test_a_reaction_under_way_is_carried_with_its_age_until_it_ends() -> None:
    kit = Kit()
    kit.hear(Phase.STARTED)
    kit.time.advance(1.5)
    assert kit.state == ParticipantState((RunningReaction("r1", "smile", 1500),))
    kit.hear(Phase.ENDED, end_reason="released", cooldown_ms=3000)
    kit.time.advance(1.0)
    assert kit.state == ParticipantState(cooldowns=(LabelCooldown("smile", 2000),))
    kit.time.advance(2.0)
    assert kit.state == ParticipantState()


def test_a_dismissal_begins_the_cooldown_anew() -> None:
    kit = Kit()
    for number in (1, 2):
        kit.hear(Phase.STARTED, number)
        kit.hear(Phase.ENDED, number, end_reason="released", cooldown_ms=3000)
    kit.time.advance(5.0)
    kit.carried.dismissed("ada", "r2")
    assert kit.state.cooldowns == (LabelCooldown("smile", 3000),)
    # The server takes it once, and not while a later reaction of the label is under way.
    kit.time.advance(1.0)
    kit.carried.dismissed("ada", "r2")
    assert kit.state.cooldowns == (LabelCooldown("smile", 2000),)
    kit.hear(Phase.STARTED, 3)
    kit.carried.dismissed("ada", "r1")
    assert kit.state.cooldowns == (LabelCooldown("smile", 2000),)
    # The next server does not know of it.
    kit.hear(Phase.ENDED, 3, end_reason="released", cooldown_ms=3000)
    kit.carried.connection_lost()
    kit.time.advance(1.0)
    kit.carried.dismissed("ada", "r3")
    kit.carried.dismissed("nobody", "r3")
    assert kit.state.cooldowns == (LabelCooldown("smile", 2000),)


def test_cooldowns_of_rules_are_carried_for_the_participant_and_the_room() -> None:
    kit = Kit()
    kit.carried.joined("bob")
    kit.hear(Phase.STARTED, gif=GIF, gif_cooldown_ms=10_000, room_cooldown_ms=2_000)
    kit.time.advance(1.0)
    assert kit.state.gif_cooldowns == (RuleCooldown("bears", 9_000),)
    assert kit.carried.room().gif_cooldowns == (RuleCooldown("bears", 1_000),)
    assert kit.carried.participant("bob") == ParticipantState()
    kit.time.advance(1.0)
    assert kit.carried.room().gif_cooldowns == ()


def test_the_end_of_what_has_ended_or_never_started_is_kept_back() -> None:
    kit = Kit()
    assert kit.hear(Phase.ENDED, end_reason="released") == []
    kit.hear(Phase.STARTED)
    assert kit.hear(Phase.ENDED, 7, end_reason="released") == []
    assert kit.hear(Phase.ENDED, end_reason="released") == [(Phase.ENDED, "r1", "released")]
    assert kit.hear(Phase.ENDED, end_reason="left") == []


def test_a_server_that_starts_what_is_under_way_ends_the_first_for_the_caller() -> None:
    kit = Kit()
    kit.hear(Phase.STARTED)
    expected = [(Phase.ENDED, "r1", "stream_lost"), (Phase.STARTED, "r2", "")]
    assert kit.hear(Phase.STARTED, 2) == expected
    assert kit.state.running == (RunningReaction("r2", "smile", 0),)


def test_holds_are_cancelled_with_their_connection_and_reactions_are_not_ended() -> None:
    kit = Kit()
    kit.hear(Phase.STARTED)
    kit.hear(Phase.HOLDING, 2, label="wave")
    kit.hear(Phase.HOLDING, 3, label="ok_hand")
    kit.hear(Phase.CANCELLED, 3, label="ok_hand", end_reason="released")
    assert told(kit.carried.connection_lost()) == [(Phase.CANCELLED, "r2", "stream_lost")]
    assert told(kit.carried.connection_lost()) == []
    assert [each.reaction_id for each in kit.state.running] == ["r1"]


def test_where_no_server_goes_on_everything_ends_once() -> None:
    kit = Kit()
    kit.hear(Phase.STARTED, gif=GIF, gif_cooldown_ms=10_000)
    (ended,) = kit.carried.give_up()
    assert (ended.phase, ended.end_reason, ended.gif, ended.gif_cooldown_ms) == (
        Phase.ENDED,
        "stream_lost",
        None,
        0,
    )
    assert kit.carried.give_up() == []
    assert kit.state.running == ()
    assert kit.state.gif_cooldowns, "the GIF was shown"


@pytest.mark.parametrize("is_known", [True, False])
def test_who_leaves_is_ended_by_the_server_or_at_once_without_one(is_known: bool) -> None:
    kit = Kit()
    kit.hear(Phase.STARTED)
    ended = kit.carried.left("ada", is_known=is_known)
    assert told(ended) == ([] if is_known else [(Phase.ENDED, "r1", "left")])
    # Whoever joins again under the name begins anew.
    kit.carried.joined("ada")
    assert kit.state == ParticipantState()
    expected = [(Phase.ENDED, "r1", "left")] if is_known else []
    assert kit.hear(Phase.ENDED, end_reason="left") == expected


def test_who_left_is_ended_where_its_server_is_lost_first() -> None:
    kit = Kit()
    kit.hear(Phase.STARTED)
    kit.carried.left("ada", is_known=True)
    # On its way when the participant left.
    assert kit.hear(Phase.STARTED, 2, label="wave") == [(Phase.STARTED, "r2", "")]
    lost = told(kit.carried.connection_lost())
    assert lost == [(Phase.ENDED, "r1", "stream_lost"), (Phase.ENDED, "r2", "stream_lost")]


def test_what_a_refused_join_carried_ends_and_its_cooldowns_go_on() -> None:
    kit = Kit()
    kit.hear(Phase.STARTED, gif=GIF, gif_cooldown_ms=10_000)
    assert told(kit.carried.refused("ada")) == [(Phase.ENDED, "r1", "refused")]
    assert kit.state == ParticipantState(gif_cooldowns=(RuleCooldown("bears", 10_000),))
    assert kit.hear(Phase.ENDED, end_reason="refused") == []
    assert kit.carried.refused("nobody") == []


def test_consent_that_is_withdrawn_without_a_server_ends_at_once() -> None:
    kit = Kit()
    kit.hear(Phase.STARTED)
    kit.hear(Phase.STARTED, 2, label="wave")
    assert told(kit.carried.withdrawn("ada", ["wave"])) == [(Phase.ENDED, "r1", "not_allowed")]
    assert [each.label for each in kit.state.running] == ["wave"]
    assert kit.carried.withdrawn("nobody", []) == []


def test_what_no_server_takes_is_not_carried() -> None:
    kit = Kit()
    long = "x" * 65
    rule = replace(GIF, rule_id="x" * 513)
    kit.hear(Phase.STARTED, gif=rule, gif_cooldown_ms=9_000, room_cooldown_ms=9_000)
    kit.hear(Phase.STARTED, 2, label="wave", reaction_id=long)
    assert kit.state == ParticipantState((RunningReaction("r1", "smile", 0),))
    assert kit.carried.room().gif_cooldowns == ()
    assert told(kit.carried.connection_lost()) == [(Phase.ENDED, long, "stream_lost")]


def test_a_server_cannot_make_the_state_grow() -> None:
    kit = Kit()
    for number in range(2 * MAX_ENTRIES):
        gif = replace(GIF, rule_id=f"rule {number}")
        kit.hear(
            Phase.STARTED, number, label=f"l{number}", gif=gif, gif_cooldown_ms=9_000, room_cooldown_ms=9_000
        )
        kit.hear(Phase.ENDED, number, label=f"l{number}", cooldown_ms=9_000)
    assert len(kit.state.cooldowns) == len(kit.state.gif_cooldowns) == MAX_ENTRIES
    assert len(kit.carried.room().gif_cooldowns) == MAX_ENTRIES


def test_what_is_forgotten_for_lack_of_room_ends_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carried, "_MAX_OPEN", 2)
    kit = Kit()
    assert [kit.hear(Phase.HOLDING, number) for number in (1, 2)] == [
        [(Phase.HOLDING, "r1", "")],
        [(Phase.HOLDING, "r2", "")],
    ]
    assert kit.hear(Phase.HOLDING, 3) == [(Phase.CANCELLED, "r1", "stream_lost"), (Phase.HOLDING, "r3", "")]
    assert kit.hear(Phase.CANCELLED, 1, end_reason="released") == []
    assert kit.hear(Phase.CANCELLED, 2, end_reason="released") == [(Phase.CANCELLED, "r2", "released")]
    # Of participants that have left: one by their leave, one by a STARTED that comes later.
    for number in range(4, 7):
        kit.hear(Phase.STARTED, number, label=f"l{number}")
    assert told(kit.carried.left("ada", is_known=True)) == [(Phase.ENDED, "r4", "stream_lost")]
    assert kit.hear(Phase.STARTED, 7) == [(Phase.ENDED, "r5", "stream_lost"), (Phase.STARTED, "r7", "")]
    assert kit.hear(Phase.ENDED, 5, end_reason="left") == []
    # Of one participant.
    kit.carried.joined("ada")
    for number in range(MAX_ENTRIES):
        kit.hear(Phase.STARTED, 100 + number, label=f"l{number}")
    assert kit.hear(Phase.STARTED, 99) == [(Phase.ENDED, "r100", "stream_lost"), (Phase.STARTED, "r99", "")]
    assert kit.hear(Phase.ENDED, 100, label="l0", end_reason="released") == []
