"""How worker processes are supervised, and how many there are."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from gifcue.workers.confinement.profile import Confinement, Mode, Profile
from gifcue.workers.cores import usable_cores


class SupervisionSettings(BaseModel):
    """When a worker counts as stuck, how it is restarted and stopped, and what is taken from it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_timeout_s: float = Field(
        default=120.0,
        gt=0.0,
        le=3600.0,
        description="Seconds that a worker may take to become ready. After that it is killed.",
    )
    ping_interval_s: float = Field(
        default=0.5, gt=0.0, le=60.0, description="Seconds between two pings of a worker."
    )
    stuck_after_s: float = Field(
        default=2.0,
        gt=0.0,
        le=600.0,
        description="Seconds without a sign of life and without CPU time used after which a worker is killed. A worker "
        "that waits for a busy CPU is not.",
    )
    max_silent_cpu_s: float = Field(
        default=10.0,
        gt=0.0,
        le=3600.0,
        description="Seconds of CPU time that a worker may use without a sign of life before it is killed.",
    )
    backoff_initial_s: float = Field(
        default=0.1,
        ge=0.0,
        le=60.0,
        description="Seconds before the second restart of a worker; the first is immediate. Each further restart waits "
        "twice as long. Ten seconds without a loss start this anew.",
    )
    backoff_max_s: float = Field(
        default=10.0,
        ge=0.0,
        le=600.0,
        description="Longest wait before the restart of a worker that fails while it starts, in seconds. Other "
        "restarts wait 2 s at most.",
    )
    stop_grace_s: float = Field(
        default=5.0,
        ge=0.0,
        le=600.0,
        description="Seconds that a worker gets to finish its work before it is killed.",
    )
    confinement: Mode = Field(
        default="auto",
        description='How decode workers are kept from files, network and other processes. "auto": by what the system '
        'has; the server says what is missing. "required": the server does not start without all of it. "off": not '
        "at all.",
    )
    user: str = Field(
        default="nobody",
        min_length=1,
        description="User that decode workers become where root starts the server: a name, or one number for user and "
        "group.",
    )

    def of(self, profile: Profile) -> Confinement:
        """The confinement of a worker with this profile."""
        return Confinement(profile, self.confinement, self.user)


def half_of_the_cores() -> int:
    """Half of the cores that this process may use, at least 1: the automatic number of workers of one kind.

    At full load decoding takes 0.86 of a core where detection takes 0.68 (docs/performance.md): the two kinds need
    about as many cores. A container's CPU quota counts as so many cores.
    """
    return max(1, int(usable_cores()) // 2)
