"""The presets that streams can ask for."""

from __future__ import annotations

from collections.abc import Mapping

from gifcue.errors import ConfigError
from gifcue.reactions.preset_values import PRESETS
from gifcue.reactions.settings import ReactionSettings


class ReactionPresets:
    """A server's own reaction settings, and every preset with the server's changes. Prepared once, at the start."""

    def __init__(self, own: ReactionSettings) -> None:
        self._own = own
        self._ready: dict[str, ReactionSettings] = {}
        self._refused: dict[str, str] = {}
        for preset in PRESETS:
            try:
                self._ready[preset] = own.with_preset(preset)
            except ConfigError as error:
                self._refused[preset] = str(error)

    @property
    def refused(self) -> Mapping[str, str]:
        """The presets whose values contradict the server's changes, each with the reason."""
        return self._refused

    def choose(self, preset: str) -> ReactionSettings:
        """The settings of a stream that asks for `preset`; the server's own where it is empty.

        Raises:
            ConfigError: there is no such preset, or it is refused.
        """
        if not preset:
            return self._own
        if preset in self._ready:
            return self._ready[preset]
        if preset in self._refused:
            raise ConfigError(self._refused[preset])
        raise ConfigError(f"preset: expected one of {', '.join(PRESETS)}, got {preset!r}")
