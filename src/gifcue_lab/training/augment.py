"""Geometric augmentation of crops and their landmarks.

Every function takes its random generator as an argument, so that a training step can be repeated exactly.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

# Fingertips that are no farther apart than this share of the hand's extent count as touching.
TOUCHING_SHARE = 0.22
# A hand whose landmarks extend over less than this share of the crop is not bent: there is too little to move.
MIN_EXTENT = 0.1
# Cells a side of the coarse displacement field. The field is smooth, so enlarging it gives the values of each pixel.
FIELD_CELLS = 16
# The standard deviation of a landmark's influence on the field, in shares of the hand's extent.
INFLUENCE_SHARE = 0.11
# Added to the sum of influences, so that the field goes to zero away from the hand.
FIELD_FLOOR = 0.25
# Fixed-point steps that invert the displacement field at the landmarks.
INVERSION_STEPS = 6
# MediaPipe's indices of the tips of all five fingers, thumb first.
TIPS = [4, 8, 12, 16, 20]


def move_points(points: Floats, matrix: Floats, size: int) -> Floats:
    """Maps landmarks from a photograph into a crop.

    Args:
        points: [N, 2 or 3] in pixels of the photograph.
        matrix: affine map [2, 3] between pixel indices, as of `gifcue.detect.processing.crop_matrix`.
        size: side of the crop in pixels.

    Returns:
        [N, 2 or 3] in shares of the crop; z is scaled with the crop and not rotated.
    """
    moved = points.copy()
    # Landmarks are continuous coordinates, the matrix maps pixel indices: the two differ by half a pixel.
    moved[:, :2] = ((points[:, :2] - 0.5) @ matrix[:, :2].T + matrix[:, 2] + 0.5) / size
    if points.shape[1] == 3:
        moved[:, 2] = points[:, 2] * float(np.hypot(matrix[0, 0], matrix[1, 0])) / size
    return moved


def bend_fingers(
    crop: Image, points: Floats, rng: np.random.Generator, strength: float
) -> tuple[Image, Floats]:
    """Displaces the fingers of a hand at random, and warps the crop accordingly.

    Fingers whose tips touch the thumb's are displaced together, so that a ring stays a ring. Pixels far from the hand
    stay where they are.

    Args:
        crop: [S, S, 3].
        points: the hand's landmarks [21, 2 or 3] in shares of the crop.
        rng: source of the displacements.
        strength: standard deviation of a fingertip's displacement, in shares of the hand's extent. Joints nearer to
            the palm are displaced less.

    Returns:
        The warped crop and the landmarks in it.
    """
    size = crop.shape[0]
    flat = points[:, :2].astype(np.float64)
    extent = float(np.ptp(flat, axis=0).max())
    if extent < MIN_EXTENT:
        return crop, points
    moves = _finger_moves(flat, extent, rng, strength)
    moved = flat + moves
    spread = 2 * (INFLUENCE_SHARE * extent) ** 2

    def displacement(places: Doubles) -> Doubles:
        influence = np.exp(-((places[:, None, :] - moved[None]) ** 2).sum(2) / spread)
        return np.asarray(influence @ moves / (influence.sum(1, keepdims=True) + FIELD_FLOOR))

    middle = (np.arange(FIELD_CELLS) + 0.5) / FIELD_CELLS
    grid = np.stack(np.meshgrid(middle, middle), -1).reshape(-1, 2)
    coarse = displacement(grid).reshape(FIELD_CELLS, FIELD_CELLS, 2).astype(np.float32)
    fine = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC) * size
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    bent = cv2.remap(
        crop, columns - fine[..., 0], rows - fine[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    # The warp looks up where each output pixel comes from; a landmark needs the inverse, where it goes to.
    target = flat
    for _ in range(INVERSION_STEPS):
        target = flat + displacement(target)
    answer = points.copy()
    answer[:, :2] = target
    return np.asarray(bent, np.uint8), answer


def _finger_moves(flat: Doubles, extent: float, rng: np.random.Generator, strength: float) -> Doubles:
    """The displacement [21, 2] of each landmark in shares of the crop."""
    shifts = rng.normal(0.0, strength * extent, (5, 2))
    tips = flat[TIPS]
    for finger in range(1, 5):
        if np.linalg.norm(tips[finger] - tips[0]) < TOUCHING_SHARE * extent:
            shifts[finger] = shifts[0]
    moves = np.zeros((21, 2))
    for finger in range(5):
        for joint in range(4):
            moves[1 + 4 * finger + joint] = shifts[finger] * (joint / 3 if finger else (joint + 1) / 4)
    # Joints between knuckle and tip also move on their own: a ring of two fingers becomes round or flat.
    between = [1 + 4 * finger + joint for finger in range(5) for joint in (1, 2)]
    moves[between] += rng.normal(0.0, 0.5 * strength * extent, (len(between), 2))
    return moves


def truncate(crop: Image, rng: np.random.Generator) -> Image:
    """Blackens one side of a crop [S, S, 3], most often the lower one, as serving does beyond the edge of a frame."""
    depth = round(float(rng.uniform(0.15, 0.45)) * len(crop))
    turns = int(rng.choice(4, p=(0.55, 0.15, 0.15, 0.15)))
    truncated = np.rot90(crop, turns).copy()
    truncated[-depth:] = 0
    return np.ascontiguousarray(np.rot90(truncated, -turns))


def striped_background(size: int, rng: np.random.Generator) -> Image:
    """A background [size, size, 3] of soft stripes, as of curtains and slats, which networks confuse with fingers."""
    angle = rng.normal(0.0, 0.3) + (np.pi / 2 if rng.random() < 0.2 else 0.0)
    rows, columns = np.mgrid[:size, :size].astype(np.float32) / size
    across = columns * np.cos(angle) + rows * np.sin(angle)
    waves = np.zeros((size, size), np.float32)
    for _ in range(3):
        waves += np.sin(2 * np.pi * (rng.uniform(3, 16) * across + rng.random())) * rng.uniform(0.2, 1.0)
    shade = (waves / max(1e-3, float(np.abs(waves).max())) + 1) / 2
    dark, light = rng.uniform(0, 255, 3), rng.uniform(0, 255, 3)
    return np.asarray(dark + shade[..., None] * (light - dark), np.uint8)
