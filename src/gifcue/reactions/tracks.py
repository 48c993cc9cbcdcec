"""The same face, the same hand, from frame to frame."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from gifcue.detect.regions import Kind, Region
from gifcue.protocol.geometry import Box
from gifcue.reactions.settings import TrackSettings

# Frames of a track's past that are kept: at 10 analyses a second, far more than speed is ever measured over.
PAST = 16


@dataclass(slots=True)
class Track:
    """One face or hand. `region` is where it was last seen, at `seen_s`; `is_seen`: that was in the last
    frame.

    Centres are (y, x) and sizes (height, width), in shares of the frame.
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
        """The track was found again."""
        elapsed_s = at_s - self.seen_s
        if elapsed_s > 0.0:
            (y, x), (last_y, last_x) = region.box.center, self.box.center
            self.velocity = ((y - last_y) / elapsed_s, (x - last_x) / elapsed_s)
        self.region, self.seen_s, self.is_seen = region, at_s, True
        self.past.append((at_s, region.box))

    def predicted(self, at_s: float) -> Box:
        """Where it would be by now, had it gone on as it did."""
        elapsed_s = max(0.0, at_s - self.seen_s)
        dy, dx = self.velocity[0] * elapsed_s, self.velocity[1] * elapsed_s
        box = self.box
        return Box(box.ymin + dy, box.xmin + dx, box.ymax + dy, box.xmax + dx)

    def speed(self, over_s: float) -> float:
        """Its own sizes a second, over the last `over_s` seconds or a little more; 0 where it has been seen
        only once.

        The way from then to now, not the path: the jitter of a box that stays is not speed.
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
    """Between the centres, in sizes.

    Each axis counts in its own, so that the frame's shape does not matter.
    """
    height, width = (one.height + other.height) / 2, (one.width + other.width) / 2
    if height <= 0.0 or width <= 0.0:
        return math.inf
    (y, x), (other_y, other_x) = one.center, other.center
    return math.hypot((y - other_y) / height, (x - other_x) / width)


class Tracker:
    """Gives regions their tracks.

    One that is missed lives on for a while, and takes the next region that fits.
    """

    def __init__(self, settings: TrackSettings) -> None:
        self._settings = settings
        self._tracks: list[Track] = []
        self._next_number = 1

    @property
    def tracks(self) -> Sequence[Track]:
        """Those that live, the ones missed in the last frame included."""
        return self._tracks

    def update(self, regions: Iterable[Region], at_s: float) -> None:
        """Takes the faces and hands of one frame."""
        settings = self._settings
        found = [each for each in regions if each.score >= settings.min_score and each.box.area > 0.0]
        pairs = [
            (affinity, index, track)
            for track in self._tracks
            for index, region in enumerate(found)
            if (affinity := self._affinity(track, region, at_s)) is not None
        ]
        # Best first. The numbers make the order, and so every decision, the same on every run.
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
        """A frame like the last one: what was seen is where it was."""
        for track in self._tracks:
            if track.is_seen:
                track.see(track.region, at_s)
        self._tracks = [each for each in self._tracks if at_s - each.seen_s <= self._settings.lost_after_s]

    def reset(self) -> None:
        """Forgets everything. Numbers are not used again."""
        self._tracks = []

    def _affinity(self, track: Track, region: Region, at_s: float) -> float | None:
        """How well they fit, more is better; None where they cannot be the same. Overlap beats nearness."""
        settings = self._settings
        if track.kind != region.kind:
            return None
        scale = region.box.area / track.box.area
        if not 1.0 / settings.max_scale <= scale <= settings.max_scale:
            return None
        predicted = track.predicted(at_s)
        # A hand that waves turns round where the prediction goes on, so its last place counts as well.
        overlap = max(predicted.iou(region.box), track.box.iou(region.box))
        if overlap >= settings.min_iou:
            return overlap
        away = min(distance(predicted, region.box), distance(track.box, region.box))
        return -away if away <= settings.max_jump else None
