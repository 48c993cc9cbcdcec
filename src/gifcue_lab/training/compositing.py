"""Composed pictures: a hand from one photograph laid at the face of another.

Some fifty people thinking are too few to learn from. A closed hand under a chin or at a cheek is what makes the
pose, so it is made: the hand is cut out along the hull of its landmarks, with some forearm. It is that of
somebody who thinks, where it was at that face, or any closed hand that comes from below. The same hands laid
beside a face, or before its eyes, are what must not be taken for it.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from gifcue_lab.training.samples import UNKNOWN, Image, Photo, Sample

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

# Numbers of MediaPipe's hand.
WRIST, MIDDLE_KNUCKLE = 0, 9
FINGERTIPS = (8, 12, 16, 20)
KNUCKLES = (5, 9, 13, 17)
# A hand whose fingertips are, on average, no farther from the wrist than this many times its knuckles is
# closed.
CLOSED_RATIO = 1.45
# Numbers of MediaPipe's face: where a thinking hand touches.
CHIN_AND_JAW = (152, 150, 379, 172, 397)
# How long a hand is, from the wrist to the farthest fingertip, in heights of the face (brows to chin).
AT_THE_FACE, NEARER, NEAR_THE_CAMERA = (0.55, 0.95), (0.55, 1.3), (1.2, 1.8)


class Donors:
    """Hands that come from below, to be laid at faces. Safe to call from several threads."""

    def __init__(self, photos: Sequence[Photo], images: Sequence[Image]) -> None:
        self._images = images
        hands = [
            (number, sample)
            for number, photo in enumerate(photos)
            for sample in photo.of_kind("hand")
            if sample.landmarks is not None and _rises(sample)
        ]
        self._open = hands
        self._closed = [
            (number, sample)
            for number, sample in hands
            if sample.attribute not in ("wave", UNKNOWN) and _is_closed(sample)
        ]
        self._thinking = [
            (number, hand, face.box)
            for number, photo in enumerate(photos)
            for face in photo.of_kind("face")
            if face.attribute == "thinking"
            for hand in photo.of_kind("hand")
            if hand.landmarks is not None and _is_at(hand.box, face.box)
        ]

    def __len__(self) -> int:
        return len(self._closed)

    @property
    def has_thinking(self) -> bool:
        """Whether there is a hand of somebody who thinks."""
        return len(self._thinking) > 0

    def lay_as_seen(self, crop: Image, face: Floats, rng: np.random.Generator) -> Image:
        """Lays the hand of somebody who thinks on a face crop [S, S, 3], about where it was at that face.

        `face` are the face's landmarks in crop pixels.
        """
        number, hand, box = self._thinking[int(rng.integers(len(self._thinking)))]
        low, high = face.min(0), face.max(0)
        scale = float((high - low)[1] / max(1.0, box[3] - box[1])) * float(np.exp(rng.normal(0, 0.1)))
        angle = np.radians(rng.normal(0, 8))
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        if rng.random() < 0.5:
            turn[:, 0] = -turn[:, 0]
        middle = (low + high) / 2 + rng.normal(0, 0.05, 2) * (high - low)
        offset = middle - turn @ ((box[:2] + box[2:]) / 2)
        return self._paste(crop, face, number, hand, turn, offset)

    def lay(
        self,
        crop: Image,
        face: Floats,
        touch: tuple[float, float],
        rng: np.random.Generator,
        *,
        closed: bool,
        sizes: tuple[float, float] = AT_THE_FACE,
    ) -> Image:
        """Lays a hand on a face crop [S, S, 3] so that its top is at `touch` (x, y, crop pixels).

        `sizes` are the least and the greatest length of the hand, in heights of the face; `face` are the
        face's landmarks in crop pixels; they give the hand's size and tone.
        """
        hands = self._closed if closed else self._open
        number, sample = hands[int(rng.integers(len(hands)))]
        points = sample.landmarks
        assert points is not None
        flat = points[:, :2].astype(np.float64)
        length = float(np.ptp(flat, axis=0).max())
        face_height = float(np.ptp(face[:, 1]))
        scale = face_height * float(rng.uniform(*sizes)) / max(length, 1.0)
        angle = np.radians(rng.uniform(-35, 35))
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        if rng.random() < 0.5:
            turn[:, 0] = -turn[:, 0]
        # The top of the hand touches: the rest of it hangs below the chin and does not cover the mouth.
        heights = (flat @ turn.T)[:, 1]
        anchor = flat[np.argsort(heights)[:3]].mean(0)
        return self._paste(crop, face, number, sample, turn, np.array(touch) - turn @ anchor)

    def _paste(
        self, crop: Image, face: Floats, number: int, hand: Sample, turn: Doubles, offset: Doubles
    ) -> Image:
        """The hand of photograph `number`, mapped by `turn` [2, 2] and `offset` [2], in the tone of the face."""
        assert hand.landmarks is not None
        flat = hand.landmarks[:, :2].astype(np.float64)
        size = crop.shape[1], crop.shape[0]
        outline = _with_forearm(flat) @ turn.T + offset
        length = float(np.ptp(flat @ turn.T, axis=0).max())
        soft = _mask(outline, crop.shape[0], max(1, round(0.07 * length)))
        matrix = np.concatenate([turn, offset[:, None]], 1)
        warped = cv2.warpAffine(self._images[number], matrix, size, borderMode=cv2.BORDER_REPLICATE)
        tone = _tone(crop, face) / np.maximum(_tone(np.asarray(warped, np.uint8), outline), 20.0)
        laid = np.clip(warped.astype(np.float32) * np.clip(tone, 0.4, 2.5), 0, 255)
        return np.asarray(laid * soft + crop * (1 - soft), np.uint8)


def transplant(crop: Image, hand: Floats, background: Image, rng: np.random.Generator) -> Image:
    """Puts the hand of a crop [S, S, 3] before another background of the same size.

    `hand` are its landmarks [21, 2 or 3] in crop pixels. What the network may know of a gesture then comes
    from the hand: few people make some of them, each before one wall.
    """
    flat = hand[:, :2].astype(np.float64)
    length = float(np.ptp(flat, axis=0).max())
    mask = _mask(_with_forearm(flat), crop.shape[0], max(1, round(float(rng.uniform(0.06, 0.14)) * length)))
    return np.asarray(crop * mask + background * (1 - mask), np.uint8)


def touch_point(face: Floats, order: Sequence[int], rng: np.random.Generator) -> tuple[float, float]:
    """A place at chin or jaw, from landmarks [N, 2] whose mesh numbers are `order`."""
    place = face[list(order).index(int(rng.choice(CHIN_AND_JAW)))]
    reach = float(np.ptp(face[:, 1]))
    return float(place[0] + rng.normal(0, 0.06) * reach), float(place[1] + rng.normal(0.04, 0.06) * reach)


def beside_point(face: Floats, rng: np.random.Generator) -> tuple[tuple[float, float], tuple[float, float]]:
    """A place for the top of a hand that is not thinking, and its sizes: beside the face, before its eyes or
    mouth, below the chin, or so near the camera that it is larger than a hand at the chin can be.
    """
    low, high = face.min(0), face.max(0)
    middle, reach = (low + high) / 2, high - low
    where = rng.random()
    if where < 0.3:
        return (float(middle[0]), float(low[1] + rng.uniform(0.0, 0.6) * reach[1])), AT_THE_FACE
    across = float(middle[0] + rng.uniform(-0.6, 0.6) * reach[0])
    if where < 0.45:
        return (across, float(high[1] + rng.uniform(0.2, 0.6) * reach[1])), NEARER
    if where < 0.6:
        return (across, float(low[1] + rng.uniform(0.5, 1.1) * reach[1])), NEAR_THE_CAMERA
    side = 1.0 if rng.random() < 0.5 else -1.0
    place = (
        middle[0] + side * reach[0] * rng.uniform(1.05, 1.5),
        middle[1] + reach[1] * rng.uniform(-0.4, 0.6),
    )
    return (float(place[0]), float(place[1])), NEARER


def _is_at(hand: Floats, face: Floats) -> bool:
    """Whether a third of a hand's box lies in the face's, or just below or beside it."""
    reach = face[2:] - face[:2]
    low, high = face[:2] - 0.25 * reach, face[2:] + np.array([0.25, 0.6]) * reach
    sides = np.minimum(hand[2:], high) - np.maximum(hand[:2], low)
    return bool(sides.min() > 0 and sides.prod() > 0.3 * (hand[2:] - hand[:2]).prod())


def _is_closed(sample: Sample) -> bool:
    points = sample.landmarks
    assert points is not None
    flat = points[:, :2]
    tips = np.linalg.norm(flat[list(FINGERTIPS)] - flat[WRIST], axis=1).mean()
    knuckles = np.linalg.norm(flat[list(KNUCKLES)] - flat[WRIST], axis=1).mean()
    return bool(tips < CLOSED_RATIO * knuckles)


def _rises(sample: Sample) -> bool:
    """Whether the hand comes from below, and is large enough to be laid elsewhere."""
    points = sample.landmarks
    assert points is not None
    flat = points[:, :2]
    knuckles = np.linalg.norm(flat[list(KNUCKLES)] - flat[WRIST], axis=1).mean()
    return bool(np.ptp(flat, axis=0).max() > 40 and flat[WRIST, 1] - flat[MIDDLE_KNUCKLE, 1] > 0.6 * knuckles)


def _with_forearm(points: Doubles) -> Doubles:
    down = points[WRIST] - points[MIDDLE_KNUCKLE]
    across = np.array([-down[1], down[0]]) * 0.3
    return np.concatenate([points, [points[WRIST] + down + across, points[WRIST] + down - across]])


def _mask(points: Doubles, size: int, grow: int) -> Floats:
    """1 within the hull of the points, grown by `grow` pixels, 0 outside, soft between: [size, size, 1]."""
    outline = cv2.convexHull(points.astype(np.float32))[:, 0]
    mask = np.zeros((size, size), np.uint8)
    cv2.fillConvexPoly(mask, np.round(outline * 8).astype(np.int32), 255, cv2.LINE_AA, 3)
    mask = np.asarray(cv2.dilate(mask, np.ones((2 * grow + 1, 2 * grow + 1), np.uint8)), np.uint8)
    soft = cv2.GaussianBlur(mask, (0, 0), max(0.5, grow / 3)).astype(np.float32) / np.float32(255)
    return np.asarray(soft[..., None], np.float32)


def _tone(image: Image, points: npt.ArrayLike) -> Floats:
    """The mean colour along points (pixels) that lie within the image."""
    places = np.round(np.asarray(points, np.float64)[:, :2]).astype(int)
    height, width = image.shape[:2]
    inside = (places >= 0).all(1) & (places[:, 0] < width) & (places[:, 1] < height)
    if not inside.any():
        return np.full(3, 128.0, np.float32)
    seen = image[places[inside, 1], places[inside, 0]]
    return np.asarray(seen.mean(0), np.float32)
