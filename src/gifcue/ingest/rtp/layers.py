"""Which of a source's simulcast layers is used."""

from __future__ import annotations

# Seconds without a packet after which a layer has stopped. Senders stop upper layers where bandwidth or CPU is short.
SILENCE_S = 1.0
# Seconds for which a better layer has to flow before it is used. Each change costs a keyframe.
STEADY_S = 2.0


class LayerChoice:
    """Uses the layer `wanted`, or the next lower one that flows. Layers count from 0, the smallest picture.

    Times are seconds of any steady clock.
    """

    def __init__(self, wanted: int) -> None:
        self.current = wanted
        self._last_s: list[float | None] = [None] * (wanted + 1)
        self._since_s: list[float] = [0.0] * (wanted + 1)
        self._began_s: float | None = None

    def take(self, layer: int, now_s: float) -> bool:
        """Whether a packet of `layer` is used. `current` has changed where it is the first of another layer."""
        if self._began_s is None:
            self._began_s = now_s
        last_s = self._last_s[layer]
        if last_s is None or now_s - last_s > SILENCE_S:
            self._since_s[layer] = now_s
        self._last_s[layer] = now_s
        if layer == self.current:
            return True
        if layer > self.current:
            if now_s - self._since_s[layer] < STEADY_S:
                return False
        elif now_s - (self._last_s[self.current] or self._began_s) <= SILENCE_S:
            return False
        self.current = layer
        return True
