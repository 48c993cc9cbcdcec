"""Events, statistics and annotations as JSON objects.

The keys are an interface: programs read them. They are the names of the wire, so frame accounting stands under `books`.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from gifcue.client import (
    AnnotatedImage,
    Disconnected,
    Draining,
    Event,
    Fault,
    FrameCounts,
    FrameDecided,
    KeyframeRequested,
    ParticipantStatistics,
    Reaction,
    Ready,
    ServerStatus,
    SlowDown,
    StreamPage,
)

_TYPES: dict[type, str] = {
    Ready: "ready",
    Reaction: "reaction",
    FrameDecided: "frame_decided",
    KeyframeRequested: "keyframe_requested",
    SlowDown: "slow_down",
    Draining: "draining",
    Fault: "fault",
    Disconnected: "disconnected",
}


def event_json(event: Event) -> dict[str, Any]:
    """One event. `phase` is in capitals, as on the wire. `at_s` is the deciding frame's time, null without one."""
    fields = {"type": _TYPES[type(event)], **asdict(event)}
    if isinstance(event, Reaction):
        fields["phase"] = event.phase.name
        fields["at_s"] = round(event.at_s, 3) if event.clock_hz else None
        for name in ("progress", "score", "latency_ms"):
            fields[name] = round(fields[name], 4)
        fields["box"] = {side: round(value, 4) for side, value in fields["box"].items()}
    return fields


def counts_json(counts: FrameCounts) -> dict[str, Any]:
    """Frame accounting, and whether it is consistent."""
    return {**asdict(counts), "is_consistent": counts.is_consistent}


def participant_json(each: ParticipantStatistics) -> dict[str, Any]:
    """One participant's statistics."""
    return {
        "participant_id": each.participant_id,
        **counts_json(each.frames),
        "reactions": each.reactions,
        "latency_p50_ms": round(each.latency_p50_ms, 2),
        "latency_p95_ms": round(each.latency_p95_ms, 2),
    }


def image_json(path: str, image: AnnotatedImage) -> dict[str, Any]:
    """The labels found in one still."""
    return {
        "type": "annotations",
        "image": path,
        "width": image.width,
        "height": image.height,
        "model": image.model.version,
        "annotations": [
            {
                "label": found.label,
                "score": round(found.score, 4),
                "box": {side: round(value, 4) for side, value in asdict(found.box).items()},
            }
            for found in image.annotations
        ],
    }


def streams_json(page: StreamPage) -> list[dict[str, Any]]:
    """Open streams as figures."""
    lines = []
    for stream in page.streams:
        fields = asdict(stream)
        del fields["frames"]
        lines.append({"type": "stream", **fields, "books": counts_json(stream.frames)})
    return lines


def status_json(status: ServerStatus) -> dict[str, Any]:
    """The state of a server."""
    fields = asdict(status)
    del fields["frames"]
    return {"type": "status", **fields, "books": counts_json(status.frames)}
