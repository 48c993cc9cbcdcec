"""Says at the start what the workers can do because the system or the settings do not confine them."""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from gifcue.protocol.statistics import WorkerStatus
from gifcue.workers.confinement.profile import LayerState, Mode

log = structlog.get_logger()


def warn_of_confinement(workers: Iterable[WorkerStatus], mode: Mode) -> None:
    """Warns once a layer that is missing, with the workers that lack it, or once of confinement that is off."""
    if mode == "off":
        log.warning("decode workers are not confined", setting="supervision.confinement")
        return
    lacking: dict[tuple[str, str], list[str]] = {}
    for worker in workers:
        for layer in worker.confinement:
            if layer.state == LayerState.MISSING:
                lacking.setdefault((layer.layer, layer.why), []).append(worker.name)
    for (name, why), names in lacking.items():
        log.warning("workers lack a layer of confinement", layer=name, reason=why, workers=names)
