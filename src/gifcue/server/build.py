"""Puts an engine together out of the settings: the arena, both pools, the policies and the rules."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from gifcue.config import Settings
from gifcue.detect.pool import DetectorPool
from gifcue.engine.engine import Engine
from gifcue.media.pool import DecodePool
from gifcue.reactions.settings import PolicySettings
from gifcue.rules.watch import BookWatcher
from gifcue.workers.arena import Arena

# Bits of a random name: enough that no two reactions of a server's life share one.
_ID_BYTES = 8


@dataclass(frozen=True, slots=True)
class Built:
    """The engine, and what the server looks after beside it. `arena` is to be closed once the engine has stopped."""

    engine: Engine
    arena: Arena
    book: BookWatcher


def build(settings: Settings, clock: Callable[[], float], detector_target: str | None = None) -> Built:
    """`detector_target` ("module:function") runs other detector workers than gifcue's own, for tests.

    Raises:
        ConfigError: the rule book is missing or wrong.
    """
    book = BookWatcher(settings.rules.book, seed=settings.rules.seed)
    arena = Arena.create(settings.media.workers, settings.media.slots_per_worker, settings.media.slot_bytes)
    engine = Engine(
        settings.limits,
        lambda preset: _policy(settings.reactions, preset),
        lambda: book.chooser,
        clock,
        lambda: secrets.token_hex(_ID_BYTES),
        settings.media.max_pixels,
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
    return Built(engine, arena, book)


def _policy(own: PolicySettings, preset: str) -> tuple[str, PolicySettings]:
    settings = own.with_preset(preset) if preset else own
    return settings.preset, settings
