"""Limits of a stream and its participants."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class LimitSettings(BaseModel):
    """Limits, each enforced where frames arrive and each told to the client in `StreamReady`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_participants_per_stream: int = Field(64, ge=1, le=4096, description="Participants on one stream.")
    max_participants: int = Field(512, ge=1, le=65536, description="Participants on the whole server.")
    max_frame_bytes: int = Field(
        2 * 1024 * 1024, ge=1024, le=64 * 1024 * 1024, description="Bytes of one payload or still."
    )
    max_buffered_bytes: int = Field(
        8 * 1024 * 1024,
        ge=65536,
        description="Bytes of one participant that wait for its decoder; over it, frames are dropped up to a keyframe.",
    )
    max_fps: int = Field(
        120, ge=1, le=1000, description="Frames a second of one participant, over its own pts."
    )
    max_extradata_bytes: int = Field(65536, ge=0, description="Bytes of a join's extradata.")
    max_name_bytes: int = Field(
        128, ge=1, description="Bytes of a participant's, a room's or a client's name."
    )
    keyframe_request_interval_s: float = Field(
        1.0, ge=0.1, description="Seconds between two keyframe requests for one participant."
    )
    fault_interval_s: float = Field(
        1.0, ge=0.0, description="Seconds between two reports of the same fault of one participant."
    )
    left_participants_kept: int = Field(
        256,
        ge=0,
        description="Participants that left whose figures a stream still reports; older ones are summed up.",
    )
