"""The model in service, as it is described to clients."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Model:
    """The model that analyses the frames. `gifcue.v1.ModelInfo` explains each field."""

    name: str
    version: str
    backend: str
    labels: tuple[str, ...]
