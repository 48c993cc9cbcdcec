"""Limits of a stream and its participants."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from gifcue.expert import EXPERT


class LimitSettings(BaseModel):
    """Each limit is enforced where frames arrive, and the client learns it from `StreamReady`.

    The class variables are constants and cannot be set: one value suits every server.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Bytes of the extradata in a join. H.264 and H.265 parameter sets take some hundred bytes.
    max_extradata_bytes: ClassVar[int] = 65_536
    # Bytes of the name of a participant, a room or a client: twice a UUID in UTF-8, and room to spare.
    max_name_bytes: ClassVar[int] = 128
    # Bytes of a message beside its payloads and extradata.
    message_envelope_bytes: ClassVar[int] = 65_536
    # Labels in a join or an update: several times as many as any model and its gestures have.
    max_labels: ClassVar[int] = 256
    # Seconds between two keyframe requests for one participant. A keyframe is large: asking again before the
    # first one can have arrived only adds load.
    keyframe_request_interval_s: ClassVar[float] = 1.0
    # Joins of one stream within a second, on average. A join makes a decoder and a policy. At once, everybody of a full
    # stream may join twice, as after a lost connection and a change of codec.
    joins_per_second: ClassVar[float] = 10.0
    # Participants that left whose frame counts a stream still reports one by one. Older ones are summed up, so
    # that a stream that lasts for days does not grow.
    left_participants_kept: ClassVar[int] = 256

    max_participants_per_stream: int = Field(
        64, ge=1, le=4096, description="Largest number of participants on one stream."
    )
    max_participants: Annotated[int, Field(ge=1, le=65536)] | Literal["auto"] = Field(
        512,
        description='Largest number of participants on the whole server. "auto": as many as this machine carries, by '
        "`gifcue capacity`; without its figure the server measures before it serves, which takes half a minute.",
    )
    capacity_file: Annotated[Path | None, EXPERT] = Field(
        None,
        description="File that keeps what `gifcue capacity` measured. Unset: capacity.json in systemd's "
        "CACHE_DIRECTORY, or in the folder gifcue of XDG_CACHE_HOME or ~/.cache.",
    )
    max_frame_bytes: int = Field(
        2 * 1024 * 1024, ge=1024, le=64 * 1024 * 1024, description="Largest frame or still, in bytes."
    )
    max_fps: int = Field(
        120,
        ge=1,
        le=1000,
        description="Frames a second that one participant may send, by its own timestamps.",
    )
    max_buffered_bytes: Annotated[int, EXPERT] = Field(
        8 * 1024 * 1024,
        ge=65536,
        description="Bytes of one participant that may wait for its decoder. Above that, frames are dropped up to the "
        "next keyframe.",
    )
    max_buffered_frames: Annotated[int, EXPERT] = Field(
        64,
        ge=1,
        le=65536,
        description="Frames of one participant that may wait for its decoder. Above that, frames are dropped up to the "
        "next keyframe.",
    )
    max_buffered_ms: Annotated[float, EXPERT] = Field(
        500.0,
        ge=50.0,
        le=60_000.0,
        description="Milliseconds that a frame may wait for its decoder. After that it is dropped, with all up to the "
        "next keyframe.",
    )
    max_server_buffered_bytes: Annotated[int, EXPERT] = Field(
        128 * 1024 * 1024,
        ge=1024 * 1024,
        description="Bytes of all participants that may wait for the decoders. Half of them are kept for participants "
        "of whom little waits.",
    )
    fault_interval_s: Annotated[float, EXPERT] = Field(
        1.0, ge=0.0, description="Seconds between two reports of the same fault of one participant."
    )

    @property
    def max_message_bytes(self) -> int:
        """Bytes of one message of a stream."""
        return self.max_frame_bytes + self.max_extradata_bytes + self.message_envelope_bytes

    @property
    def joins_at_once(self) -> int:
        """Joins of one stream that may come at once."""
        return max(16, 2 * self.max_participants_per_stream)

    @property
    def most_participants(self) -> int:
        """`max_participants`; 0 as long as it is "auto" and the capacity is not known."""
        return 0 if self.max_participants == "auto" else self.max_participants

    @property
    def buffered_share_bytes(self) -> int:
        """Bytes of one participant that may wait even where others use up what is not kept for it."""
        return self.max_server_buffered_bytes // 2 // max(1, self.most_participants)
