"""Puts an engine together out of the settings: the arena, both pools, the policies, the rules and the deliveries."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from gifcue.delivery.dispatcher import Dispatcher
from gifcue.delivery.sink import Cue, CueGif
from gifcue.detect.pool import DetectorPool
from gifcue.engine.engine import Engine
from gifcue.engine.notices import ReactionNotice
from gifcue.media.pool import DecodePool
from gifcue.reactions.presets import ReactionPresets
from gifcue.reactions.settings import ReactionSettings
from gifcue.rules.watch import BookWatcher
from gifcue.server.config import Settings
from gifcue.workers.arena import Arena

# Bits of a random name: enough that no two reactions of a server's life share one.
_ID_BYTES = 8


@dataclass(frozen=True, slots=True)
class Built:
    """The engine, and what the server looks after beside it. `arena` is to be closed once the engine has stopped."""

    engine: Engine
    arena: Arena
    book: BookWatcher
    dispatcher: Dispatcher
    presets: ReactionPresets


def build(settings: Settings, clock: Callable[[], float], detector_target: str | None = None) -> Built:
    """`detector_target` ("module:function") runs other detector workers than gifcue's own, for tests.

    Raises:
        ConfigError: the rule book is missing or wrong.
    """
    book = BookWatcher(settings.rules.book, seed=settings.rules.seed)
    arena = Arena.create(settings.media.workers, settings.media.slots_per_worker, settings.media.slot_bytes)
    dispatcher = Dispatcher(settings.delivery, clock=clock)
    presets = ReactionPresets(settings.reactions)
    engine = Engine(
        settings.limits,
        lambda preset: _policy(presets, preset),
        lambda: book.chooser,
        clock,
        lambda: secrets.token_hex(_ID_BYTES),
        settings.media,
        lambda room_id, notice: dispatcher.submit(cue_of(room_id, notice)),
    )
    decode = DecodePool(
        settings.media,
        arena,
        settings.supervision,
        on_outcome=engine.on_outcome,
        on_worker_lost=engine.on_decoder_lost,
        clock=clock,
    )
    target = {} if detector_target is None else {"target": detector_target}
    detect = DetectorPool(
        settings.detect, arena, settings.supervision, engine.on_result, clock=clock, **target
    )
    engine.use(decode, detect)
    return Built(engine, arena, book, dispatcher, presets)


def cue_of(room_id: str, notice: ReactionNotice) -> Cue:
    """What is handed on of a reaction that started with a GIF."""
    gif = None if notice.choice is None else notice.choice.gif
    assert gif is not None  # the engine has seen to it
    return Cue(
        reaction_id=notice.event.reaction_id,
        room_id=room_id,
        participant_id=notice.participant_id,
        label=notice.event.label,
        score=notice.event.score,
        gif=CueGif(gif.id, gif.url, gif.title, gif.media_type, gif.video_url),
    )


def _policy(presets: ReactionPresets, preset: str) -> tuple[str, ReactionSettings]:
    settings = presets.choose(preset)
    return settings.preset, settings
