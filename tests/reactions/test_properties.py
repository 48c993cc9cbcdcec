"""Properties of the policy for any detections."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from gifcue.detect.regions import Region
from gifcue.reactions import Phase, PolicyEvent, ReactionSettings, policy_preset
from tests.support.people import face, hand, policy

LABELS = policy_preset("normal").reaction_labels
share = st.floats(0.0, 1.0)
hands = st.builds(
    hand, x=share, y=share, size=st.floats(0.0, 0.3), score=share, landmarks=st.booleans(), wave=share,
    ok_hand=share, thumbs_up=share,
)  # fmt: skip
faces = st.builds(face, x=share, y=share, size=st.floats(0.0, 0.5), smile=share, thinking=share)
# Runs of three equal frames, so that poses are held.
frame = st.lists(st.one_of(hands, faces, st.just(hand(thumbs_up=0.97)), st.just(face(smile=0.9))), max_size=4)
step = st.tuples(
    st.one_of(st.floats(0.02, 0.4), st.sampled_from([0.0, -0.1, -5.0, 3.0, 0.1, 0.1])),
    st.one_of(st.none(), frame, st.just([hand(thumbs_up=0.97), face(smile=0.9)])),
    st.one_of(st.none(), st.none(), st.none(), st.booleans(), st.frozensets(st.sampled_from(LABELS))),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(step, max_size=60),
    st.frozensets(st.sampled_from(LABELS)),
    st.sampled_from(["careful", "normal", "playful"]),
    st.sampled_from(["all", "largest", "centre"]),
)
def test_every_reaction_that_begins_ends_and_has_an_allowed_label(
    steps: list[tuple[float, list[Region] | None, bool | frozenset[str] | None]],
    allowed: frozenset[str],
    preset: str,
    subject: str,
) -> None:
    made = policy(ReactionSettings.model_validate({"preset": preset, "subject": subject}), allowed)
    events: list[PolicyEvent] = []
    at_s = 10.0
    for elapsed_s, shown, change in steps:
        at_s += elapsed_s
        if isinstance(change, frozenset):
            ending = made.set_allowed(change, at_s)
            assert all(event.phase in (Phase.ENDED, Phase.CANCELLED) for event in ending)
            events += ending
            allowed = change
        elif change is not None:
            events += made.set_speaking(change, at_s)
        now = made.inherit(at_s) if shown is None else made.observe(shown, at_s)
        assert all(event.label in allowed for event in now)
        events += now
    events += made.finish(at_s, "left")
    assert not made.holding
    by_id: dict[str, list[PolicyEvent]] = defaultdict(list)
    for event in events:
        assert 0.0 <= event.progress <= 1.0
        assert 0.0 <= event.score <= 1.0
        assert (event.reason != "") == (event.phase in (Phase.ENDED, Phase.CANCELLED))
        by_id[event.reaction_id].append(event)
    for own in by_id.values():
        assert len({event.label for event in own}) == 1
        after = [event.phase for event in own if event.phase is not Phase.HOLDING]
        assert after in ([Phase.CANCELLED], [Phase.STARTED, Phase.ENDED])
        held = [event.phase for event in own[: len(own) - len(after)]]
        assert all(phase is Phase.HOLDING for phase in held)
    for label in LABELS:
        phases = [e.phase for e in events if e.label == label and e.phase in (Phase.STARTED, Phase.ENDED)]
        assert phases == [Phase.STARTED, Phase.ENDED] * (len(phases) // 2)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.01, 0.34), st.booleans()), min_size=1, max_size=60),
    st.sampled_from(["careful", "normal", "playful"]),
)
def test_nothing_fires_before_its_dwell_at_any_sampling(
    frames: list[tuple[float, bool]], preset: str
) -> None:
    chosen = policy_preset(preset)
    label = chosen.labels["thumbs_up"]
    made = policy(chosen)
    at_s, first_s = 0.0, None
    for elapsed_s, is_shown in frames:
        at_s += elapsed_s
        events = made.observe([hand(thumbs_up=0.97)] if is_shown else [], at_s)
        if is_shown and first_s is None:
            first_s = at_s
        if any(event.phase is Phase.STARTED for event in events):
            assert is_shown, "it fires on a frame that shows it"
            assert first_s is not None
            assert at_s - first_s >= label.dwell_s - 1e-5
            break


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0.1, 0.33), min_size=30, max_size=40))
def test_a_hold_fires_at_the_first_frame_after_its_dwell_at_any_sampling(steps: list[float]) -> None:
    made = policy()
    at_s, fired_s, at = 0.0, None, []
    for elapsed_s in steps:
        at.append(at_s)
        if any(event.phase is Phase.STARTED for event in made.observe([hand(thumbs_up=0.97)], at_s)):
            fired_s = at_s
            break
        at_s += elapsed_s
    assert fired_s == next(each for each in at if each >= 0.5 - 1e-6)
