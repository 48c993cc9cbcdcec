"""Takes changes of the rule book's file, and warns of what the book names and this server does not have."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from gifcue.delivery.dispatcher import Dispatcher
from gifcue.delivery.sink import CueGif
from gifcue.engine.engine import Engine
from gifcue.errors import WrongState
from gifcue.gestures.library import GestureLibrary
from gifcue.protocol.operations import RulesReloaded
from gifcue.reactions.presets import ReactionPresets
from gifcue.rules.watch import BookWatcher, lines_of
from gifcue.server.config import Settings

log = structlog.get_logger()

# Characters of a problem with the file that a caller is told. gRPC carries about 8 KiB.
_SHOWN_PROBLEM = 2000


class BookFollower:
    """`gifs` is the folder behind /gifs/, None where HTTP is not served."""

    def __init__(
        self,
        settings: Settings,
        book: BookWatcher,
        presets: ReactionPresets,
        engine: Engine,
        dispatcher: Dispatcher,
        gifs: Path | None,
        gestures: GestureLibrary,
    ) -> None:
        self._settings = settings
        self._book = book
        self._presets = presets
        self._engine = engine
        self._dispatcher = dispatcher
        self._gifs = gifs
        # A look and the take that belongs to it are not mixed with those of another caller.
        self._looking = asyncio.Lock()
        self._gestures = gestures

    async def follow(self) -> None:
        """Looks at the file again and again until it is cancelled."""
        last_error = ""
        while True:
            await asyncio.sleep(self._settings.rules.reload_interval_s)
            try:
                if await self._look():
                    await asyncio.to_thread(self._warn_of_missing, self._gestures.labels)
                last_error = ""
            except Exception as error:
                # The next version may be a good one. An error that comes back at every look is logged once.
                if repr(error) != last_error:
                    last_error = repr(error)
                    log.exception("rule book could not be followed")

    async def reload(self) -> RulesReloaded:
        """Looks at the file at once.

        Raises:
            WrongState: the file cannot be read or has mistakes, which the message names, or there is none.
            Unavailable: no detector has been warm yet, so labels cannot be checked.
        """
        if not self._book.is_followed:
            raise WrongState(
                "expected rules.book to name a file, got the default rule book, which never changes"
            )
        changed = await self._look()
        problem = self._book.problem
        if problem is not None:
            shown = problem[:_SHOWN_PROBLEM] + (" …" if len(problem) > _SHOWN_PROBLEM else "")
            raise WrongState(f"expected a rule book without mistakes; the old one stays in force. {shown}")
        doubtful = await asyncio.to_thread(self._warn_of_missing, self._gestures.labels)
        book = self._book.book
        rules = len(book.rules) + sum(len(room.rules) for room in book.rooms.values())
        return RulesReloaded(changed, rules, len(book.gifs), tuple(doubtful))

    def warn(self) -> None:
        """Warns of presets that contradict the settings, and of what the book names and this server does not have."""
        for preset, problem in self._presets.refused.items():
            log.warning("no stream can ask for this preset", preset=preset, problem=problem)
        self._warn_of_missing(self._gestures.labels)

    async def _look(self) -> bool:
        """Takes a new book; False if there is none."""
        async with self._looking:
            # In a thread: parsing a large book would hold up the streams.
            taken = self._book.take(await asyncio.to_thread(self._book.look))
        if taken:
            log.info("rule book reloaded")
        return taken

    def _warn_of_missing(self, taught: tuple[str, ...]) -> list[int]:
        """Warns of labels and GIFs that the rule book names and this server does not have; returns their lines.

        Runs in any thread. The library belongs to the event loop, so `taught` brings its labels.
        """
        book, lines = self._book, set[int]()
        # Where no book is configured, the labels of the default one are no mistake of the operator.
        if book.is_followed:
            extra = self._settings.detect.extra_gestures
            policy = self._settings.reactions.with_extra_gestures(extra).with_gestures(taught)
            unknown = book.missing(labels=self._engine.reaction_labels(policy))
            if unknown:
                log.warning("rule book names labels that never react here", lines=lines_of(unknown))
            lines.update(lines_of(unknown))
        if self._gifs is not None:
            missing = book.missing(gifs=self._gifs)
            if missing:
                log.warning("rule book names GIFs that are not in the folder", lines=lines_of(missing))
            lines.update(lines_of(missing))
        gifs = [
            CueGif(name, gif.url, gif.title, gif.media_type, gif.video_url)
            for name, gif in book.book.gifs.items()
        ]
        for rejected in self._dispatcher.rejected_gifs(gifs):
            log.warning(
                "rule book has GIFs that a sink cannot show",
                sink=rejected.sink,
                reason=rejected.reason.value,
                gifs=rejected.count,
                of=len(gifs),
            )
        return sorted(lines)
