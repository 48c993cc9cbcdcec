"""A gesture on trial within a stream: what becomes of reactions, consent and speech when it begins and ends."""

from __future__ import annotations

import numpy as np

from gifcue.detect.regions import Region
from gifcue.protocol.events import Reaction
from gifcue.protocol.geometry import Box
from gifcue.protocol.phases import Phase
from gifcue.reactions.events import EndReason
from tests.engine.kit import SMILE, Kit, Stream, turn
from tests.engine.test_quiet import looking, passes
from tests.support.gestures import constant_classifier
from tests.support.hands import VICTORY, sample


def hand() -> Region:
    landmarks = sample(VICTORY, np.random.default_rng(1)).landmarks
    return Region("hand", Box(0.2, 0.2, 0.6, 0.6), 0.95, {}, landmarks)


def on_trial(kit: Kit) -> tuple[Stream, int]:
    stream = kit.open()
    stream.session.try_gesture("fan", constant_classifier("fan"))
    return stream, stream.join(labels=["fan"])


def show(kit: Kit, stream: Stream, key: int) -> str:
    """Shows the gesture until its reaction starts; returns the id of the reaction."""
    for _ in range(100):
        kit.analyse(stream, key, [hand()])
        if ("fan", Phase.STARTED) in stream.phases():
            return stream.of(Reaction)[-1].reaction_id
    raise AssertionError("expected the gesture on trial to start")


def test_the_reaction_of_a_trial_that_is_over_can_be_dismissed() -> None:
    kit = Kit()
    stream, key = on_trial(kit)
    reaction_id = show(kit, stream, key)
    stream.session.try_gesture(None)
    stream.session.dismiss("alice", reaction_id)
    # The end of the trial ended it, once.
    assert [each.end_reason for each in stream.of(Reaction) if each.phase is Phase.ENDED] == [
        EndReason.NOT_ALLOWED
    ]


def test_consent_to_a_trial_ends_with_it() -> None:
    kit = Kit()
    stream, _ = on_trial(kit)
    stream.session.try_gesture(None)
    before = stream.counts().dropped
    stream.send()
    assert stream.counts().dropped["not_allowed"] == before.get("not_allowed", 0) + 1


async def test_reactions_end_where_frames_stop_also_after_a_trial_began() -> None:
    kit = Kit()
    async with looking(kit):
        stream = kit.open()
        key = stream.join()
        stream.session.try_gesture("fan", constant_classifier("fan"))
        kit.smile(stream, key)
        await passes(kit, 5.0)
        await turn()
        assert stream.of(Reaction)[-1].end_reason == EndReason.NO_FRAMES


def test_who_speaks_when_a_trial_begins_still_speaks() -> None:
    kit = Kit()
    stream = kit.open(speaking_suppresses_hands=True)
    key = stream.join(labels=["smile"])
    stream.session.speaking("alice", True)
    stream.session.try_gesture("fan", constant_classifier("fan"))
    stream.session.allow("alice", ["smile", "fan"])
    for _ in range(40):
        kit.analyse(stream, key, [hand()])
    assert ("fan", Phase.STARTED) not in stream.phases()
    stream.session.speaking("alice", False)
    show(kit, stream, key)


def test_nothing_is_told_of_a_frame_after_consent_is_gone() -> None:
    kit = Kit()
    stream = kit.open()
    key = stream.join()
    seen: list[object] = []
    stream.session.watch_hands(seen.append)
    stream.send()
    kit.decoded(key)
    stream.session.allow("alice", [])
    kit.detected(key, [*SMILE, hand()])
    assert seen == []
