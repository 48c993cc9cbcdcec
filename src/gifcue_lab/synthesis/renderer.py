"""Draws the frames of a sequence.

In: a `Sequence` and functions that decode photographs and clips. Out: uint8 RGB frames [H, W, 3] of the video's size.
Pictures are composed at the size of the photographs and scaled to the video's size once.
"""

from __future__ import annotations

import functools
import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from gifcue_lab.synthesis.cutouts import Cutout, cut_out, make_background
from gifcue_lab.synthesis.held import with_held
from gifcue_lab.synthesis.script import Guest, Held, Key, Layer, Light, Shot, Video
from gifcue_lab.synthesis.script import Sequence as Script
from gifcue_lab.synthesis.subjects import Still
from gifcue_lab.synthesis.sway import Bender, Sway
from gifcue_lab.synthesis.video import VideoReader
from gifcue_lab.training.samples import Image, Photo

# A hand that moves farther than this while the shutter is open is blurred, in pixels of its photograph.
SHARP_PX = 2.5
BLUR_STEPS = 5
# Share of a frame's time for which the shutter is open.
SHUTTER = 0.6
# How much of a guest is visible beside the middle of the face and below the face, in face heights.
GUEST_ASIDE, GUEST_BELOW = 1.1, 1.6
# Seconds to lean in, and to lean out.
GUEST_LEAN_S = 0.5
# Standard deviation of sensor noise, of 255.
GRAIN = (1.2, 3.2)
GRAIN_TILES = 4


class Renderer:
    """Draws one sequence. `read` decodes a photograph, `open_clip` opens a real clip by its name."""

    def __init__(
        self,
        script: Script,
        stills: Mapping[str, Still],
        read: Callable[[Photo], Image],
        open_clip: Callable[[str], VideoReader],
    ) -> None:
        self._script, self._stills = script, stills
        self._shots = script.shots
        self._starts = [shot.start_s for shot in self._shots]
        self._lights = [light for segment in script.segments for light in segment.lights]
        self._rng = np.random.default_rng(script.seed)
        self._sway = Sway(self._rng)
        self._video_reader = functools.lru_cache(maxsize=4)(open_clip)
        self._image = functools.lru_cache(maxsize=64)(lambda name: read(stills[name].photo))
        self._background = functools.lru_cache(maxsize=64)(self._make_background)
        self._cutout = functools.lru_cache(maxsize=16)(self._make_cutout)
        self._bender = functools.lru_cache(maxsize=16)(self._make_bender)
        self._bust = functools.lru_cache(maxsize=4)(self._make_bust)
        video = script.video
        level = float(self._rng.uniform(*GRAIN))
        shape = (GRAIN_TILES, video.height + 32, video.width + 32, 3)
        grain = np.round(self._rng.normal(0, level, shape))
        # OpenCV adds and subtracts unsigned bytes many times faster than it adds signed numbers to them.
        self._lighter = np.maximum(grain, 0).astype(np.uint8)
        self._darker = np.maximum(-grain, 0).astype(np.uint8)

    def frames(self) -> Iterator[Image]:
        """All frames, uint8 RGB [H, W, 3] of the video's size."""
        for number in range(round(self._script.seconds * self._script.video.fps)):
            yield self.frame(number / self._script.video.fps)

    def frame(self, at_s: float) -> Image:
        """The frame at a time in seconds. Only the noise depends on the frames that were drawn before."""
        number = max(0, bisect_right(self._starts, at_s + 1e-9) - 1)
        shot = self._shots[number]
        canvas = self._canvas(shot, at_s)
        into = (at_s - shot.start_s) / shot.fade_s if shot.fade_s > 0.0 else 1.0
        if number and into < 1.0:
            before = self._canvas(self._shots[number - 1], at_s)
            canvas = np.asarray(cv2.addWeighted(canvas, into, before, 1.0 - into, 0.0), np.uint8)
        lit = relight(canvas, self._lights, at_s)
        tile, top, left = (int(self._rng.integers(most)) for most in (GRAIN_TILES, 32, 32))
        there = np.s_[tile, top : top + lit.shape[0], left : left + lit.shape[1]]
        # In place: memory that is new in every frame costs more than the addition.
        cv2.add(lit, self._lighter[there], dst=lit)
        return np.asarray(cv2.subtract(lit, self._darker[there], dst=lit), np.uint8)

    def picture(self, shot: Shot, at_s: float) -> Image:
        """A shot at a time, at the size of its photograph."""
        if shot.clip:
            return self._video_reader(shot.clip).at(shot.clip_from_s + at_s - shot.start_s)
        still = self._stills[shot.photo]
        picture = self._background(shot.photo, shot.fillers) if shot.fillers else self._image(shot.photo)
        if shot.guest is not None:
            picture = self._with_guest(picture, still, shot, shot.guest, at_s)
        if still.face is not None:
            jaw = self._sway.jaw(at_s) if shot.talks else 0.0
            picture = self._bender(shot.photo).bend(picture, self._sway.head(at_s), jaw)
        if shot.layer is not None:
            picture = self._with_hand(picture, shot.layer, at_s)
        return picture

    def _canvas(self, shot: Shot, at_s: float) -> Image:
        picture = self.picture(shot, at_s)
        drift = (0.0, 0.0) if shot.clip else self._sway.camera(at_s)
        video = replace(self._script.video, cover=None) if shot.whole else self._script.video
        return lay_on_canvas(picture, video, drift)

    def _make_background(self, name: str, fillers: tuple[str, ...]) -> Image:
        others = [(self._stills[each], self._image(each)) for each in fillers]
        return make_background(self._stills[name], self._image(name), others)

    def _make_bust(self, name: str) -> npt.NDArray[np.float32]:
        """The mask of head and shoulders of a photograph, float32 [H, W], 0..1."""
        still = self._stills[name]
        assert still.face is not None
        left, top, right, bottom = (float(each) for each in still.face.box)
        tall, middle = bottom - top, (left + right) / 2
        soft = np.zeros((still.photo.height, still.photo.width), np.float32)
        head = (round(middle), round((top + bottom) / 2 - 0.12 * tall))
        cv2.ellipse(soft, head, (round(0.62 * tall), round(0.82 * tall)), 0, 0, 360, 1.0, -1)
        shoulders = (round(middle), round(bottom + 1.3 * tall))
        cv2.ellipse(soft, shoulders, (round(GUEST_ASIDE * tall), round(1.25 * tall)), 0, 0, 360, 1.0, -1)
        return np.asarray(cv2.GaussianBlur(soft, (0, 0), max(1.0, 0.05 * tall)), np.float32)

    def _make_bender(self, name: str) -> Bender:
        still = self._stills[name]
        assert still.face is not None
        left, top, right, bottom = (float(each) for each in still.face.box)
        return Bender((still.photo.height, still.photo.width), (left, top, right, bottom))

    def _make_cutout(self, name: str, fillers: tuple[str, ...], held: Held) -> Cutout:
        still = self._stills[name]
        made = cut_out(still, self._image(name), self._background(name, fillers))
        return with_held(made, still, held).trimmed()

    def _with_hand(self, picture: Image, layer: Layer, at_s: float) -> Image:
        hand = self._cutout(layer.photo, layer.fillers, layer.held)
        frame_s = SHUTTER / self._script.video.fps
        begin, end = pose(layer.keys, at_s - frame_s / 2), pose(layer.keys, at_s + frame_s / 2)
        moved = math.hypot(end.x - begin.x, end.y - begin.y)
        steps = BLUR_STEPS if moved > SHARP_PX else 1
        shares = [(step + 0.5) / steps - 0.5 for step in range(steps)]
        matrices = [turn_matrix(pose(layer.keys, at_s + share * frame_s), hand.elbow) for share in shares]
        # Only the part of the picture is computed in which the hand lies.
        corners = np.concatenate([hand.corners @ matrix[:, :2].T + matrix[:, 2] for matrix in matrices])
        left, top = np.maximum(np.floor(corners.min(0)).astype(int) - 1, 0)
        right, bottom = np.minimum(np.ceil(corners.max(0)).astype(int) + 2, picture.shape[1::-1])
        if left >= right or top >= bottom:
            return picture
        size = (int(right - left), int(bottom - top))
        colour = np.zeros((size[1], size[0], 3), np.float32)
        alpha = np.zeros((size[1], size[0]), np.float32)
        for matrix in matrices:
            placed = matrix.copy()
            placed[:, 2] += matrix[:, :2] @ hand.corner - (left, top)
            soft = cv2.warpAffine(hand.alpha, placed, size)
            moved_hand = cv2.warpAffine(hand.picture, placed, size, borderMode=cv2.BORDER_REPLICATE)
            colour += moved_hand * soft[..., None]
            alpha += soft
        under = picture[top:bottom, left:right]
        kept = 1 - alpha[..., None] / steps
        drawn = picture.copy()
        drawn[top:bottom, left:right] = np.clip(colour / steps + under * kept, 0, 255)
        return drawn

    def _with_guest(self, picture: Image, still: Still, shot: Shot, guest: Guest, at_s: float) -> Image:
        other = self._stills[guest.photo]
        if still.face is None or other.face is None:
            return picture
        source = self._background(guest.photo, guest.fillers) if guest.fillers else self._image(guest.photo)
        left, top, right, bottom = (float(each) for each in other.face.box)
        tall, middle = bottom - top, (left + right) / 2
        aside = GUEST_ASIDE * tall
        scale = guest.face_share * float(still.face.box[3] - still.face.box[1]) / tall
        height, width = picture.shape[:2]
        inside = min(1.0, (at_s - shot.start_s) / GUEST_LEAN_S, max(0.0, shot.end_s - at_s) / GUEST_LEAN_S)
        inside = 0.5 - 0.5 * math.cos(math.pi * max(0.0, inside))
        reach = guest.reach * width * inside - aside * scale * (1.0 - inside)
        x = reach if guest.side == "left" else width - reach
        # The guest's body must reach the lowest visible row of the picture.
        end = min(float(source.shape[0]), bottom + GUEST_BELOW * tall)
        y = seen_bottom(width, height, self._script.video) - scale * (end - top)
        matrix = np.array([[scale, 0, x - middle * scale], [0, scale, y - top * scale]], np.float32)
        soft = self._bust(guest.photo)
        laid = cv2.warpAffine(source, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
        alpha = cv2.warpAffine(soft, matrix, (width, height))[..., None]
        return np.asarray(laid * alpha + picture * (1 - alpha), np.uint8)


def pose(keys: Sequence[Key], at_s: float) -> Key:
    """The pose of a hand at a time: eased between keys, constant before the first and after the last."""
    number = bisect_right([key.at_s for key in keys], at_s)
    if number == 0 or number == len(keys):
        return keys[min(number, len(keys) - 1)]
    one, other = keys[number - 1], keys[number]
    share = 0.5 - 0.5 * math.cos(math.pi * (at_s - one.at_s) / (other.at_s - one.at_s))
    return Key(
        at_s,
        one.x + share * (other.x - one.x),
        one.y + share * (other.y - one.y),
        one.angle_deg + share * (other.angle_deg - one.angle_deg),
    )


def turn_matrix(key: Key, elbow: tuple[float, float]) -> npt.NDArray[np.float64]:
    """The affine matrix of a pose, float64 [2, 3]: a clockwise rotation about the elbow, then a translation."""
    cos, sin = math.cos(math.radians(key.angle_deg)), math.sin(math.radians(key.angle_deg))
    turn = np.array([[cos, -sin], [sin, cos]])
    shift = np.array(elbow) - turn @ np.array(elbow) + (key.x, key.y)
    return np.concatenate([turn, shift[:, None]], 1)


def lay_on_canvas(picture: Image, video: Video, drift: tuple[float, float] = (0.0, 0.0)) -> Image:
    """Scales a picture to the video's frame, as `Video.cover` says; `drift` is in shares of the frame's height."""
    height, width = picture.shape[:2]
    scale, shift_x, shift_y = _placed(width, height, video)
    shift_x, shift_y = shift_x + drift[0] * video.height, shift_y + drift[1] * video.height
    # Coordinates are of pixel centres, not of corners.
    offset = (scale - 1) / 2
    matrix = np.array([[scale, 0, shift_x + offset], [0, scale, shift_y + offset]], np.float32)
    border = cv2.BORDER_REPLICATE if video.cover is not None else cv2.BORDER_CONSTANT
    return np.asarray(
        cv2.warpAffine(picture, matrix, (video.width, video.height), borderMode=border), np.uint8
    )


def seen_bottom(width: int, height: int, video: Video) -> float:
    """The lowest row of a picture of this size that is visible in the video."""
    scale, _, shift_y = _placed(width, height, video)
    return min(float(height), (video.height - shift_y) / scale)


def _placed(width: int, height: int, video: Video) -> tuple[float, float, float]:
    """(scale, left, top) of a picture of this size in the video's frame, left and top in its pixels."""
    across, down = video.width / width, video.height / height
    scale = min(across, down) if video.cover is None else max(across, down)
    place = 0.5 if video.cover is None else video.cover
    return scale, (video.width - scale * width) / 2, (video.height - scale * height) * place


def relight(frame: Image, lights: Sequence[Light], at_s: float) -> Image:
    """The frame with the changes of light that apply at a time."""
    for light in lights:
        if not light.start_s < at_s < light.end_s:
            continue
        share = min(1.0, (at_s - light.start_s) / light.ramp_s, (light.end_s - at_s) / light.ramp_s)
        if light.hz > 0.0:
            share *= 0.5 - 0.5 * math.cos(2 * math.pi * light.hz * (at_s - light.start_s))
        levels = np.linspace(0.0, 1.0, 256)
        table = np.stack([light.gain * tint * levels**light.gamma for tint in light.tint], 1)
        table = np.clip((1 - share) * levels[:, None] + share * table, 0, 1) * 255
        frame = np.asarray(cv2.LUT(frame, np.round(table).astype(np.uint8)[:, None]), np.uint8)
    return frame
