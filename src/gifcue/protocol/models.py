"""The model in service, as clients are told of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Model:
    """The model that analyses the frames. `gifcue.v1.ModelInfo` explains each field."""

    name: str
    version: str
    backend: str
    labels: tuple[str, ...]
