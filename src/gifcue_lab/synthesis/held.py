"""What a moving hand holds.

In: a `Cutout` and its photograph. Out: the same with a cup or a telephone drawn behind the fingers.
"""

from __future__ import annotations

import cv2
import numpy as np

from gifcue_lab.synthesis.cutouts import Cutout
from gifcue_lab.synthesis.script import Held
from gifcue_lab.synthesis.subjects import Still
from gifcue_lab.training.compositing import FINGERTIPS
from gifcue_lab.training.samples import Floats, Image

# A cup's width and height in face heights, the share of it above the hand, and its colour.
CUP_FACES, CUP_OVER, CUP_COLOUR = (0.42, 0.6), 0.65, (214, 208, 196)
# The same of a telephone.
PHONE_FACES, PHONE_OVER, PHONE_COLOUR = (0.36, 0.75), 0.3, (38, 38, 42)


def with_held(hand: Cutout, still: Still, held: Held) -> Cutout:
    """The hand with what it holds. `hand` must be the whole photograph of `still`."""
    if not held:
        return hand
    points, face = still.hands[0].landmarks, still.face
    assert points is not None
    # Sized by the face, or by the hand if there is no face.
    tall = float(face.box[3] - face.box[1]) if face is not None else float(np.ptp(points[:, 1]))
    x, top = float(points[list(FINGERTIPS), 0].mean()), float(points[:, 1].min())
    mask, colour = _cup(hand, x, top, tall) if held == "cup" else _phone(hand, x, top, tall)
    picture = np.asarray(np.clip(hand.picture * hand.alpha + colour * (1 - hand.alpha), 0, 255), np.uint8)
    soft = np.asarray(cv2.GaussianBlur(mask, (0, 0), 0.8), np.float32)[..., None]
    return Cutout(picture, np.maximum(hand.alpha, soft), hand.elbow)


def _cup(hand: Cutout, x: float, top: float, tall: float) -> tuple[Floats, Floats]:
    """The mask [H, W] and the colours [1, W, 3] of a cup with its rim above the fingers."""
    wide, high = CUP_FACES[0] * tall, CUP_FACES[1] * tall
    rim = top - CUP_OVER * high
    mask = np.zeros(hand.alpha.shape[:2], np.float32)
    # Narrower at the bottom.
    corners = [
        (x - wide / 2, rim),
        (x + wide / 2, rim),
        (x + 0.38 * wide, rim + high),
        (x - 0.38 * wide, rim + high),
    ]
    cv2.fillConvexPoly(mask, np.round(corners).astype(np.int32), 1.0)
    cv2.ellipse(mask, (round(x), round(rim)), (round(wide / 2), round(0.12 * wide)), 0, 0, 360, 1.0, -1)
    return mask, _shaded(hand.picture, x, wide, CUP_COLOUR)


def _phone(hand: Cutout, x: float, top: float, tall: float) -> tuple[Floats, Floats]:
    """The mask [H, W] and the colours [1, W, 3] of an upright telephone behind the fingers."""
    wide, high = PHONE_FACES[0] * tall, PHONE_FACES[1] * tall
    upper = top - PHONE_OVER * high
    mask = np.zeros(hand.alpha.shape[:2], np.float32)
    first, last = (round(x - wide / 2), round(upper)), (round(x + wide / 2), round(upper + high))
    cv2.rectangle(mask, first, last, 1.0, -1)
    return mask, _shaded(hand.picture, x, 3.0 * wide, PHONE_COLOUR)


def _shaded(picture: Image, x: float, wide: float, colour: tuple[int, int, int]) -> Floats:
    """Shaded like a cylinder lit from one side."""
    across = (np.arange(picture.shape[1], dtype=np.float32) - np.float32(x)) / np.float32(wide)
    shade = np.float32(1.0) - np.float32(0.9) * (across + np.float32(0.15)) ** 2
    return np.asarray(np.array(colour, np.float32) * shade[None, :, None], np.float32)
