"""Applies the layers to this process, in the order in which they do not hinder each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from gifcue.errors import ConfigError
from gifcue.workers.confinement import landlock, privileges, seccomp
from gifcue.workers.confinement.profile import (
    Confinement,
    Layer,
    LayerReport,
    LayerState,
    Profile,
)
from gifcue.workers.messages import bounded

# Raises OSError where the system does not have the layer, or refuses it.
_Apply = Callable[[], None]


def confine(confinement: Confinement) -> tuple[LayerReport, ...]:
    """Confines this process, for good; returns what became of each layer.

    To be called after all imports, with one thread: a layer that the kernel applies to a thread alone is missing where
    there are others.

    Raises:
        ConfigError: the settings require all layers, and one is missing.
    """
    if confinement.mode == "off":
        return tuple(LayerReport(layer, LayerState.OFF) for layer in Layer)
    report = tuple(_try(layer, apply) for layer, apply in _layers(confinement))
    missing = [f"{each.layer} ({each.why})" for each in report if each.state is LayerState.MISSING]
    if missing and confinement.mode == "required":
        raise ConfigError(
            f"supervision.confinement: expected a system with all layers, got one without {', '.join(missing)}"
        )
    return report


def _layers(confinement: Confinement) -> Iterator[tuple[Layer, _Apply | None]]:
    """Each layer and what applies it; None: it is not meant for this profile.

    The order matters. Nothing after `USER` may need root's rights, except that a process without new privileges needs
    none for the rest. `LANDLOCK` opens a descriptor, which `LIMITS` forbids; `SECCOMP` forbids the calls of all others.
    """
    profile = confinement.profile
    # Read before Landlock closes the file.
    mapped_bytes = privileges.address_space_bytes()
    yield Layer.NO_NEW_PRIVILEGES, privileges.forbid_new_privileges
    yield Layer.USER, (lambda: privileges.become(confinement.user)) if profile.is_sealed else None
    yield Layer.LANDLOCK, _landlock if profile.is_sealed else None
    yield Layer.LIMITS, lambda: _limit(profile, mapped_bytes)
    yield Layer.SECCOMP, seccomp.install if profile.is_sealed else None


def _landlock() -> None:
    threads = sum(1 for _ in Path("/proc/self/task").iterdir())
    if threads != 1:
        raise OSError(f"expected one thread, since it applies to one alone, got {threads}")
    landlock.restrict()


def _limit(profile: Profile, mapped_bytes: int | None) -> None:
    privileges.forbid_core_dumps()
    if profile.is_sealed:
        if mapped_bytes is None or profile.memory_bytes is None:
            privileges.limit_resources(None)
        else:
            privileges.limit_resources(mapped_bytes + profile.memory_bytes)


def _try(layer: Layer, apply: _Apply | None) -> LayerReport:
    if apply is None:
        return LayerReport(layer, LayerState.NOT_APPLIED)
    try:
        apply()
    except (OSError, ValueError, LookupError, AttributeError) as error:
        # AttributeError: the function is not there, as on macOS. ValueError: a limit that the system does not accept.
        return LayerReport(layer, LayerState.MISSING, bounded(str(error)))
    return LayerReport(layer, LayerState.ACTIVE)
