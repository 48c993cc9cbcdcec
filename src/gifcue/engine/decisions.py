"""The message to a stream about each frame that was analysed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gifcue.detect.regions import Region
from gifcue.media.frame import FrameInFlight
from gifcue.protocol.detections import DetectedRegion, LabelScore, Landmark, RegionKind, UnmetCondition
from gifcue.protocol.events import FrameDecided
from gifcue.protocol.requests import StreamOptions

# Regions of one decision, and labels of one region, at most; those with the highest scores are sent. The model that
# comes with gifcue finds 8 faces and 8 hands (`DetectorConfig`), others up to `gifcue.detect.messages.MAX_REGIONS`.
MAX_REGIONS = 64
MAX_LABELS = 32

_KINDS = {"face": RegionKind.FACE, "hand": RegionKind.HAND}


@dataclass(frozen=True, slots=True)
class DecisionDetails:
    """What the decisions of a stream contain besides the frame and its latency."""

    regions: bool = False
    landmarks: bool = False
    unmet: bool = False


def decision_details(options: StreamOptions) -> DecisionDetails | None:
    """What a stream asked for; None where it wants no decisions."""
    if not options.send_decisions:
        return None
    landmarks = options.send_detections and options.send_landmarks
    return DecisionDetails(options.send_detections, landmarks, options.explain)


def decision_of(
    participant_id: str,
    frame: FrameInFlight,
    details: DecisionDetails,
    regions: Sequence[Region],
    unmet: Sequence[UnmetCondition],
    min_score: float,
) -> FrameDecided:
    """The decision on a frame. Regions that score less than `min_score`, 0..1, are left out: the policy does not follow
    them.
    """
    found: tuple[DetectedRegion, ...] = ()
    if details.regions:
        best = sorted(
            (each for each in regions if each.score >= min_score), key=lambda each: each.score, reverse=True
        )
        found = tuple(_detected(each, landmarks=details.landmarks) for each in best[:MAX_REGIONS])
    return FrameDecided(
        participant_id,
        frame.sequence,
        frame.pts,
        frame.clock_hz,
        frame.latency_ms,
        found,
        tuple(unmet) if details.unmet else (),
    )


def _detected(region: Region, *, landmarks: bool) -> DetectedRegion:
    labels = sorted(region.attributes.items(), key=lambda each: each[1], reverse=True)
    points = region.landmarks if landmarks else None
    return DetectedRegion(
        _KINDS[region.kind],
        region.box,
        region.score,
        tuple(LabelScore(label, score) for label, score in labels[:MAX_LABELS]),
        () if points is None else tuple(Landmark(x, y) for x, y in points[:, :2].tolist()),
    )
