"""How alike two pictures are, told by their least similar tile.

    frame ─► planes (no conversion) ─► few pixels ─► a histogram for each tile ─► metric ─► worst tile

A histogram of the whole picture does not see a hand: one of 60 pixels that moves by 150 pixels in 640x360
changes 1 part in 400 of it. Of its tile it changes most. Every metric is 1 for equal tiles and 0 for tiles
with nothing in common.

Lights that go on or off, and exposure that drifts far enough, change every tile: by design they count as new.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import cv2
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from gifcue.media.settings import FilterSettings, Metric

Floats: TypeAlias = NDArray[np.float32]
Bytes: TypeAlias = NDArray[np.uint8]

# The picture that is compared, in pixels on its longer side: what is left of a hand at the room's end still
# fills a share of its tile, and what a video encoder's noise does to single pixels averages out.
SAMPLE_LONG_SIDE = 160
# Histograms are counted in fine bins and then spread over the coarse ones as triangles: a wall whose
# brightness lies at the edge of a bin would otherwise jump between two with every frame's noise.
FINE_BINS = 64

# FFmpeg's names of formats whose planes are read as they are: 8 bits, brightness first, then U and V.
_PLANAR = frozenset(
    {"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv440p", "yuvj440p", "yuv444p", "yuvj444p"}
)
_SEMI_PLANAR = frozenset({"nv12", "nv16", "nv24"})


class Sample(NamedTuple):
    """A small picture: brightness, and the two colour differences at half its size; None for a grey one."""

    luma: Bytes
    u: Bytes | None
    v: Bytes | None


class Signature(NamedTuple):
    """What is kept of a picture to compare it with others; only those of one `kind` can be compared."""

    kind: tuple[int, int, bool]
    features: Floats


class Sampler:
    """Takes small pictures from frames of any format."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def sample(self, frame: Any) -> Sample:
        """The small picture of a frame, read from its planes; converted only from a rare format."""
        name = frame.format.name
        scale = min(1.0, SAMPLE_LONG_SIDE / max(frame.width, frame.height))
        size = max(16, round(frame.width * scale)), max(16, round(frame.height * scale))
        half = size[0] // 2, size[1] // 2
        if name in _PLANAR:
            luma, u, v = (_plane(plane, 1) for plane in frame.planes)
            return Sample(_shrink(luma, size), _shrink(u, half), _shrink(v, half))
        if name in _SEMI_PLANAR:
            luma, both = _plane(frame.planes[0], 1), _plane(frame.planes[1], 2)
            return Sample(_shrink(luma, size), _shrink(both[:, 0::2], half), _shrink(both[:, 1::2], half))
        if name == "gray":
            return Sample(_shrink(_plane(frame.planes[0], 1), size), None, None)
        # 10 bits, RGB, palettes, stills' rarities: let swscale make the small picture.
        even = size[0] & ~1, size[1] & ~1
        small = self._reformatter.reformat(frame, *even, "yuv420p", interpolation="AREA", threads=1)
        luma, u, v = (_plane(plane, 1) for plane in small.planes)
        return Sample(luma, u, v)


class Comparer:
    """Compares pictures by one metric."""

    def __init__(self, settings: FilterSettings) -> None:
        self._settings = settings
        self._rows, self._columns = settings.tile_rows, settings.tile_columns
        self._metric = _METRICS.get(settings.metric)
        self._sampler = Sampler()
        self._offsets: dict[tuple[int, ...], NDArray[np.int32]] = {}
        self._luma_spread = _spread(settings.luma_bins)
        self._chroma_spread = _spread(settings.chroma_bins)

    def signature(self, frame: Any) -> Signature:
        """What is kept of a frame to compare it with others."""
        sample = self._sampler.sample(frame)
        features = self._moments(sample.luma) if self._metric is None else self._histograms(sample)
        return Signature((sample.luma.shape[0], sample.luma.shape[1], sample.u is None), features)

    def similarity(self, first: Signature, second: Signature) -> float:
        """Of the least similar tile, 0..1; 0 for pictures of different shapes."""
        if first.kind != second.kind:
            return 0.0
        if self._metric is None:
            tiles = _ssim(first.features, second.features)
        else:
            tiles = self._metric(first.features, second.features)
        return float(min(1.0, max(0.0, tiles.min())))

    def _histograms(self, sample: Sample) -> Floats:
        # tiles x bins, each row one distribution: half of its weight is brightness, half is colour.
        luma = self._counts(sample.luma) @ self._luma_spread
        if sample.u is None or sample.v is None:
            return luma
        u = self._counts(sample.u) @ self._chroma_spread
        v = self._counts(sample.v) @ self._chroma_spread
        return np.concatenate((luma * np.float32(0.5), u * np.float32(0.25), v * np.float32(0.25)), axis=1)

    def _counts(self, plane: Bytes) -> Floats:
        # Shares of a tile's pixels in each fine bin.
        offsets = self._offsets.get(plane.shape)
        if offsets is None:
            offsets = self._offsets[plane.shape] = self._tile_offsets(*plane.shape)
        tiles = self._rows * self._columns
        index = offsets + (plane >> 2)
        counts = np.bincount(index.ravel(), minlength=tiles * FINE_BINS).reshape(tiles, FINE_BINS)
        shares: Floats = (counts / counts.sum(axis=1, keepdims=True)).astype(np.float32)
        return shares

    def _tile_offsets(self, height: int, width: int) -> NDArray[np.int32]:
        rows = np.arange(height, dtype=np.int32) * self._rows // height
        columns = np.arange(width, dtype=np.int32) * self._columns // width
        return ((rows[:, None] * self._columns + columns[None, :]) * FINE_BINS).astype(np.int32)

    def _moments(self, luma: Bytes) -> Floats:
        # tiles x pixels, every tile scaled to the same number of pixels.
        high = -(-luma.shape[0] // self._rows)
        wide = -(-luma.shape[1] // self._columns)
        even = cv2.resize(luma, (wide * self._columns, high * self._rows), interpolation=cv2.INTER_LINEAR)
        tiles = even.reshape(self._rows, high, self._columns, wide).transpose(0, 2, 1, 3)
        moments: Floats = tiles.reshape(self._rows * self._columns, high * wide).astype(np.float32)
        return moments


def _plane(plane: Any, components: int) -> Bytes:
    # A view of a frame's plane without the padding at the end of its rows; alive as long as the frame.
    width = plane.width * components
    padded = np.frombuffer(plane, np.uint8, plane.line_size * plane.height)
    return padded.reshape(plane.height, plane.line_size)[:, :width]


def _shrink(plane: Bytes, size: tuple[int, int]) -> Bytes:
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _spread(bins: int) -> Floats:
    # fine bins x bins: how a fine bin's pixels are shared out between the two coarse bins whose centres it
    # lies between.
    centres = (np.arange(FINE_BINS) + 0.5) * bins / FINE_BINS - 0.5
    lower = np.clip(np.floor(centres).astype(int), 0, bins - 2)
    upper_share = np.clip(centres - lower, 0.0, 1.0)
    matrix = np.zeros((FINE_BINS, bins), np.float32)
    matrix[np.arange(FINE_BINS), lower] = 1.0 - upper_share
    matrix[np.arange(FINE_BINS), lower + 1] = upper_share
    return matrix


def _correlation(first: Floats, second: Floats) -> Floats:
    a = first - first.mean(axis=1, keepdims=True)
    b = second - second.mean(axis=1, keepdims=True)
    spread = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    return np.asarray((a * b).sum(axis=1) / np.maximum(spread, 1e-12), dtype=np.float32)


def _intersection(first: Floats, second: Floats) -> Floats:
    return np.asarray(np.minimum(first, second).sum(axis=1), dtype=np.float32)


def _chi_square(first: Floats, second: Floats) -> Floats:
    # The symmetric form, which is 0 for equal and 1 for disjoint distributions, turned into a similarity.
    difference = first - second
    total = np.maximum(first + second, np.float32(1e-12))
    return np.asarray(1.0 - 0.5 * (difference * difference / total).sum(axis=1), dtype=np.float32)


def _bhattacharyya(first: Floats, second: Floats) -> Floats:
    return np.asarray(np.sqrt(first * second).sum(axis=1), dtype=np.float32)


def _ssim(first: Floats, second: Floats) -> Floats:
    # Wang et al. 2004 with a tile as the window; the constants are theirs, for values of 0..255.
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_a, mean_b = first.mean(axis=1), second.mean(axis=1)
    a, b = first - mean_a[:, None], second - mean_b[:, None]
    covariance = (a * b).mean(axis=1)
    variances = (a * a).mean(axis=1) + (b * b).mean(axis=1)
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return np.asarray(luminance * (2 * covariance + c2) / (variances + c2), dtype=np.float32)


_METRICS: dict[Metric, Callable[[Floats, Floats], Floats]] = {
    Metric.CORRELATION: _correlation,
    Metric.INTERSECTION: _intersection,
    Metric.CHI_SQUARE: _chi_square,
    Metric.BHATTACHARYYA: _bhattacharyya,
}
