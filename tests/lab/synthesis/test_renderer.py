"""Rendered frames."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gifcue_lab.synthesis import hand_motion
from gifcue_lab.synthesis.participants import Subjects
from gifcue_lab.synthesis.renderer import Renderer, pose
from gifcue_lab.synthesis.script import Key, Layer, Light, Segment, Sequence, Shot, Video
from gifcue_lab.synthesis.video import VideoReader
from gifcue_lab.training.samples import read_image
from tests.support.photographs import HAND_WIDTH, LEFT, SKIN

VIDEO = Video(320, 180, 10, "h264", 300_000, 2.0, None)
# The first of the person's photographs: an open palm on the left.
PALM = "a/00"

Draw = Callable[..., Renderer]


@pytest.fixture
def draw(subjects: Subjects) -> Draw:
    def draw(*shots: Shot, lights: tuple[Light, ...] = (), video: Video = VIDEO) -> Renderer:
        segment = Segment("meant", 0.0, shots[-1].end_s, shots, lights=lights)
        script = Sequence("a", "a/0", shots[-1].end_s, 7, video, (segment,))
        return Renderer(
            script,
            subjects.stills,
            lambda photo: read_image(photo.path),
            lambda name: VideoReader(Path(name)),
        )

    return draw


def skin(picture: np.ndarray) -> np.ndarray:
    """The positions of pixels with the hand's colour."""
    return np.abs(picture.astype(int) - SKIN).max(2) < 60


def fillers(subjects: Subjects, name: str) -> tuple[str, ...]:
    return next(person.fills[name].names for person in subjects.people if name in person.fills)


def test_a_background_has_no_hand_and_the_wall_stays(draw: Draw, subjects: Subjects) -> None:
    shown, hidden = Shot(0, 1, PALM), Shot(0, 1, PALM, fillers(subjects, PALM))
    with_hand, without = draw(shown).picture(shown, 0.0), draw(hidden).picture(hidden, 0.0)
    assert skin(with_hand).sum() > 400
    assert skin(without).sum() == 0
    far = np.abs(with_hand.astype(int) - without)[:, 100:]
    assert far.max() < 8


def test_a_wave_moves_from_side_to_side_and_stays_up(draw: Draw, subjects: Subjects) -> None:
    still, hz, travel = subjects.stills[PALM], 1.0, 1.0
    keys = hand_motion.wave(still, 0.0, 4.0, hz, travel, np.random.default_rng(1))
    shot = Shot(0, 4, PALM, fillers(subjects, PALM), layer=Layer(PALM, fillers(subjects, PALM), keys))
    renderer = draw(shot)
    xs, tops = [], []
    for at_s in np.arange(0.25, 3.9, 0.05):
        rows, columns = np.nonzero(skin(renderer.picture(shot, float(at_s)))[: LEFT[1] - 16])
        xs.append(columns.mean())
        tops.append(rows.min())
    turns = np.diff(np.sign(np.diff(xs)))
    # Twice a second for less than four seconds.
    assert 6 <= np.count_nonzero(turns) <= 8
    assert 0.6 * HAND_WIDTH < np.ptp(xs) < 1.3 * HAND_WIDTH
    assert np.ptp(tops) < 0.4 * HAND_WIDTH


def test_a_wave_stays_in_the_picture_and_off_the_face(subjects: Subjects) -> None:
    for name in ("a/00", "a/01"):
        still = subjects.stills[name]
        points = still.hands[0].landmarks
        assert points is not None
        assert still.face is not None
        for seed in range(20):
            keys = hand_motion.wave(still, 0.0, 3.0, 2.0, 1.6, np.random.default_rng(seed))
            palm = float(np.linalg.norm(points[0] - points[9]))
            shifts = [key.x + 4.2 * palm * np.sin(np.radians(key.angle_deg)) for key in keys]
            assert points[:, 0].min() + min(shifts) > -1
            assert points[:, 0].max() + max(shifts) < still.photo.width + 1
            on_left = points[:, 0].mean() < still.face.box[0]
            if on_left:
                assert points[:, 0].max() + max(shifts) < still.face.box[0] + HAND_WIDTH / 2
            else:
                assert points[:, 0].min() + min(shifts) > still.face.box[2] - HAND_WIDTH / 2


def test_a_palm_held_still_does_not_swing(draw: Draw, subjects: Subjects) -> None:
    still = subjects.stills[PALM]
    keys = (Key(0.0), *hand_motion.hold(still, 0.0, 3.0, np.random.default_rng(1)))
    shot = Shot(0, 3, PALM, fillers(subjects, PALM), layer=Layer(PALM, fillers(subjects, PALM), keys))
    renderer = draw(shot)
    xs = [np.nonzero(skin(renderer.picture(shot, at_s)))[1].mean() for at_s in np.arange(0.0, 3.0, 0.1)]
    assert np.ptp(xs) < 0.15 * HAND_WIDTH


def test_a_hand_comes_from_below_and_ends_where_it_was_photographed(draw: Draw, subjects: Subjects) -> None:
    still = subjects.stills[PALM]
    keys = hand_motion.rise(still, 0.0, 0.4)
    shot = Shot(0, 2, PALM, fillers(subjects, PALM), layer=Layer(PALM, fillers(subjects, PALM), keys))
    renderer = draw(shot)
    assert skin(renderer.picture(shot, 0.0)).sum() == 0
    there = renderer.picture(shot, 1.0)
    plain = Shot(0, 2, PALM)
    original = draw(plain).picture(plain, 1.0)
    assert np.abs(there.astype(int) - original)[skin(original)].mean() < 10


def test_a_cut_blends_where_it_is_told_to(draw: Draw, subjects: Subjects) -> None:
    empty = Shot(0, 1, "a/07")
    sharp = draw(empty, Shot(1, 2, PALM)).frame(1.0)
    blended = draw(empty, Shot(1, 2, PALM, fade_s=0.4)).frame(1.1)
    assert skin(sharp).sum() > 400
    assert skin(blended).sum() == 0
    before = draw(empty, Shot(1, 2, PALM, fade_s=0.4)).frame(0.9)
    assert np.abs(blended.astype(int) - before).max() > 20


def test_lighting_varies_over_time(draw: Draw) -> None:
    renderer = draw(Shot(0, 10, PALM), lights=(Light(2.0, 8.0, 1.0, gain=0.5),))
    means = [renderer.frame(at_s).mean() for at_s in (1.0, 2.5, 5.0, 9.0)]
    assert means[2] == pytest.approx(0.5 * means[0], rel=0.05)
    assert means[2] < means[1] < means[0]
    assert means[3] == pytest.approx(means[0], rel=0.02)


def test_a_frame_is_filled_or_has_bars(draw: Draw) -> None:
    shot = Shot(0, 1, PALM)
    bars = draw(shot).frame(0.0)
    assert bars[:, :20].mean() < 10
    filled = draw(shot, video=replace(VIDEO, cover=1.0)).frame(0.0)
    assert filled[:, :20].mean() > 20
    whole = Shot(0, 1, PALM, whole=True)
    assert draw(whole, video=replace(VIDEO, cover=1.0)).frame(0.0)[:, :20].mean() < 10


def test_only_the_body_sways_during_talking(draw: Draw) -> None:
    shot = Shot(0, 30, "a/07", talks=True)
    renderer = draw(shot)
    pictures = np.stack([renderer.picture(shot, at_s) for at_s in np.arange(0, 20, 0.37)]).astype(int)
    moved = np.ptp(pictures, axis=0).max(2)
    assert moved[40:60, 80:116].max() > 40
    assert moved[:, :20].max() < 12


def test_poses_are_eased_and_rest_at_their_ends() -> None:
    keys = (Key(1.0, 0.0), Key(2.0, 10.0, 4.0, 20.0))
    assert pose(keys, 0.0) == keys[0]
    assert pose(keys, 3.0) == keys[1]
    middle = pose(keys, 1.5)
    assert (middle.x, middle.y, middle.angle_deg) == pytest.approx((5.0, 2.0, 10.0))
    steps = [pose(keys, at_s).x for at_s in np.linspace(1, 2, 11)]
    assert all(b > a for a, b in itertools.pairwise(steps))


def test_fillers_whose_own_hands_are_in_the_way_leave_no_trace(draw: Draw) -> None:
    # The first background has a hand on the right, the second one on the left: the second covers the hand of the first.
    shot = Shot(0, 1, "a/01", ("a/03", "a/00"))
    picture = draw(shot).picture(shot, 0.0)
    empty = draw(Shot(0, 1, "a/07")).picture(Shot(0, 1, "a/07"), 0.0)
    assert np.abs(picture.astype(int) - empty).max() < 16


def test_drinking_shows_a_cup_at_the_mouth(draw: Draw, subjects: Subjects) -> None:
    fist, empty = subjects.stills["a/05"], subjects.stills["a/07"]
    assert empty.face is not None
    mouth = hand_motion.MOUTH
    keys = hand_motion.at_place(fist, empty.face.box, mouth, 0.0, 1.5, np.random.default_rng(1))
    bare = Layer("a/05", fillers(subjects, "a/05"), keys)
    shots = [Shot(0, 2.1, "a/07", layer=layer) for layer in (bare, replace(bare, held="cup"))]
    without, with_cup = (draw(shot).picture(shot, 1.0).astype(int) for shot in shots)
    left, top, right, bottom = empty.face.box.astype(int)
    lips = np.s_[(top + 2 * bottom) // 3 : bottom, (2 * left + right) // 3 : (left + 2 * right) // 3]
    assert np.abs(with_cup - without).max(2)[lips].mean() > 30
    assert np.abs(with_cup - without).max(2)[:top].max() < 10
