"""What a server can do beyond the first version of the wire. A stream learns it from `StreamReady.features`."""

from __future__ import annotations

# The names are those of docs/decisions/0005-wire-additions.md. A client ignores names that it does not know.
DISMISS = "dismiss"
RESUME = "resume"

FEATURES = (
    # `Frame.rotation`.
    "rotation",
    # `Frame.temporal_layer`.
    "temporal_layers",
    # `StreamConfig.send_detections` and `send_landmarks`.
    "detections",
    # `StreamConfig.explain`.
    "explain",
    # `ParticipantUpdate.dismiss`.
    DISMISS,
    # `Heartbeat`.
    "heartbeat",
    # `StreamConfig.resume` and `Join.resume`.
    RESUME,
)
