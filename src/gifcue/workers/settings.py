"""Settings of the supervision of workers."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class SupervisionSettings(BaseModel):
    """When a worker counts as stuck, and how it is restarted and stopped."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_timeout_s: float = Field(
        default=120.0, gt=0.0, le=3600.0, description="A worker not ready after this many seconds is killed."
    )
    ping_interval_s: float = Field(
        default=1.0,
        gt=0.0,
        le=60.0,
        description="Seconds between two pings of a worker.",
    )
    stuck_after_s: float = Field(
        default=10.0,
        gt=0.0,
        le=600.0,
        description="A worker that was pinged and has sent nothing for this many seconds is killed.",
    )
    backoff_initial_s: float = Field(
        default=0.1,
        ge=0.0,
        le=60.0,
        description="Seconds before the first restart; doubles with each further one.",
    )
    backoff_max_s: float = Field(
        default=5.0, ge=0.0, le=600.0, description="The longest pause before a restart, in seconds."
    )
    max_restarts: int = Field(
        default=5,
        ge=0,
        le=1000,
        description="More restarts than this within the window, and the worker has failed.",
    )
    restart_window_s: float = Field(
        default=60.0, gt=0.0, le=3600.0, description="The window in which restarts are counted, in seconds."
    )
    stop_grace_s: float = Field(
        default=5.0,
        ge=0.0,
        le=600.0,
        description="Seconds a worker gets to finish its work before it is killed.",
    )
