"""Removes hands from photographs, and cuts hands out of them.

In: `Still` objects of one scene and their pictures, uint8 RGB [H, W, 3]. Out: backgrounds (pictures without hands) and
`Cutout` objects.

A hand is replaced by the pixels of other photographs of the scene, whose hands are elsewhere. The difference between a
photograph and its background is the hand with its arm, which gives the mask of the cutout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from gifcue_lab.synthesis.subjects import Still
from gifcue_lab.training.cutting import MIDDLE_KNUCKLE, WRIST
from gifcue_lab.training.samples import Image, Sample

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

# Length and half width of the arm behind a hand, in palm lengths (wrist to middle knuckle).
ARM_PALMS = 4.0
ARM_HALF_WIDTH_PALMS = 0.55
ELBOW_PALMS = 3.2
# Indices of MediaPipe's hand landmarks, and the width of a finger in palm lengths.
PALM = (0, 1, 5, 9, 13, 17)
FINGERS = ((0, 1, 2, 3, 4), (5, 6, 7, 8), (9, 10, 11, 12), (13, 14, 15, 16), (17, 18, 19, 20))
FINGER_PALMS = 0.24
# Margin around a hand that is replaced too, for sleeves and shadows, as a share of the hand's size.
GROW_SHARE = 0.16
# Largest mean difference at the seam between a photograph and a filler, of 255.
MAX_SEAM = 20.0
# Every so many pixels of the seam are compared.
RING_STEP = 3
# Most fillers for one photograph. Each must leave at most this share of what is still to be filled.
MAX_FILLERS = 3
MAX_LEFT = 0.45
# Largest share of a face, of either photograph, that may lie in the replaced region.
MAX_OF_FACE = 0.08
# A pixel that differs by more than this from the background, of 255, belongs to the hand.
DIFFERENT = 26.0


@dataclass(frozen=True, slots=True)
class Cutout:
    """A hand that can be moved.

    Attributes:
        picture: uint8 RGB [H, W, 3], the whole photograph or the part of it that holds the hand.
        alpha: float32 [H, W, 1], 0..1, where the hand and its arm are.
        elbow: (x, y) in pixels of the photograph, the centre of rotation.
        corner: (x, y) in pixels of the photograph, where the part begins.
    """

    picture: Image
    alpha: Floats
    elbow: tuple[float, float]
    corner: tuple[int, int] = (0, 0)

    @property
    def corners(self) -> Floats:
        """The four corners of the part, (x, y) in pixels of the photograph: [4, 2]."""
        (x, y), (height, width) = self.corner, self.alpha.shape[:2]
        return np.array([(x, y), (x + width, y), (x, y + height), (x + width, y + height)], np.float32)

    def trimmed(self) -> Cutout:
        """The same without the rows and columns that show nothing of the hand."""
        rows, columns = (np.flatnonzero(self.alpha.max((axis, 2)) > 0.0) for axis in (1, 0))
        if not rows.size:
            return self
        part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        corner = self.corner[0] + int(columns[0]), self.corner[1] + int(rows[0])
        picture, alpha = np.ascontiguousarray(self.picture[part]), np.ascontiguousarray(self.alpha[part])
        return Cutout(picture, alpha, self.elbow, corner)


@dataclass(frozen=True, slots=True)
class Fill:
    """What replaces the hands of a photograph.

    Attributes:
        names: the photographs whose pixels are used, in this order; empty for a photograph without hands.
        seam: sum of their mean differences at the seam, each of 255. Lower fits better.
    """

    names: tuple[str, ...]
    seam: float


def hand_region(still: Still) -> Mask:
    """The region of all hands and their arms, with a margin: bool [H, W]."""
    shape = still.photo.height, still.photo.width
    region = np.zeros(shape, np.uint8)
    for hand in still.hands:
        outline = _outline(hand)
        one = np.zeros(shape, np.uint8)
        cv2.fillConvexPoly(one, np.round(cv2.convexHull(outline)[:, 0]).astype(np.int32), 1)
        arm = _arm(hand)
        if arm is not None:
            cv2.fillConvexPoly(one, np.round(cv2.convexHull(arm)[:, 0]).astype(np.int32), 1)
        grow = max(2, round(GROW_SHARE * float(np.ptp(outline, axis=0).max())))
        region |= np.asarray(cv2.dilate(one, np.ones((2 * grow + 1, 2 * grow + 1), np.uint8)), np.uint8)
    return region > 0


def find_fillers(scene: Sequence[Still], images: Mapping[str, Image]) -> dict[str, Fill]:
    """Finds for each photograph of a scene those that together can replace its hands; by name.

    Photographs for which there are none are left out. The first filler covers the whole region, each further one what
    the hands of the fillers before it hide.
    """
    regions = {still.name: hand_region(still) for still in scene}
    fillers: dict[str, Fill] = {}
    for still in scene:
        region = regions[still.name]
        if not still.rises or _covers_face(region, still):
            continue
        ring = np.flatnonzero(_ring(region))[::RING_STEP]
        around = images[still.name].reshape(-1, 3)[ring].astype(np.int16)
        seams = []
        for other in scene:
            if other is still or regions[other.name].shape != region.shape or _covers_face(region, other):
                continue
            free = ~regions[other.name].reshape(-1)[ring]
            if free.any():
                theirs = images[other.name].reshape(-1, 3)[ring]
                seams.append((float(np.abs(around - theirs)[free].mean()), other.name))
        left, chosen = region, list[str]()
        for seam, name in sorted(seams):
            if len(chosen) == MAX_FILLERS or not left.any() or seam > MAX_SEAM:
                break
            if (left & regions[name]).sum() <= MAX_LEFT * left.sum():
                chosen.append(name)
                left = left & regions[name]
        if not left.any():
            fillers[still.name] = Fill(tuple(chosen), sum(each for each, name in seams if name in chosen))
    return fillers


def make_background(still: Still, image: Image, fillers: Sequence[tuple[Still, Image]]) -> Image:
    """The photograph without its hands, uint8 RGB [H, W, 3]."""
    region = hand_region(still)
    ring, left, filled = _ring(region), region, image
    for other, filler in fillers:
        theirs = hand_region(other)
        seen = ring & ~theirs
        # The light may differ between the two photographs.
        tone = np.zeros(3, np.float32)
        if seen.any():
            tone = image[seen].mean(0, dtype=np.float32) - filler[seen].mean(0, dtype=np.float32)
        # Wider than what is left, because the hands of the filler before reach over the edge of the region.
        wide = np.asarray(cv2.dilate(left.astype(np.uint8), np.ones((13, 13), np.uint8))) > 0
        soft = _soft(wide, 1.5)
        filled = np.asarray(np.clip(filled * (1 - soft) + (filler + tone) * soft, 0, 255), np.uint8)
        left = left & theirs
    soft = _soft(region, 3.0)
    return np.asarray(np.clip(image * (1 - soft) + filled * soft, 0, 255), np.uint8)


def cut_out(still: Still, image: Image, background: Image) -> Cutout:
    """Cuts out the hand of a photograph with exactly one hand, which has landmarks."""
    hand = still.hands[0]
    assert hand.landmarks is not None
    points = np.ascontiguousarray(hand.landmarks[:, :2])
    region = hand_region(still)
    difference = np.abs(image.astype(np.int16) - background).max(2).astype(np.float32)
    differs = (cv2.GaussianBlur(difference, (0, 0), 1.5) > DIFFERENT) & region
    flesh = _flesh(points, region.shape)
    whole = np.asarray(
        cv2.morphologyEx(
            (differs | (flesh > 0)).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)
        ),
        np.uint8,
    )
    # Only the component with the middle knuckle is the hand. The others are noise.
    _, marks = cv2.connectedComponents(whole)
    middle = np.clip(np.round(points[MIDDLE_KNUCKLE, ::-1]).astype(int), 0, np.array(whole.shape) - 1)
    own = marks == marks[middle[0], middle[1]]
    down = points[WRIST] - points[MIDDLE_KNUCKLE]
    elbow = points[WRIST] + ELBOW_PALMS * down
    return Cutout(image, _soft(own, 1.2), (float(elbow[0]), float(elbow[1])))


def _flesh(points: Floats, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Mask of palm and fingers without the gaps between fingers, uint8 [H, W] of 0 and 1."""
    flesh = np.zeros(shape[:2], np.uint8)
    whole = np.round(points).astype(np.int32)
    palm = float(np.linalg.norm(points[WRIST] - points[MIDDLE_KNUCKLE]))
    cv2.fillConvexPoly(flesh, cv2.convexHull(whole[list(PALM)])[:, 0], 1)
    for finger in FINGERS:
        cv2.polylines(flesh, [whole[list(finger)]], False, 1, max(2, round(FINGER_PALMS * palm)))
    return flesh


def _outline(hand: Sample) -> Floats:
    if hand.landmarks is not None:
        return np.ascontiguousarray(hand.landmarks[:, :2], np.float32)
    left, top, right, bottom = hand.box
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)


def _arm(hand: Sample) -> Floats | None:
    if hand.landmarks is None:
        return None
    points = np.ascontiguousarray(hand.landmarks[:, :2])
    down = points[WRIST] - points[MIDDLE_KNUCKLE]
    across = np.array([-down[1], down[0]]) * ARM_HALF_WIDTH_PALMS
    end = points[WRIST] + ARM_PALMS * down
    corners = [points[WRIST] + across, points[WRIST] - across, end - 1.6 * across, end + 1.6 * across]
    return np.array(corners, np.float32)


def _covers_face(region: Mask, still: Still) -> bool:
    if still.face is None:
        return False
    left, top, right, bottom = np.round(still.face.box).astype(int)
    face = region[max(0, top) : bottom, max(0, left) : right]
    return bool(face.size and face.mean() > MAX_OF_FACE)


def _ring(region: Mask) -> Mask:
    wide = cv2.dilate(region.astype(np.uint8), np.ones((13, 13), np.uint8))
    return (np.asarray(wide) > 0) & ~region


def _soft(mask: Mask, sigma: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(mask.astype(np.float32), (0, 0), sigma)[..., None], np.float32)
