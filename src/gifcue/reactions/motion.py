"""Side-to-side motion, which turns an open palm into a wave."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from gifcue.reactions.label_settings import SwingSettings
from gifcue.reactions.tracks import Track

# Seconds that three samples in a row span at least. Denser ones are dropped: they add jitter and no motion. Frames'
# times are rounded, so a microsecond less is enough.
DENSE_S = 0.1 - 1e-6
# The last swing is still under way. It counts once its travel is this share of `min_travel`, and this share of the
# previous swing's travel. Waiting for the whole swing would delay every wave. With lower shares, a trembling palm that
# was withdrawn counted as a wave in up to three of ten tries (docs/decisions/0030-reaction-policy.md).
UNDER_WAY_SHARE = 0.6
UNDER_WAY_OF_LAST = 0.25


@dataclass(frozen=True, slots=True)
class Sample:
    """Where a hand was at `at_s`: centre and size, in shares of the frame's width and height."""

    at_s: float
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Swing:
    """The motion from one turning point to the next.

    `travel` is the horizontal distance in hand widths, `climb` the vertical one in hand heights; both are 0 or more.
    """

    begun_s: float
    ended_s: float
    travel: float
    climb: float


@dataclass(frozen=True, slots=True)
class Waving:
    """The number of swings in a row up to now, and when the first of them began."""

    swings: int
    begun_s: float


class HandMotion:
    """The motion of one hand, less the motion of the body and of the camera."""

    def __init__(self, settings: SwingSettings) -> None:
        self._settings = settings
        # Seconds that the required row of swings takes at most. Older samples are not needed.
        self._longest_s = settings.min_swings * (settings.max_swing_s + settings.max_rest_s)
        self._samples: deque[Sample] = deque()
        self._drift = (0.0, 0.0)
        self._anchor: tuple[int, float, float] | None = None
        self._has_landmarks: bool | None = None
        # The last answer and what was asked: the policy asks the same twice a frame.
        self._answer: tuple[float, float, Waving | None] | None = None

    def follow(self, hand: Track, face: Track | None, at_s: float) -> None:
        """Takes the hand in one analysed frame.

        `face` is the face nearest to the hand. Its motion is subtracted: it moves as well when the body or the camera
        sways.
        """
        region = hand.region
        center = region.center_of_landmarks()
        has_landmarks = center is not None
        if has_landmarks is not self._has_landmarks:
            # The centre of the landmarks is not the centre of the box: a change from one to the other would look
            # like a swing.
            self._samples.clear()
            self._has_landmarks = has_landmarks
        self._follow_face(face)
        # Landmarks show a turn about the wrist better than the box does.
        x, y = center or region.box.center[::-1]
        width, height = region.box.width, region.box.height
        self._add(Sample(at_s, x - self._drift[0], y - self._drift[1], width, height))

    def rest(self, at_s: float) -> None:
        """Takes a skipped frame: the hand is where it was."""
        if self._samples:
            last = self._samples[-1]
            self._add(Sample(at_s, last.x, last.y, last.width, last.height))

    def waving(self, since_s: float, now_s: float) -> Waving | None:
        """The row of swings that lasts until `now_s`, without any before `since_s`; None if the hand does not wave."""
        if self._answer is None or self._answer[:2] != (since_s, now_s):
            self._answer = (since_s, now_s, self._waving(since_s, now_s))
        return self._answer[2]

    def _add(self, sample: Sample) -> None:
        if len(self._samples) >= 2 and sample.at_s - self._samples[-2].at_s < DENSE_S:
            self._samples.pop()
        self._samples.append(sample)
        while sample.at_s - self._samples[0].at_s > self._longest_s:
            self._samples.popleft()
        self._answer = None

    def _waving(self, since_s: float, now_s: float) -> Waving | None:
        settings = self._settings
        samples = [sample for sample in self._samples if sample.at_s >= since_s]
        row: list[Swing] = []
        for swing in swings(samples, settings):
            took_s = swing.ended_s - swing.begun_s
            is_one = took_s <= settings.max_swing_s and swing.travel >= settings.min_speed * took_s
            if not is_one or swing.climb > swing.travel:
                row = []
                continue
            if row and swing.begun_s - row[-1].ended_s > settings.max_rest_s:
                row = []
            row.append(swing)
        if not row or now_s - row[-1].ended_s > settings.max_rest_s:
            return None
        return Waving(len(row), row[0].begun_s)

    def _follow_face(self, face: Track | None) -> None:
        if face is None or not face.is_seen:
            self._anchor = None
            return
        y, x = face.box.center
        if self._anchor is not None and self._anchor[0] == face.number:
            self._drift = (self._drift[0] + x - self._anchor[1], self._drift[1] + y - self._anchor[2])
        self._anchor = (face.number, x, y)


def swings(samples: Sequence[Sample], settings: SwingSettings) -> list[Swing]:
    """Divides a motion into swings of at least `min_travel` hand widths. Smaller motion is jitter and is ignored.

    The last swing is still under way and may be shorter.
    """
    if len(samples) < 2:
        return []
    width = statistics.median(sample.width for sample in samples)
    height = statistics.median(sample.height for sample in samples)
    least = settings.min_travel * width
    slack = settings.turning_share * least
    found: list[Swing] = []
    # `left` is the last sample at the previous turning point, `farthest` the sample farthest from it since.
    left = farthest = lowest = highest = samples[0]
    direction = 0
    for sample in samples[1:]:
        if direction == 0:
            if sample.x < lowest.x:
                lowest = sample
            if sample.x > highest.x:
                highest = sample
            if sample.x - lowest.x >= least:
                direction, left, farthest = 1, _last_near(samples, lowest, sample, slack), sample
            elif highest.x - sample.x >= least:
                direction, left, farthest = -1, _last_near(samples, highest, sample, slack), sample
            continue
        ahead = (sample.x - farthest.x) * direction
        if ahead > 0.0:
            farthest = sample
        elif -ahead >= least:
            found.append(_swing(left, farthest, width, height))
            left = _last_near(samples, farthest, sample, slack)
            farthest = sample
            direction = -direction
    if direction != 0:
        found.append(_swing(left, farthest, width, height))
        last = samples[-1]
        behind = abs(farthest.x - left.x)
        enough = max(UNDER_WAY_SHARE * least, UNDER_WAY_OF_LAST * behind)
        if (farthest.x - last.x) * direction >= enough:
            found.append(_swing(_last_near(samples, farthest, last, slack), last, width, height))
    return found


def _last_near(samples: Sequence[Sample], turning: Sample, until: Sample, slack: float) -> Sample:
    """The last sample at the turning point: a hand may rest there before it swings back."""
    near = turning
    for sample in samples:
        if turning.at_s <= sample.at_s < until.at_s and abs(sample.x - turning.x) <= slack:
            near = sample
    return near


def _swing(begin: Sample, end: Sample, width: float, height: float) -> Swing:
    return Swing(begin.at_s, end.at_s, abs(end.x - begin.x) / width, abs(end.y - begin.y) / height)
