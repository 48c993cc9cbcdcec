"""Takes a still through both pools of workers: one decodes it, a detector analyses it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from gifcue.detect.detector import ServedModel
from gifcue.detect.messages import StillPicture
from gifcue.detect.pool import DetectorPool
from gifcue.detect.regions import Region
from gifcue.errors import Unavailable
from gifcue.media.still_admission import StillPlace
from gifcue.media.still_pool import StillPool


@dataclass(frozen=True, slots=True)
class AnnotatedStill:
    """One still, analysed. `width` and `height` are pixels of the picture as it came."""

    regions: list[Region]
    model: ServedModel
    width: int
    height: int


class Stills:
    """The stills of a server. `model` gives the model in service, `clock` seconds."""

    def __init__(
        self,
        pool: StillPool,
        detect: DetectorPool,
        model: Callable[[], ServedModel],
        clock: Callable[[], float],
    ) -> None:
        self._pool = pool
        self._detect = detect
        self._model = model
        self._clock = clock

    def enter(self, caller: str, size_bytes: int | None = None) -> StillPlace:
        """Takes a place for a still, as `StillPool.enter` does.

        Raises:
            Overloaded: there is no place.
        """
        return self._pool.enter(caller, size_bytes)

    async def annotate(self, image: bytes, place: StillPlace) -> AnnotatedStill:
        """Analyses one JPEG or PNG, which has a place. The place's deadline ends it.

        Raises:
            MediaError: it is neither, damaged, or has too many pixels, or a decoder was lost with it.
            Unavailable: no worker is ready, or the deadline has passed.
            WorkerLost: the detector that held it died.
        """
        place.received(len(image))
        try:
            async with asyncio.timeout(place.deadline_s - self._clock()):
                async with self._pool.decoded(image, place.caller) as still:
                    regions = await self._detect.annotate(StillPicture(still.slot, still.width, still.height))
        except TimeoutError:
            raise Unavailable(
                "expected a decoder and a detector for the still in time, none was free"
            ) from None
        return AnnotatedStill(regions, self._model(), still.source_width, still.source_height)
