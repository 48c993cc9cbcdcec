"""Random degradation of pictures: light, colour, resolution, blur, noise and compression, as webcams and codecs cause.

Every function takes its random generator as an argument, so that a training step can be repeated exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Degradation:
    """The probability, 0..1, of each kind of degradation."""

    light: float = 0.8
    colour: float = 0.4
    grey: float = 0.08
    shrink: float = 0.25
    blur: float = 0.2
    noise: float = 0.25
    jpeg: float = 0.25
    occlude: float = 0.15


def degrade(image: Image, rng: np.random.Generator, probability: Degradation) -> Image:
    """Applies each kind of degradation with its probability; returns a picture of the same shape [H, W, 3]."""
    drawn = rng.random(8)
    height, width = image.shape[:2]
    if drawn[0] < probability.light or drawn[1] < probability.colour:
        image = _relight(image, rng, colour=bool(drawn[1] < probability.colour))
    if drawn[2] < probability.grey:
        image = np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[:, :, None], 3, 2)
    if drawn[3] < probability.occlude:
        image = _occlude(image, rng)
    if drawn[4] < probability.shrink:
        factor = rng.uniform(0.25, 0.8)
        small = cv2.resize(image, (max(8, int(width * factor)), max(8, int(height * factor))))
        interpolation = cv2.INTER_LINEAR if rng.random() < 0.7 else cv2.INTER_NEAREST
        image = np.asarray(cv2.resize(small, (width, height), interpolation=interpolation), np.uint8)
    if drawn[5] < probability.blur:
        image = _blur(image, rng)
    if drawn[6] < probability.noise:
        level = rng.uniform(2.0, 14.0)
        noise = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(level)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    if drawn[7] < probability.jpeg:
        quality = int(rng.integers(12, 70))
        encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        image = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)
    return np.asarray(image, np.uint8)


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
    patch_height, patch_width = int(height * rng.uniform(0.1, 0.35)), int(width * rng.uniform(0.1, 0.35))
    top, left = int(rng.integers(0, height - patch_height)), int(rng.integers(0, width - patch_width))
    image = image.copy()
    image[top : top + patch_height, left : left + patch_width] = rng.integers(0, 256, 3)
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
