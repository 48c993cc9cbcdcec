"""What was found in a still picture, as frozen dataclasses."""

from __future__ import annotations

from dataclasses import dataclass

from gifcue.protocol.geometry import Box
from gifcue.protocol.models import Model


@dataclass(frozen=True, slots=True)
class Annotation:
    """One label found in a still. `score` is calibrated, 0..1."""

    label: str
    score: float
    box: Box


@dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """The labels found in a still of `width` x `height` pixels, highest score first."""

    annotations: tuple[Annotation, ...]
    model: Model
    width: int
    height: int
