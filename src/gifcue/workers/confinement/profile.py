"""What is asked of the confinement of a child, and what became of it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from msgspec import Meta

from gifcue.workers.messages import Message, Text

Mode = Literal["auto", "required", "off"]

# Address space that a decoder may add to what it has when it is confined, libraries and shared memory. Decoding a 4K
# picture of each codec adds 0.16 GB.
DECODER_MEMORY_BYTES: Final = 1024 * 1024 * 1024


class Layer(enum.StrEnum):
    """One of the means of confinement."""

    NO_NEW_PRIVILEGES = "no_new_privileges"  # no program gives the process more rights than it has
    USER = "user"  # does not run as root
    LANDLOCK = "landlock"  # no files, no TCP, no signals to processes outside
    LIMITS = "limits"  # of memory, descriptors, processes, files and core dumps
    SECCOMP = "seccomp"  # the system calls of a decoder and no others


class LayerState(enum.StrEnum):
    """What became of a layer."""

    ACTIVE = "active"
    MISSING = "missing"  # this system does not have it, or refuses it
    NOT_APPLIED = "not_applied"  # this kind of worker needs what the layer would take
    OFF = "off"  # switched off by the settings


@dataclass(frozen=True, slots=True)
class Profile:
    """What a kind of worker is confined to.

    Attributes:
        is_sealed: it needs no files, no network and no other process from the moment it is ready. Otherwise it keeps
            them, as runtimes and drivers of GPUs do.
        memory_bytes: address space that it may add to what it has when it is confined; None: no limit.
    """

    is_sealed: bool
    memory_bytes: int | None = None


# Whatever parses the bytes of strangers.
DECODER: Final = Profile(is_sealed=True, memory_bytes=DECODER_MEMORY_BYTES)


def decoder(budget_bytes: int) -> Profile:
    """That of a decoder whose pictures may take `budget_bytes` by its own account.

    The limit is the last resort: it is well above the account, because an allocation that fails may end the process.
    """
    return Profile(is_sealed=True, memory_bytes=max(DECODER_MEMORY_BYTES, 2 * budget_bytes))


# A detector reads pixels. TensorFlow and the drivers of GPUs start threads, open devices and compile code at any time.
DETECTOR: Final = Profile(is_sealed=False)


@dataclass(frozen=True, slots=True)
class Confinement:
    """A profile with the settings in force: whether it is applied, and as which user where root started the server."""

    profile: Profile
    mode: Mode = "auto"
    user: str = "nobody"


class LayerReport(Message, frozen=True):
    """What became of one layer, and why it is missing."""

    layer: Layer
    state: LayerState
    why: Text = ""


# In the order of application. A child reports each layer once.
Report = Annotated[tuple[LayerReport, ...], Meta(max_length=len(Layer))]


def states(report: tuple[LayerReport, ...]) -> Mapping[str, str]:
    """The state of each layer by its name."""
    return {str(each.layer): str(each.state) for each in report}
