"""What teaching adds to one stream: somebody who watches its hands, and a gesture on trial.

A gesture on trial is known to this stream alone. Its classifier runs here, on landmarks that a detector found: no
worker has it, and no other stream can see its label. It costs about 0.1 ms for each hand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gifcue.detect.detector import ServedModel
from gifcue.detect.gesture_classifier import POINTS, GestureClassifier, gesture_probabilities
from gifcue.detect.regions import DEFAULT_THRESHOLD, Region, confidence_of_size
from gifcue.media.frame import FrameInFlight


@dataclass(frozen=True, slots=True)
class SeenHands:
    """The hands of one analysed frame of a participant, largest first, each with its 21 landmarks. `aspect` is the
    frame's width divided by its height.
    """

    participant_id: str
    sequence: int
    aspect: float
    hands: tuple[Region, ...]


Watcher = Callable[[SeenHands], None]


class StreamTeaching:
    """Owned by a session and used by its participants. `model` gives the model in service."""

    def __init__(self, model: Callable[[], ServedModel]) -> None:
        self._model = model
        self._watchers: list[Watcher] = []
        self._label: str | None = None
        self._classifier: GestureClassifier | None = None

    @property
    def label(self) -> str | None:
        """The label of the gesture on trial; None without one."""
        return self._label

    @property
    def is_watched(self) -> bool:
        """Whether somebody watches. No frame of the stream is skipped as similar meanwhile."""
        return bool(self._watchers)

    @property
    def needs_landmarks(self) -> bool:
        """Whether the landmarks of hands are used here. A worker leaves them out of its answers otherwise."""
        return self._label is not None or self.is_watched

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Calls `watcher` for every analysed frame; it must neither wait nor raise. The result ends that."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    def use(self, label: str | None, classifier: GestureClassifier | None) -> None:
        """Puts a gesture on trial, in place of another one; without a classifier no hand shows it yet. None: nothing is
        on trial any more.
        """
        self._label, self._classifier = label, classifier

    def observe(
        self, participant_id: str, frame: FrameInFlight, regions: Sequence[Region]
    ) -> Sequence[Region]:
        """Tells the watchers what an analysed frame shows; returns the regions with the gesture on trial."""
        if not self.needs_landmarks:
            return regions
        aspect = frame.width / max(1, frame.height)
        if self._watchers:
            seen = SeenHands(participant_id, frame.sequence, aspect, self._hands(regions))
            for watcher in self._watchers:
                watcher(seen)
        label = self._label
        return regions if label is None else [self._tried(region, label, frame, aspect) for region in regions]

    def _hands(self, regions: Sequence[Region]) -> tuple[Region, ...]:
        threshold = self._model().thresholds.get("hand", DEFAULT_THRESHOLD)
        hands = [each for each in regions if _has_landmarks(each) and each.score >= threshold]
        return tuple(sorted(hands, key=lambda hand: -hand.box.area))

    def _tried(self, region: Region, label: str, frame: FrameInFlight, aspect: float) -> Region:
        if region.landmarks is None or not _has_landmarks(region):
            return region
        # In place of a gesture in service with the same label.
        attributes = {name: value for name, value in region.attributes.items() if name != label}
        if self._classifier is not None:
            probability = gesture_probabilities([self._classifier], region.landmarks, aspect).get(label, 0.0)
            longer_px = max(region.box.width * frame.width, region.box.height * frame.height)
            attributes[label] = probability * confidence_of_size(longer_px, self._model().smallest_hand_px)
        return replace(region, attributes=attributes)


def _has_landmarks(region: Region) -> bool:
    return region.kind == "hand" and region.landmarks is not None and region.landmarks.shape == (POINTS, 3)
