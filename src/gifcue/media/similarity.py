"""The similarity of two pictures: that of their least similar tile, 0..1.

    frame ─► planes (no conversion) ─► few pixels ─► a histogram for each tile ─► metric ─► worst tile

A histogram of the whole picture hardly shows a hand: one of 60 pixels that moves by 150 pixels in 640x360 changes
1 part in 400 of it. The same hand changes most of its tile. Every metric is 1 for equal tiles and 0 for tiles that have
nothing in common.

Lights that are switched on or off, and exposure that drifts far enough, change every tile. Such a picture counts as
new.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import cv2
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from gifcue.media.settings import Metric

Floats: TypeAlias = NDArray[np.float32]
Bytes: TypeAlias = NDArray[np.uint8]

# Pixels of the longer side of the picture that is compared. A hand at the end of a room still fills a share of its
# tile, and the noise of a video encoder in single pixels averages out.
SAMPLE_LONG_SIDE = 160
# Pixels of the shorter side, at least. Colour, at half of this, still has a pixel for each tile of a narrow picture.
MIN_SIDE = 64
# Tiles along a picture's longer and shorter side, 40 pixels of 640x360: about the size of a hand at the end of a room.
# With 10x6 tiles, half of the frames of a hand that waves far away were skipped.
TILES = (16, 9)
# Bins of a tile's histogram of brightness, and of each of its two histograms of colour differences.
LUMA_BINS = 16
CHROMA_BINS = 8
# Histograms are counted in fine bins and then spread over the coarse ones as triangles. Otherwise a wall whose
# brightness lies at the edge of a bin would change bins with the noise of every frame.
FINE_BINS = 64
FINE_SHIFT = 2  # from 256 values to FINE_BINS

# FFmpeg's names of formats whose planes are read as they are: 8 bits, brightness first, then U and V.
_PLANAR = frozenset(
    {"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv440p", "yuvj440p", "yuv444p", "yuvj444p"}
)
_SEMI_PLANAR = frozenset({"nv12", "nv16", "nv24"})


class Sample(NamedTuple):
    """A small picture: brightness, and the two colour differences at half its size, None for a grey picture."""

    luma: Bytes
    u: Bytes | None
    v: Bytes | None


class Signature(NamedTuple):
    """What is kept of a picture to compare it with others: features for each tile.

    Only signatures of the same `kind` (height, width, is grey) can be compared.
    """

    kind: tuple[int, int, bool]
    features: Floats


class _Layout(NamedTuple):
    """Where each pixel of planes of given shapes is counted, and the buffers for it.

    `offsets` and `indices` have an array for each plane. `whole` holds all of `indices` in a row. `weights`
    (planes x tiles x 1) turns counts into shares.
    """

    offsets: list[NDArray[np.intp]]
    indices: list[NDArray[np.intp]]
    whole: NDArray[np.intp]
    weights: Floats


class Sampler:
    """Takes small pictures from frames of any format."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def sample(self, frame: Any) -> Sample:
        """The small picture of a frame, read from its planes; converted only from a rare format."""
        name = frame.format.name
        scale = min(1.0, SAMPLE_LONG_SIDE / max(frame.width, frame.height))
        size = max(MIN_SIDE, round(frame.width * scale)), max(MIN_SIDE, round(frame.height * scale))
        half = size[0] // 2, size[1] // 2
        if name in _PLANAR:
            luma, u, v = (_plane(plane, 1) for plane in frame.planes)
            return Sample(_shrink(luma, size), _shrink(u, half), _shrink(v, half))
        if name in _SEMI_PLANAR:
            luma, both = _plane(frame.planes[0], 1), _plane(frame.planes[1], 2)
            return Sample(_shrink(luma, size), _shrink(both[:, 0::2], half), _shrink(both[:, 1::2], half))
        if name == "gray":
            return Sample(_shrink(_plane(frame.planes[0], 1), size), None, None)
        # 10 bits, RGB, palettes and other rare formats: swscale makes the small picture.
        even = size[0] & ~1, size[1] & ~1
        small = self._reformatter.reformat(frame, *even, "yuv420p", interpolation="AREA", threads=1)
        luma, u, v = (_plane(plane, 1) for plane in small.planes)
        return Sample(luma, u, v)


class Comparer:
    """Compares pictures by one metric. `tiles` are those along the longer and the shorter side."""

    def __init__(self, metric: Metric, tiles: tuple[int, int] = TILES) -> None:
        self._metric = metric
        self._tiles = tiles
        self._sampler = Sampler()
        self._layouts: dict[tuple[tuple[int, ...], ...], _Layout] = {}
        self._luma_spread = _spread(LUMA_BINS)
        self._chroma_spread = _spread(CHROMA_BINS)

    def signature(self, frame: Any) -> Signature:
        """What is kept of a frame to compare it with others."""
        sample = self._sampler.sample(frame)
        features = self._pixels(sample.luma) if self._metric is Metric.SSIM else self._histograms(sample)
        return Signature((sample.luma.shape[0], sample.luma.shape[1], sample.u is None), features)

    def similarity(self, first: Signature, second: Signature) -> float:
        """The similarity of the least similar tile, 0..1; 0 for pictures of different shapes."""
        if first.kind != second.kind:
            return 0.0
        compare = _ssim if self._metric is Metric.SSIM else _intersection
        tiles = compare(first.features, second.features)
        return float(min(1.0, max(0.0, tiles.min())))

    def _histograms(self, sample: Sample) -> Floats:
        # tiles x bins. Each row is one distribution: half of its weight is brightness, half is colour.
        planes = [plane for plane in sample if plane is not None]
        layout = self._layout(tuple(plane.shape for plane in planes))
        for plane, offsets, index in zip(planes, layout.offsets, layout.indices, strict=True):
            np.add(offsets, plane >> FINE_SHIFT, out=index)
        tiles = self._tiles[0] * self._tiles[1]
        counts = np.bincount(layout.whole, minlength=len(planes) * tiles * FINE_BINS)
        shares = counts.astype(np.float32).reshape(len(planes), tiles, FINE_BINS) * layout.weights
        return np.concatenate(
            [shares[0] @ self._luma_spread, *(plane @ self._chroma_spread for plane in shares[1:])], axis=1
        )

    def _layout(self, shapes: tuple[tuple[int, ...], ...]) -> _Layout:
        layout = self._layouts.get(shapes)
        if layout is None:
            rows, columns = self._grid(shapes[0])
            tiles = rows * columns
            whole = np.empty(sum(height * width for height, width in shapes), np.intp)
            offsets, indices, weights = [], [], []
            begin = 0
            for number, (height, width) in enumerate(shapes):
                row = np.arange(height) * rows // height
                column = np.arange(width) * columns // width
                tile = row[:, None] * columns + column[None, :]
                offsets.append((number * tiles + tile) * FINE_BINS)
                indices.append(whole[begin : begin + height * width].reshape(height, width))
                begin += height * width
                share = 1.0 if len(shapes) == 1 else (0.5, 0.25, 0.25)[number]
                pixels = np.bincount(tile.ravel(), minlength=tiles)
                weights.append(share / np.maximum(pixels, 1))
            weight = np.asarray(weights, np.float32)[:, :, None]
            layout = self._layouts[shapes] = _Layout(offsets, indices, whole, weight)
        return layout

    def _pixels(self, luma: Bytes) -> Floats:
        # tiles x pixels, every tile scaled to the same number of pixels.
        rows, columns = self._grid(luma.shape)
        high, wide = -(-luma.shape[0] // rows), -(-luma.shape[1] // columns)
        even = _resize(luma, (wide * columns, high * rows), cv2.INTER_LINEAR)
        tiles = even.reshape(rows, high, columns, wide).transpose(0, 2, 1, 3)
        pixels: Floats = tiles.reshape(rows * columns, high * wide).astype(np.float32)
        return pixels

    def _grid(self, shape: tuple[int, ...]) -> tuple[int, int]:
        # Rows and columns of tiles, which are nearly square in landscape and in portrait.
        long, short = self._tiles
        return (short, long) if shape[1] >= shape[0] else (long, short)


def _plane(plane: Any, components: int) -> Bytes:
    # A view of a frame's plane without the padding at the end of its rows; alive as long as the frame.
    width = plane.width * components
    padded = np.frombuffer(plane, np.uint8, plane.line_size * plane.height)
    return padded.reshape(plane.height, plane.line_size)[:, :width]


def _shrink(plane: Bytes, size: tuple[int, int]) -> Bytes:
    # Halving by averages is vectorised and ten times faster than averaging by any other factor. The factor that is
    # left after it is less than 2, where interpolation leaves out no pixel.
    width, height = size
    while plane.shape[1] >= 2 * width and plane.shape[0] >= 2 * height:
        half = plane.shape[1] // 2, plane.shape[0] // 2
        plane = _resize(plane[: half[1] * 2, : half[0] * 2], half, cv2.INTER_AREA)
    if plane.shape != (height, width):
        plane = _resize(plane, size, cv2.INTER_LINEAR)
    return plane


def _resize(plane: Bytes, size: tuple[int, int], interpolation: int) -> Bytes:
    return np.asarray(cv2.resize(plane, size, interpolation=interpolation), dtype=np.uint8)


def _spread(bins: int) -> Floats:
    # fine bins x bins: how the pixels of a fine bin are shared between the two coarse bins around it.
    centres = (np.arange(FINE_BINS) + 0.5) * bins / FINE_BINS - 0.5
    lower = np.clip(np.floor(centres).astype(int), 0, bins - 2)
    upper_share = np.clip(centres - lower, 0.0, 1.0)
    matrix = np.zeros((FINE_BINS, bins), np.float32)
    matrix[np.arange(FINE_BINS), lower] = 1.0 - upper_share
    matrix[np.arange(FINE_BINS), lower + 1] = upper_share
    return matrix


def _intersection(first: Floats, second: Floats) -> Floats:
    return np.asarray(np.minimum(first, second).sum(axis=1), dtype=np.float32)


def _ssim(first: Floats, second: Floats) -> Floats:
    # Wang et al. 2004 with a tile as the window; the constants are theirs, for values of 0..255.
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_a, mean_b = first.mean(axis=1), second.mean(axis=1)
    a, b = first - mean_a[:, None], second - mean_b[:, None]
    covariance = (a * b).mean(axis=1)
    variances = (a * a).mean(axis=1) + (b * b).mean(axis=1)
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return np.asarray(luminance * (2 * covariance + c2) / (variances + c2), dtype=np.float32)
