"""Builds an engine from the settings: the pipeline, the reaction policies, the rules and the deliveries."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gifcue.delivery.dispatcher import Dispatcher
from gifcue.delivery.sink import Cue, CueGif
from gifcue.detect.extra_gestures import ExtraGesture
from gifcue.detect.gesture_classifier import GestureClassifier
from gifcue.detect.pool import DETECTOR_TARGET
from gifcue.engine.engine import Engine
from gifcue.engine.pipeline import Pipeline
from gifcue.engine.publisher import Publisher
from gifcue.gestures.extra import extra_gifs, read_extra
from gifcue.gestures.library import GestureLibrary
from gifcue.gestures.taught import TaughtGesture
from gifcue.protocol.events import Reaction
from gifcue.reactions.presets import ReactionPresets
from gifcue.reactions.settings import ReactionSettings
from gifcue.rules.chooser import ChosenGif
from gifcue.rules.watch import BookWatcher
from gifcue.server.config import Settings

# The entry points of detector workers of other packages, by backend.
_TARGETS = {"triton": "gifcue.triton.worker:main"}
# Bytes of a random name: enough that no two reactions of a server share one.
_ID_BYTES = 8


@dataclass(frozen=True, slots=True)
class Built:
    """The engine, and the other parts that the server owns."""

    engine: Engine
    book: BookWatcher
    dispatcher: Dispatcher
    presets: ReactionPresets
    gestures: GestureLibrary


def build(settings: Settings, clock: Callable[[], float], detector_target: str | None = None) -> Built:
    """`detector_target` ("module:function") is the entry point of detector workers, None for gifcue's own.

    Raises:
        ConfigError: the rule book is missing or wrong, there is no folder of gestures, or a custom gesture has the name
            of an extra one that is enabled.
        ModelError: the classifier of the extra gestures is damaged.
        OSError: the system has no shared memory for the pictures.
    """
    book = BookWatcher(settings.rules.book, seed=settings.rules.seed)
    dispatcher = Dispatcher(settings.delivery, clock=clock)
    presets = ReactionPresets(settings.reactions)
    pipeline = Pipeline(
        settings.media,
        settings.detect,
        settings.stills,
        settings.supervision,
        clock,
        max_still_bytes=settings.limits.max_frame_bytes,
        max_wait_s=settings.limits.max_buffered_ms / 1000.0,
        detector_target=detector_target or _TARGETS.get(settings.detect.backend, DETECTOR_TARGET),
    )
    publisher = Publisher(
        lambda: book.chooser,
        lambda: pipeline.model.version,
        clock,
        lambda room_id, reaction, gif: dispatcher.submit(cue_of(room_id, reaction, gif)),
    )
    engine = Engine(
        settings.limits,
        lambda preset: _policy(presets, extra, gestures, preset),
        pipeline,
        publisher,
        clock,
        lambda: secrets.token_hex(_ID_BYTES),
    )
    extra = settings.detect.extra_gestures
    classifiers, gifs = read_extra(extra), extra_gifs(extra)
    gestures = GestureLibrary(
        settings.detect.gestures_dir,
        lambda served: _use_gestures(engine, book, classifiers, gifs, served),
        reserved=extra,
    )
    _use_gestures(engine, book, classifiers, gifs, gestures.gestures)
    return Built(engine, book, dispatcher, presets, gestures)


def cue_of(room_id: str, reaction: Reaction, gif: ChosenGif) -> Cue:
    """What deliveries get of a reaction that started with `gif`."""
    return Cue(
        reaction_id=reaction.reaction_id,
        room_id=room_id,
        participant_id=reaction.participant_id,
        label=reaction.label,
        score=reaction.score,
        gif=CueGif(gif.id, gif.url, gif.title, gif.media_type, gif.video_url),
    )


def _use_gestures(
    engine: Engine,
    book: BookWatcher,
    extra: Sequence[GestureClassifier],
    gifs_of_extra: Mapping[str, str],
    served: tuple[TaughtGesture, ...],
) -> None:
    engine.use_gestures([*extra, *(gesture.classifier for gesture in served)])
    gifs = {label: gesture.gif for gesture in served if gesture.gif is not None for label in gesture.labels}
    book.chooser.use_gestures({**gifs_of_extra, **gifs})


def _policy(
    presets: ReactionPresets, extra: Sequence[ExtraGesture], gestures: GestureLibrary, preset: str
) -> tuple[str, ReactionSettings]:
    settings = presets.choose(preset)
    return settings.preset, settings.with_extra_gestures(extra).with_gestures(gestures.labels)
