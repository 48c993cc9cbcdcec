"""What a decision tells of its frame, as frozen dataclasses: the faces and hands found, and why nothing fired.

Coordinates are shares of the upright picture.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from gifcue.protocol.geometry import Box


class RegionKind(enum.StrEnum):
    """What a region shows. The wire's names are `REGION_KIND_<NAME>`."""

    UNSPECIFIED = "unspecified"  # a kind that this version does not know
    FACE = "face"
    HAND = "hand"


@dataclass(frozen=True, slots=True)
class LabelScore:
    """A label of a face or hand, and its calibrated score, 0..1."""

    label: str
    score: float


@dataclass(frozen=True, slots=True)
class Landmark:
    """A point; 0..1 within the picture, it can lie outside."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class DetectedRegion:
    """A face or a hand. `score` is 0..1; `labels` come highest score first.

    `landmarks` are empty unless the stream asks for them, and where the model gives none. docs/explanations.md gives
    their order.
    """

    kind: RegionKind
    box: Box
    score: float
    labels: tuple[LabelScore, ...] = ()
    landmarks: tuple[Landmark, ...] = ()


@dataclass(frozen=True, slots=True)
class UnmetCondition:
    """The first condition of the reaction policy that keeps a label from STARTED, as of one frame.

    docs/explanations.md lists the conditions, and the units of `value` and `needed`. A newer server may send others.
    """

    label: str
    condition: str
    value: float
    needed: float
