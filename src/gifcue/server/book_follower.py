"""Takes changes of the rule book's file, and warns of what the book names and this server does not have."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from gifcue.delivery.dispatcher import Dispatcher
from gifcue.delivery.sink import CueGif
from gifcue.engine.engine import Engine
from gifcue.gestures.library import GestureLibrary
from gifcue.reactions.presets import ReactionPresets
from gifcue.rules.watch import BookWatcher, lines_of
from gifcue.server.config import Settings

log = structlog.get_logger()


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
        self._gestures = gestures

    async def follow(self) -> None:
        """Looks at the file again and again until it is cancelled."""
        last_error = ""
        while True:
            await asyncio.sleep(self._settings.rules.reload_interval_s)
            try:
                # In a thread: parsing a large book would hold up the streams.
                if self._book.take(await asyncio.to_thread(self._book.look)):
                    log.info("rule book reloaded")
                    await asyncio.to_thread(self._warn_of_missing)
                last_error = ""
            except Exception as error:
                # The next version may be a good one. An error that comes back at every look is logged once.
                if repr(error) != last_error:
                    last_error = repr(error)
                    log.exception("rule book could not be followed")

    def warn(self) -> None:
        """Warns of presets that contradict the settings, and of what the book names and this server does not have."""
        for preset, problem in self._presets.refused.items():
            log.warning("no stream can ask for this preset", preset=preset, problem=problem)
        self._warn_of_missing()

    def _warn_of_missing(self) -> None:
        """Warns of labels and GIFs that the rule book names and this server does not have."""
        book = self._book
        # Where no book is configured, the labels of the default one are no mistake of the operator.
        if self._settings.rules.book is not None:
            policy = self._settings.reactions.with_gestures(self._gestures.labels)
            unknown = book.missing(labels=self._engine.reaction_labels(policy))
            if unknown:
                log.warning("rule book names labels that never react here", lines=lines_of(unknown))
        if self._gifs is not None:
            missing = book.missing(gifs=self._gifs)
            if missing:
                log.warning("rule book names GIFs that are not in the folder", lines=lines_of(missing))
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
