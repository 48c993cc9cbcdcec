"""Takes changes of the folder of custom gestures."""

from __future__ import annotations

import asyncio

import structlog

from gifcue.gestures.library import GestureLibrary, ReloadedGestures

log = structlog.get_logger()


class GestureFollower:
    """`interval_s` is in seconds."""

    def __init__(self, library: GestureLibrary, interval_s: float) -> None:
        self._library = library
        self._interval_s = interval_s
        self._reported: dict[str, str] = {}
        self._labels = frozenset(library.labels)

    async def follow(self) -> None:
        """Looks at the folder again and again until it is cancelled."""
        last_error = ""
        while True:
            await asyncio.sleep(self._interval_s)
            try:
                await self.reload()
                last_error = ""
            except Exception as error:
                # An error that comes back at every look is logged once.
                if repr(error) != last_error:
                    last_error = repr(error)
                    log.exception("gestures could not be followed")

    async def reload(self) -> ReloadedGestures:
        """Reads the folder again and takes what has changed."""
        found = await self._library.reload()
        self.report()
        return found

    def report(self) -> None:
        """Logs what has changed since the last report. The labels are an operator's, and name no person."""
        labels, problems = frozenset(self._library.labels), dict(self._library.problems)
        if labels != self._labels:
            log.info(
                "gestures changed",
                added=sorted(labels - self._labels),
                removed=sorted(self._labels - labels),
            )
            self._labels = labels
        for file, problem in problems.items():
            if self._reported.get(file) != problem:
                log.warning("gesture file not served as it stands", file=file, problem=problem)
        self._reported = problems
