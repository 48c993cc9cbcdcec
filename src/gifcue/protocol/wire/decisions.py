"""FrameDecision: what was found on a frame, and why nothing fired."""

from __future__ import annotations

from gifcue.protocol.detections import DetectedRegion, LabelScore, Landmark, RegionKind, UnmetCondition
from gifcue.protocol.events import FrameDecided
from gifcue.protocol.wire.media import decode_box, encode_box
from gifcue.v1 import reaction_service_pb2 as pb

_KIND_NUMBERS = {kind: pb.RegionKind.Value(f"REGION_KIND_{kind.name}") for kind in RegionKind}
_KINDS: dict[int, RegionKind] = {number: kind for kind, number in _KIND_NUMBERS.items()}


def encode_decision(decision: FrameDecided) -> pb.FrameDecision:
    message = pb.FrameDecision(
        participant_id=decision.participant_id,
        sequence=decision.sequence,
        pts=decision.pts,
        clock_hz=decision.clock_hz,
        latency_ms=decision.latency_ms,
    )
    # Few streams ask for them, and even empty ones take half as long again to set.
    if decision.regions:
        message.regions.extend(map(encode_region, decision.regions))
    if decision.unmet:
        message.unmet.extend(map(encode_unmet, decision.unmet))
    return message


def decode_decision(message: pb.FrameDecision) -> FrameDecided:
    return FrameDecided(
        participant_id=message.participant_id,
        sequence=message.sequence,
        pts=message.pts,
        clock_hz=message.clock_hz,
        latency_ms=message.latency_ms,
        regions=tuple(decode_region(each) for each in message.regions),
        unmet=tuple(decode_unmet(each) for each in message.unmet),
    )


def encode_region(region: DetectedRegion) -> pb.DetectedRegion:
    return pb.DetectedRegion(
        kind=_KIND_NUMBERS[region.kind],
        box=encode_box(region.box),
        score=region.score,
        labels=[pb.LabelScore(label=each.label, score=each.score) for each in region.labels],
        landmarks=[pb.Landmark(x=point.x, y=point.y) for point in region.landmarks],
    )


def decode_region(message: pb.DetectedRegion) -> DetectedRegion:
    """The region, with `RegionKind.UNSPECIFIED` for a kind that this version does not know."""
    return DetectedRegion(
        kind=_KINDS.get(message.kind, RegionKind.UNSPECIFIED),
        box=decode_box(message.box),
        score=message.score,
        labels=tuple(LabelScore(each.label, each.score) for each in message.labels),
        landmarks=tuple(Landmark(point.x, point.y) for point in message.landmarks),
    )


def encode_unmet(unmet: UnmetCondition) -> pb.UnmetCondition:
    return pb.UnmetCondition(
        label=unmet.label, condition=unmet.condition, value=unmet.value, needed=unmet.needed
    )


def decode_unmet(message: pb.UnmetCondition) -> UnmetCondition:
    return UnmetCondition(message.label, message.condition, message.value, message.needed)
