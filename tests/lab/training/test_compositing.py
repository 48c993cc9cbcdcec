"""Hands of one photograph pasted at the face of another."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gifcue_lab.training.compositing import HandDonors, beside_point
from gifcue_lab.training.samples import Photo, Sample

SIDE = 96
FACE = np.array([[30, 20], [66, 20], [48, 60]], np.float32)


def hand_at_chin(attribute: str, *, hand_y: float = 84.0) -> tuple[Photo, np.ndarray]:
    """A dark picture with a white hand below the middle of the face's box."""
    picture = np.full((120, 120, 3), 20, np.uint8)
    corners = np.array([48, hand_y, 72, hand_y + 30], np.float32)
    picture[round(hand_y) : round(hand_y) + 30, 48:72] = 255
    points = np.stack(
        [
            np.tile([50.0, 60.0, 70.0], 7),
            np.repeat(np.linspace(hand_y + 28, hand_y + 2, 7), 3),
            np.zeros(21),
        ],
        1,
    ).astype(np.float32)
    samples = [
        Sample("face", np.array([40, 30, 80, 80], np.float32), attribute),
        Sample("hand", corners, "", points),
    ]
    return Photo("p0", "p0/a", Path("a.jpg"), 120, 120, samples), picture


def test_a_hand_is_pasted_where_it_was_photographed() -> None:
    photo, picture = hand_at_chin("thinking")
    donors = HandDonors([photo], [picture])
    assert donors.has_thinking
    across = []
    for seed in range(20):
        crop = np.full((SIDE, SIDE, 3), 90, np.uint8)
        # The hand takes on the tone that the face has at its landmarks.
        crop[[20, 20, 60], [30, 66, 48]] = 250
        pasted = donors.paste_as_photographed(crop, FACE, np.random.default_rng(seed))
        rows, columns = np.nonzero(np.abs(pasted.astype(int) - crop).max(2) > 100)
        # The face is 40 pixels high with its middle at (48, 40); the hand begins 8 % of that below the chin.
        across.append(columns.mean())
        assert 50 < rows.min() < 72
        assert rows.max() > 70
    assert abs(np.mean(across) - 48) < 5
    assert np.abs(np.array(across) - 48).max() < 25


def test_only_hands_at_faces_labelled_thinking_are_pasted_so() -> None:
    near = hand_at_chin("neutral")
    assert not HandDonors([near[0]], [near[1]]).has_thinking
    far = hand_at_chin("thinking", hand_y=118.0)
    assert not HandDonors([far[0]], [far[1]]).has_thinking


def test_hands_at_faces_that_show_no_label_are_pasted_as_not_thinking() -> None:
    cough, thinker = hand_at_chin(""), hand_at_chin("thinking")
    thinker[1][:] = 20  # its hand is invisible
    donors = HandDonors([cough[0], thinker[0]], [cough[1], thinker[1]])
    assert donors.has_thinking
    assert donors.has_not_thinking
    assert not HandDonors([thinker[0]], [thinker[1]]).has_not_thinking
    crop = np.full((SIDE, SIDE, 3), 90, np.uint8)
    crop[[20, 20, 60], [30, 66, 48]] = 250
    pasted = donors.paste_as_photographed(crop, FACE, np.random.default_rng(0), thinking=False)
    assert (pasted[60:].astype(int) - crop[60:] > 100).any()


def test_other_hands_are_off_the_chin_or_too_large_for_it() -> None:
    low, high = FACE.min(0), FACE.max(0)
    width, height = high - low
    middle = (low[0] + high[0]) / 2
    seen = set()
    for seed in range(300):
        (x, y), (least, most) = beside_point(FACE, np.random.default_rng(seed))
        if abs(x - middle) > width:
            seen.add("beside")
        elif y > high[1] + 0.15 * height:
            seen.add("below")
        elif least > 1.0:
            seen.add("near the camera")
        else:
            seen.add("before eyes or mouth")
            assert y <= low[1] + 0.6 * height
        assert 0 < least < most
    assert seen == {"beside", "below", "near the camera", "before eyes or mouth"}
