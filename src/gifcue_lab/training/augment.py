"""Pictures made worse on purpose: as webcams, codecs and distance make them.

Every function takes its randomness as an argument, so that a step of training can be repeated exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


# Fingertips no farther apart than this share of the hand touch.
TOUCHING = 0.22
BEND_CELLS = 16


@dataclass(frozen=True, slots=True)
class PixelAugmentation:
    """How often, 0..1, each of the damages happens."""

    light: float = 0.8
    colour: float = 0.4
    grey: float = 0.08
    shrink: float = 0.25
    blur: float = 0.2
    noise: float = 0.25
    jpeg: float = 0.25
    occlude: float = 0.15


def move_points(points: Floats, matrix: Floats, size: int) -> Floats:
    """Landmarks [N, 2 or 3] in the photograph's pixels ► shares of the crop; z is scaled and never turned."""
    moved = points.copy()
    # Landmarks are continuous coordinates, the matrix maps pixel indices: half a pixel lies between them.
    moved[:, :2] = ((points[:, :2] - 0.5) @ matrix[:, :2].T + matrix[:, 2] + 0.5) / size
    if points.shape[1] == 3:
        moved[:, 2] = points[:, 2] * float(np.hypot(matrix[0, 0], matrix[1, 0])) / size
    return moved


def damage(image: Image, rng: np.random.Generator, often: PixelAugmentation) -> Image:
    """Light, colour, distance, blur, noise and compression, each by chance. Returns a picture of the same
    shape.
    """
    chance = rng.random(8)
    height, width = image.shape[:2]
    if chance[0] < often.light or chance[1] < often.colour:
        image = _relight(image, rng, colour=bool(chance[1] < often.colour))
    if chance[2] < often.grey:
        image = np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[:, :, None], 3, 2)
    if chance[3] < often.occlude:
        image = _occlude(image, rng)
    if chance[4] < often.shrink:
        factor = rng.uniform(0.25, 0.8)
        small = cv2.resize(image, (max(8, int(width * factor)), max(8, int(height * factor))))
        how = cv2.INTER_LINEAR if rng.random() < 0.7 else cv2.INTER_NEAREST
        image = np.asarray(cv2.resize(small, (width, height), interpolation=how), np.uint8)
    if chance[5] < often.blur:
        image = _blur(image, rng)
    if chance[6] < often.noise:
        level = rng.uniform(2.0, 14.0)
        noise = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(level)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    if chance[7] < often.jpeg:
        quality = int(rng.integers(12, 70))
        coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        image = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    return np.asarray(image, np.uint8)


def bend(crop: Image, points: Floats, rng: np.random.Generator, strength: float) -> tuple[Image, Floats]:
    """Moves the fingers of a hand: its tips by about `strength` of the hand's size, what is before them by less.

    `points` are its landmarks [21, 2 or 3] in shares of the crop; they are moved along. Fingers whose tips touch move
    together, so that a ring stays a ring. What is far from the hand stays where it is.
    """
    size = crop.shape[0]
    flat = points[:, :2].astype(np.float64)
    reach = float(np.ptp(flat, axis=0).max())
    if reach < 0.1:
        return crop, points
    shifts = rng.normal(0.0, strength * reach, (5, 2))
    tips = flat[[4, 8, 12, 16, 20]]
    for finger in range(1, 5):
        if np.linalg.norm(tips[finger] - tips[0]) < TOUCHING * reach:
            shifts[finger] = shifts[0]
    moves = np.zeros((21, 2))
    for finger in range(5):
        for joint in range(4):
            moves[1 + 4 * finger + joint] = shifts[finger] * (joint / 3 if finger else (joint + 1) / 4)
    # The joints between knuckle and tip for themselves as well: a ring of two fingers becomes round or flat.
    between = [1 + 4 * finger + joint for finger in range(5) for joint in (1, 2)]
    moves[between] += rng.normal(0.0, 0.5 * strength * reach, (len(between), 2))
    spread = 2 * (0.11 * reach) ** 2
    moved = flat + moves

    def field(places: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        near = np.exp(-((places[:, None, :] - moved[None]) ** 2).sum(2) / spread)
        return np.asarray(near @ moves / (near.sum(1, keepdims=True) + 0.25))

    # The field is smooth: a coarse grid of it, enlarged, is as good as one a pixel.
    middle = (np.arange(BEND_CELLS) + 0.5) / BEND_CELLS
    grid = np.stack(np.meshgrid(middle, middle), -1).reshape(-1, 2)
    coarse = field(grid).reshape(BEND_CELLS, BEND_CELLS, 2).astype(np.float32)
    fine = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC) * size
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    bent = cv2.remap(
        crop, columns - fine[..., 0], rows - fine[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    # The picture is asked where each pixel comes from, the landmarks where each goes: the field, inverted.
    gone = flat
    for _ in range(6):
        gone = flat + field(gone)
    answer = points.copy()
    answer[:, :2] = gone
    return np.asarray(bent, np.uint8), answer


def cut_off(crop: Image, rng: np.random.Generator) -> Image:
    """A crop [S, S, 3] that reaches over the edge of the frame, mostly below, where serving fills in black."""
    depth = round(float(rng.uniform(0.15, 0.45)) * len(crop))
    turns = int(rng.choice(4, p=(0.55, 0.15, 0.15, 0.15)))
    cut = np.rot90(crop, turns).copy()
    cut[-depth:] = 0
    return np.ascontiguousarray(np.rot90(cut, -turns))


def folds(size: int, rng: np.random.Generator) -> Image:
    """A background [size, size, 3] of soft stripes, as curtains and slats have them: what looks most like fingers."""
    angle = rng.normal(0.0, 0.3) + (np.pi / 2 if rng.random() < 0.2 else 0.0)
    rows, columns = np.mgrid[:size, :size].astype(np.float32) / size
    across = columns * np.cos(angle) + rows * np.sin(angle)
    waves = np.zeros((size, size), np.float32)
    for _ in range(3):
        waves += np.sin(2 * np.pi * (rng.uniform(3, 16) * across + rng.random())) * rng.uniform(0.2, 1.0)
    shade = (waves / max(1e-3, float(np.abs(waves).max())) + 1) / 2
    dark, light = rng.uniform(0, 255, 3), rng.uniform(0, 255, 3)
    return np.asarray(dark + shade[..., None] * (light - dark), np.uint8)


def _relight(image: Image, rng: np.random.Generator, *, colour: bool) -> Image:
    ramp = np.linspace(0.0, 1.0, 256, dtype=np.float32)
    gamma = float(np.exp(rng.uniform(-0.5, 0.5)))
    contrast, lift = rng.uniform(0.6, 1.4), rng.uniform(-0.2, 0.2)
    curve = ((ramp**gamma) - 0.5) * contrast + 0.5 + lift
    gains = rng.uniform(0.8, 1.2, 3) if colour else np.ones(3)
    table = np.clip(curve[:, None] * gains[None] * 255.0, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table[None]), np.uint8)


def _occlude(image: Image, rng: np.random.Generator) -> Image:
    height, width = image.shape[:2]
    tall, wide = int(height * rng.uniform(0.1, 0.35)), int(width * rng.uniform(0.1, 0.35))
    top, left = int(rng.integers(0, height - tall)), int(rng.integers(0, width - wide))
    image = image.copy()
    image[top : top + tall, left : left + wide] = rng.integers(0, 256, 3)
    return image


def _blur(image: Image, rng: np.random.Generator) -> Image:
    if rng.random() < 0.5:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.5, 1.6))), np.uint8)
    length = int(rng.integers(3, 8))
    kernel = np.zeros((length, length), np.float32)
    angle = rng.uniform(0, np.pi)
    middle = (length - 1) / 2
    for step in np.linspace(-middle, middle, 2 * length):
        x, y = round(middle + step * np.cos(angle)), round(middle + step * np.sin(angle))
        kernel[int(y), int(x)] = 1.0
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), np.uint8)
