from __future__ import annotations

import math
import random

import pytest

from gifcue.detect.regions import Region
from gifcue.reactions import Phase, ReactionSettings
from gifcue.reactions.label_settings import SwingSettings
from gifcue.reactions.motion import Sample, swings
from tests.support.people import Scene, face, hand, phases, play, policy, started, times

SIZE = 0.1  # width of the hand


def waving(hz: float, reach: float, *, size: float = SIZE, noise: float = 0.0, **more: bool) -> Scene:
    """A palm that swings by `reach` of its widths from side to side, at the given frequency per second."""
    randomness = random.Random(3)

    def scene(at_s: float) -> list[Region]:
        x = 0.5 + 0.5 * reach * size * math.sin(math.tau * hz * at_s)
        jitter = [randomness.gauss(0.0, noise * size) for _ in range(2)]
        return [hand(x + jitter[0], 0.3 + jitter[1], size, wave=0.85, **more)]

    return scene


@pytest.mark.parametrize("fps", [5.0, 7.0, 10.0])
@pytest.mark.parametrize(
    ("hz", "reach"), [(0.4, 3.0), (0.8, 1.0), (0.8, 3.0), (1.3, 1.0), (1.3, 3.0), (1.9, 1.0)]
)
@pytest.mark.parametrize("landmarks", [False, True])
def test_a_waving_palm_is_a_wave(fps: float, hz: float, reach: float, landmarks: bool) -> None:
    events = play(policy(), waving(hz, reach, landmarks=landmarks), times(8.0, fps))
    assert started(events) == ["wave"]
    first = next(event for event in events if event.phase is Phase.STARTED)
    # Three swings and the dwell, and the frames between which the turning points fall.
    assert first.at_s <= 0.6 + 1.75 / hz + 2 / fps


def test_a_slow_wave_is_found_in_many_frames_a_second() -> None:
    assert started(play(policy(), waving(0.3, 4.0), times(9.0, 60.0))) == ["wave"]


def test_a_fast_wave_starts_early() -> None:
    events = play(policy(), waving(2.0, 1.0), times(4.0))
    assert next(event.at_s for event in events if event.phase is Phase.STARTED) <= 1.0


@pytest.mark.parametrize("fps", [3.0, 4.0])
@pytest.mark.parametrize("hz", [0.7, 1.1, 1.7, 2.3])
def test_a_wave_is_found_in_few_frames_a_second(fps: float, hz: float) -> None:
    assert started(play(policy(), waving(hz, 1.5), times(8.0, fps))) == ["wave"]


def test_a_wave_is_found_at_irregular_times() -> None:
    randomness = random.Random(5)
    at, now_s = [], 0.0
    while now_s < 6.0:
        at.append(now_s)
        now_s += randomness.uniform(0.1, 0.33)
    assert started(play(policy(), waving(1.2, 1.5), at)) == ["wave"]


@pytest.mark.parametrize("preset", ["careful", "normal", "playful"])
@pytest.mark.parametrize("fps", [3.0, 10.0, 30.0])
@pytest.mark.parametrize("landmarks", [False, True])
def test_an_open_palm_held_still_is_never_a_wave(preset: str, fps: float, landmarks: bool) -> None:
    made = policy(ReactionSettings(preset=preset))
    events = play(made, waving(1.0, 0.0, noise=0.03, landmarks=landmarks), times(10.0, fps))
    assert events == []
    assert not made.holding, "a still palm keeps no filter from skipping"


def test_a_palm_that_moves_up_and_down_is_no_wave() -> None:
    def scene(at_s: float) -> list[Region]:
        swing = math.sin(math.tau * 1.5 * at_s)
        return [hand(0.5 + 0.02 * swing, 0.4 + 0.1 * swing, wave=0.9)]

    assert started(play(policy(), scene, times(6.0))) == []


def test_a_palm_that_only_passes_is_no_wave() -> None:
    assert started(play(policy(), lambda at_s: [hand(0.1 + 0.15 * at_s, wave=0.9)], times(5.0))) == []


def test_a_single_swing_is_no_wave() -> None:
    def scene(at_s: float) -> list[Region]:
        return [hand(0.5 + (0.1 * math.sin(math.tau * at_s) if at_s < 0.5 else 0.0), wave=0.9)]

    assert started(play(policy(), scene, times(4.0))) == []


@pytest.mark.parametrize("hz", [0.5, 1.0, 2.0])
def test_a_body_that_sways_or_a_camera_that_shakes_is_no_wave(hz: float) -> None:
    def scene(at_s: float) -> list[Region]:
        sway = 0.05 * math.sin(math.tau * hz * at_s)
        return [face(0.5 + sway, 0.4), hand(0.25 + sway, 0.5, wave=0.9)]

    assert started(play(policy(), scene, times(8.0))) == []


def test_a_wave_before_a_body_that_sways_is_one() -> None:
    def scene(at_s: float) -> list[Region]:
        sway = 0.05 * math.sin(math.tau * 0.3 * at_s)
        wave = 0.06 * math.sin(math.tau * 1.5 * at_s)
        return [face(0.5 + sway, 0.4), hand(0.25 + sway + wave, 0.5, wave=0.9)]

    assert started(play(policy(), scene, times(4.0))) == ["wave"]


def test_a_fist_that_moves_from_side_to_side_is_no_wave() -> None:
    def scene(at_s: float) -> list[Region]:
        return [hand(0.5 + 0.06 * math.sin(math.tau * 1.5 * at_s), wave=0.2)]

    assert play(policy(), scene, times(5.0)) == []


def test_blurred_frames_do_not_break_a_wave() -> None:
    randomness = random.Random(9)

    def scene(at_s: float) -> list[Region]:
        x = 0.5 + 0.06 * math.sin(math.tau * 1.5 * at_s)
        return (
            [hand(x, 0.3, wave=0.9 if randomness.random() < 0.75 else 0.2)]
            if randomness.random() < 0.9
            else []
        )

    assert started(play(policy(), scene, times(6.0))) == ["wave"]


@pytest.mark.parametrize(("share", "expected"), [(0.35, ["wave"]), (0.6, [])])
def test_a_palm_that_is_a_blur_at_its_fastest_is_a_wave_by_its_motion(
    share: float, expected: list[str]
) -> None:
    """The palm is recognised only near the turning points: in two frames of five."""

    def scene(at_s: float) -> list[Region]:
        phase = math.sin(math.tau * 0.9 * at_s)
        return [hand(0.5 + 0.15 * phase, wave=0.85 if abs(phase) > 0.8 else 0.35)]

    settings = ReactionSettings.model_validate({"labels": {"wave": {"min_vote_share": share}}})
    assert started(play(policy(settings), scene, times(6.0))) == expected


def test_a_wave_ends_when_the_palm_comes_to_rest_and_may_come_again() -> None:
    def scene(at_s: float) -> list[Region]:
        moves = at_s % 8.0 < 2.0
        return [hand(0.5 + (0.06 * math.sin(math.tau * 1.5 * at_s) if moves else 0.0), wave=0.9)]

    events = play(policy(), scene, times(16.0))
    assert [each for each in phases(events) if each != "holding"] == ["started", "ended", "started", "ended"]
    ended = next(event for event in events if event.phase is Phase.ENDED)
    assert 2.0 < ended.at_s <= 3.1


def test_a_wave_broken_off_is_cancelled() -> None:
    def scene(at_s: float) -> list[Region]:
        return [hand(0.5 + 0.06 * math.sin(math.tau * 1.5 * at_s), wave=0.9)] if at_s < 0.45 else []

    assert phases(play(policy(), scene, times(3.0))) == ["holding", "cancelled"]


def test_skipped_frames_mean_no_motion() -> None:
    def scene(at_s: float) -> list[Region] | None:
        return [hand(0.5, 0.3, wave=0.9)] if at_s < 0.2 else None

    assert play(policy(), scene, times(1.9)) == []


def test_intermittent_landmarks_are_no_motion() -> None:
    def scene(at_s: float) -> list[Region]:
        shown = round(at_s * 10) % 2 == 0
        region = hand(0.5, 0.3, wave=0.9, landmarks=shown)
        if region.landmarks is not None:
            region.landmarks[:, 0] += 0.06
        return [region]

    assert play(policy(), scene, times(4.0)) == []


def _samples(xs: list[float]) -> list[Sample]:
    return [Sample(number / 10, x * SIZE, 0.5, SIZE, SIZE) for number, x in enumerate(xs)]


SWINGS = SwingSettings(min_travel=0.3)


def test_swings_are_counted_from_turn_to_turn() -> None:
    found = swings(_samples([0, 0, 0.5, 1.0, 1.0, 0.5, 0, 0.05, 0.6]), SWINGS)
    assert [(round(each.travel, 2), each.begun_s, each.ended_s) for each in found] == [
        (1.0, 0.1, 0.3),
        (1.0, 0.4, 0.6),
        (0.55, 0.7, 0.8),
    ]


def test_jitter_is_no_swing() -> None:
    assert swings(_samples([0, 0.1, -0.1, 0.15, -0.1, 0.1]), SWINGS) == []
    assert swings(_samples([0.0]), SWINGS) == []
    assert swings([], SWINGS) == []


def test_the_last_swing_counts_once_the_hand_has_turned_round() -> None:
    # Two full swings, and a third that has covered 0.1, then 0.2 hand widths, of at least 0.3.
    begun = [0, 0, 0.3, 0.6, 0.3, 0, 0.1]
    assert len(swings(_samples(begun), SWINGS)) == 2
    under_way = swings(_samples([*begun, 0.2]), SWINGS)
    assert [round(each.travel, 2) for each in under_way] == [0.6, 0.6, 0.2]
    assert (under_way[-1].begun_s, under_way[-1].ended_s) == (0.5, 0.7)


def test_after_a_wide_swing_more_of_the_next_must_be_done() -> None:
    begun = [0, 0, 0.5, 1.0, 0.5, 0, 0.1, 0.2]
    assert len(swings(_samples(begun), SWINGS)) == 2
    assert len(swings(_samples([*begun, 0.26]), SWINGS)) == 3


@pytest.mark.parametrize("fps", [10.0, 30.0])
@pytest.mark.parametrize("seed", range(40))
def test_a_trembling_palm_that_was_put_out_and_taken_back_is_no_wave(fps: float, seed: int) -> None:
    randomness = random.Random(seed)
    takes_s = randomness.uniform(0.4, 0.8)

    def scene(at_s: float) -> list[Region]:
        x = 0.5 + (0.1 * math.sin(math.pi * at_s / takes_s) if at_s < takes_s else 0.0)
        jitter = [randomness.gauss(0.0, 0.03 * SIZE) for _ in range(2)]
        return [hand(x + jitter[0], 0.4 + jitter[1], SIZE, wave=0.9)]

    assert started(play(policy(), scene, times(3.0, fps))) == []


def test_many_swings_may_be_asked_for() -> None:
    settings = ReactionSettings.model_validate({"swings": {"min_swings": 12}})

    def scene(at_s: float) -> list[Region]:
        return [hand(0.5 + 0.1 * math.sin(2 * math.pi * 0.5 * at_s), 0.4, SIZE, wave=0.9)]

    events = play(policy(settings), scene, times(20.0, 30.0))
    assert started(events) == ["wave"]
    assert next(event.at_s for event in events if event.phase is Phase.STARTED) > 10.0


def test_how_long_a_palm_is_expected_to_move_can_be_set() -> None:
    for expect_s in (0.5, 2.0):
        waiting = policy(ReactionSettings.model_validate({"swings": {"expect_s": expect_s}}))
        asked = []
        for at_s in times(3.0):
            waiting.observe([hand(0.3, 0.4, SIZE, wave=0.9)], at_s)
            asked.append(waiting.holding)
        assert sum(asked) == pytest.approx(expect_s * 10, abs=1)


def test_when_a_hand_has_left_its_turning_point_can_be_set() -> None:
    rest = [0, 0, 0.3, 0.6, 0.55, 0.5, 0.45, 0.3, 0]
    (_, slow), (_, soon) = (
        swings(_samples(rest), SwingSettings(min_travel=0.3, turning_share=share)) for share in (0.0, 1.0)
    )
    assert slow.begun_s < soon.begun_s


def test_a_chin_begins_before_it_ends() -> None:
    with pytest.raises(ValueError, match="chin_bottom to be over chin_top"):
        ReactionSettings.model_validate({"placement": {"chin_top": 0.9, "chin_bottom": 0.5}})
