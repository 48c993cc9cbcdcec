"""Follows faces and hands from frame to frame."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from gifcue.detect.regions import Kind, Region
from gifcue.protocol.geometry import Box
from gifcue.reactions.settings import TrackSettings

# Past frames that a track keeps: at 10 analyses a second many times `SPEED_OVER_S`.
PAST = 16
# Seconds that speed is measured over, at least: two frames of a fast stream are so close in time that the jitter of
# a box would count as speed.
SPEED_OVER_S = 0.15
# Overlap (IoU) from which two boxes are the same face or hand. Low, since a hand moves between two analyses.
MIN_IOU = 0.15
# Sizes that a centre may move between two frames where the boxes do not overlap: a fast hand at 10 frames a second.
MAX_JUMP = 1.5
# Factor by which the area may grow or shrink between two frames. A change of pose or distance stays below it.
MAX_SCALE = 3.0


@dataclass(slots=True)
class Track:
    """One face or hand, last seen at `seen_s` in `region`. `is_seen`: that was in the last frame.

    Centres are (y, x) and sizes (height, width), in shares of the frame. `velocity` is that of the centre, in shares
    a second.
    """

    number: int
    region: Region
    seen_s: float
    is_seen: bool = True
    velocity: tuple[float, float] = (0.0, 0.0)
    past: deque[tuple[float, Box]] = field(default_factory=lambda: deque(maxlen=PAST))

    @property
    def kind(self) -> Kind:
        return self.region.kind

    @property
    def box(self) -> Box:
        return self.region.box

    def see(self, region: Region, at_s: float) -> None:
        """Notes that the track was detected again."""
        elapsed_s = at_s - self.seen_s
        if elapsed_s > 0.0:
            (y, x), (last_y, last_x) = region.box.center, self.box.center
            self.velocity = ((y - last_y) / elapsed_s, (x - last_x) / elapsed_s)
        self.region, self.seen_s, self.is_seen = region, at_s, True
        self.past.append((at_s, region.box))

    def predicted(self, at_s: float) -> Box:
        """Where it is at `at_s` if its velocity has not changed."""
        elapsed_s = max(0.0, at_s - self.seen_s)
        dy, dx = self.velocity[0] * elapsed_s, self.velocity[1] * elapsed_s
        box = self.box
        return Box(box.ymin + dy, box.xmin + dx, box.ymax + dy, box.xmax + dx)

    def speed(self, over_s: float = SPEED_OVER_S) -> float:
        """Its speed over the last `over_s` seconds or a little more, in its own sizes a second; 0 if seen only once.

        The distance from then to now counts and not the path, so the jitter of a box that stays is no speed.
        """
        if len(self.past) < 2:
            return 0.0
        now_s, box = self.past[-1]
        then_s, then = next(
            ((at_s, past) for at_s, past in reversed(self.past) if now_s - at_s >= over_s), self.past[0]
        )
        if now_s <= then_s:
            return 0.0
        return distance(then, box) / (now_s - then_s)


def distance(one: Box, other: Box) -> float:
    """The distance between the centres, in mean sizes of the boxes.

    Heights and widths are compared separately, so the shape of the frame does not matter.
    """
    height, width = (one.height + other.height) / 2, (one.width + other.width) / 2
    if height <= 0.0 or width <= 0.0:
        return math.inf
    (y, x), (other_y, other_x) = one.center, other.center
    return math.hypot((y - other_y) / height, (x - other_x) / width)


class Tracker:
    """Assigns regions to tracks.

    A track that is not detected is kept for `lost_after_s` and takes the next region that fits.
    """

    def __init__(self, settings: TrackSettings) -> None:
        self._settings = settings
        self._tracks: list[Track] = []
        self._next_number = 1

    @property
    def tracks(self) -> Sequence[Track]:
        """All tracks, including those that the last frame did not show."""
        return self._tracks

    def update(self, regions: Iterable[Region], at_s: float) -> None:
        """Takes the faces and hands of one analysed frame."""
        settings = self._settings
        found = [each for each in regions if each.score >= settings.min_score and each.box.area > 0.0]
        pairs = [
            (affinity, index, track)
            for track in self._tracks
            for index, region in enumerate(found)
            if (affinity := self._affinity(track, region, at_s)) is not None
        ]
        # Best first. The track numbers break ties, so that every run decides the same.
        pairs.sort(key=lambda pair: (-pair[0], pair[2].number, pair[1]))
        for track in self._tracks:
            track.is_seen = False
        taken: set[int] = set()
        for _, index, track in pairs:
            if track.is_seen or index in taken:
                continue
            track.see(found[index], at_s)
            taken.add(index)
        self._tracks = [each for each in self._tracks if at_s - each.seen_s <= settings.lost_after_s]
        for index, region in enumerate(found):
            if index not in taken:
                track = Track(self._next_number, region, at_s)
                track.past.append((at_s, region.box))
                self._tracks.append(track)
                self._next_number += 1

    def repeat(self, at_s: float) -> None:
        """Takes a skipped frame: what was seen in the last frame is still there."""
        for track in self._tracks:
            if track.is_seen:
                track.see(track.region, at_s)
        self._tracks = [each for each in self._tracks if at_s - each.seen_s <= self._settings.lost_after_s]

    def reset(self) -> None:
        """Forgets all tracks. Their numbers are not used again."""
        self._tracks = []

    def _affinity(self, track: Track, region: Region, at_s: float) -> float | None:
        """How well a region fits a track, more is better; None where it cannot be the same.

        Any overlap is better than any distance.
        """
        if track.kind != region.kind:
            return None
        scale = region.box.area / track.box.area
        if not 1.0 / MAX_SCALE <= scale <= MAX_SCALE:
            return None
        predicted = track.predicted(at_s)
        # A waving hand turns back where the prediction continues straight on, so its last place counts as well.
        overlap = max(predicted.iou(region.box), track.box.iou(region.box))
        if overlap >= MIN_IOU:
            return overlap
        away = min(distance(predicted, region.box), distance(track.box, region.box))
        return -away if away <= MAX_JUMP else None
