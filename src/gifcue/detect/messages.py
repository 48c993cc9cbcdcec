"""The messages between the front and the detector workers.

A detector reads pixels that a decoder made of a stranger's bytes. Its messages are checked as those of the decode
workers are, although its model is trusted: a message has types and ranges, and reading it runs no code.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Mapping
from typing import Annotated, TypeAlias

import numpy as np
from msgspec import Meta

from gifcue.detect.detector import ServedModel
from gifcue.detect.gesture_classifier import GestureClassifier
from gifcue.detect.regions import Kind, Landmarks, Region
from gifcue.protocol.geometry import Box
from gifcue.workers.messages import (
    Finite,
    InvalidMessage,
    Message,
    MessageTypes,
    Number,
    Text,
    bounded,
)

# Regions of one picture at most: models of TensorFlow's Object Detection API find 100 to 300.
MAX_REGIONS = 1024
_MAX_ATTRIBUTES = 256
# float32 x, y, z of as many points as the largest face mesh has.
_MAX_LANDMARK_BYTES = 478 * 3 * 4
# 32 pictures, the largest batch, of regions with all landmarks.
_MAX_TO_FRONT_BYTES = 16 * 1024 * 1024


class SlotPicture(Message, frozen=True, tag=1):
    """A picture in the arena: RGB, uint8, rows without gaps from the start of the slot. `landmarks`: whether they are
    part of the answer.
    """

    slot: int
    width: int
    height: int
    landmarks: bool = False


class StillPicture(Message, frozen=True, tag=3):
    """The same in the arena of stills."""

    slot: int
    width: int
    height: int


class InlinePicture(Message, frozen=True, tag=2):
    """A picture in the message itself: RGB, uint8, width * height * 3 bytes."""

    rgb: bytes
    width: int
    height: int


class Batch(Message, frozen=True, tag=1):
    """Front to worker. Answered by one `BatchResult` with the same number."""

    number: int
    pictures: tuple[SlotPicture | StillPicture | InlinePicture, ...]


class PackedClassifier(Message, frozen=True):
    """A `GestureClassifier` as it travels. Arrays are float32: `mean` and `scale` [F], `weights` in rows of the labels,
    `examples` in rows of F, `hidden` in F + 1 rows.
    """

    labels: tuple[str, ...]
    threshold: float
    mean: bytes
    scale: bytes
    weights: bytes
    examples: bytes
    hidden: bytes


class UseGestures(Message, frozen=True, tag=2):
    """Front to worker: these gesture classifiers apply to every batch that follows, and no others. Not answered."""

    classifiers: tuple[PackedClassifier, ...]


class FoundRegion(Message, frozen=True):
    """A `Region` as it travels. `landmarks` are float32 in rows of `axes`; empty where there are none, or where nobody
    asked for them. `landmark_center` is their mean (x, y), of hands only: nothing else is needed to decide.
    """

    kind: Kind
    ymin: Finite
    xmin: Finite
    ymax: Finite
    xmax: Finite
    score: Finite
    attributes: Annotated[
        dict[Annotated[str, Meta(max_length=200)], Finite], Meta(max_length=_MAX_ATTRIBUTES)
    ]
    landmarks: Annotated[bytes, Meta(max_length=_MAX_LANDMARK_BYTES)]
    axes: Annotated[int, Meta(ge=2, le=3)]
    landmark_center: tuple[Finite, Finite] | None = None


Answer: TypeAlias = Annotated[list[FoundRegion], Meta(max_length=MAX_REGIONS)] | Text


class BatchResult(Message, frozen=True, tag=1):
    """Worker to front: for each picture of the batch its regions, or why the detector failed on it. `infer_ms` is the
    detector's time for the whole batch, in milliseconds.
    """

    number: Number
    answers: Annotated[tuple[Answer, ...], Meta(max_length=1024)]
    infer_ms: Finite


class AskReport(Message, frozen=True, tag=3):
    """Front to worker: how does it go with the inference servers? Answered by one `RemoteReport`."""


class FailureReason(enum.StrEnum):
    """Why a call of an inference server gave nothing that can be used."""

    UNREACHABLE = "unreachable"  # no connection, or it broke
    DEADLINE = "deadline"  # no answer in time
    REFUSED = "refused"  # the server answered with an error
    INVALID_ANSWER = "invalid_answer"  # an answer of another shape, or with numbers that no network computes


# Upper bounds, in seconds, of the durations that a report counts; a last count is of those above.
CALL_BOUNDS_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


class RemoteReport(Message, frozen=True, tag=2):
    """Worker to front: what it asked of inference servers since its last report, and how many of the endpoints can be
    used now. `failures` counts by reason. `durations` counts the calls that were answered, by `CALL_BOUNDS_S`.
    """

    endpoints: Number
    usable: Number
    calls: Number
    failures: dict[FailureReason, Number]
    durations: Annotated[
        tuple[Number, ...], Meta(min_length=len(CALL_BOUNDS_S) + 1, max_length=len(CALL_BOUNDS_S) + 1)
    ]
    duration_s: Annotated[float, Meta(ge=0.0, le=1e9)]
    remote_pictures: Number
    local_pictures: Number
    over_limit: Number
    sent_bytes: Number
    received_bytes: Number
    last_failure: Text = ""


MESSAGES = MessageTypes(
    to_worker=Batch | UseGestures | AskReport,
    to_front=BatchResult | RemoteReport,
    ready=ServedModel,
    max_to_front_bytes=_MAX_TO_FRONT_BYTES,
)


def pack_gestures(classifiers: Iterable[GestureClassifier]) -> UseGestures:
    """Gesture classifiers as they travel."""
    return UseGestures(
        tuple(
            PackedClassifier(
                each.labels,
                each.threshold,
                *(map(_bytes_of, (each.mean, each.scale, each.weights, each.examples, each.hidden))),
            )
            for each in classifiers
        )
    )


def unpack_gestures(message: UseGestures) -> list[GestureClassifier]:
    """The gesture classifiers of a message of the front."""
    return [
        GestureClassifier(
            each.labels,
            mean := np.frombuffer(each.mean, np.float32),
            np.frombuffer(each.scale, np.float32),
            np.frombuffer(each.weights, np.float32).reshape(-1, len(each.labels)),
            each.threshold,
            np.frombuffer(each.examples, np.float32).reshape(-1, len(mean)),
            np.frombuffer(each.hidden, np.float32).reshape(len(mean) + 1, -1),
        )
        for each in message.classifiers
    ]


def pack(regions: Iterable[Region], *, landmarks: bool) -> list[FoundRegion] | str:
    """The regions of one picture as they travel, with or without landmarks, or what is wrong with them: a model may
    compute what is no number.
    """
    packed = [_pack(region, landmarks) for region in regions]
    if len(packed) > MAX_REGIONS:
        return f"expected at most {MAX_REGIONS} regions in one picture, got {len(packed)}"
    for region in packed:
        numbers = (region.ymin, region.xmin, region.ymax, region.xmax, region.score)
        if not all(map(math.isfinite, (*numbers, *region.attributes.values()))):
            return f"expected finite numbers, got {bounded(repr((*numbers, dict(region.attributes))))}"
        is_finite = region.landmark_center is None or all(map(math.isfinite, region.landmark_center))
        if region.landmarks:
            is_finite = is_finite and bool(np.isfinite(np.frombuffer(region.landmarks, np.float32)).all())
        if not is_finite:
            return "expected finite landmarks, got others"
    return packed


def unpack(packed: Iterable[FoundRegion]) -> list[Region]:
    """The regions of one picture from a worker's message.

    Raises:
        InvalidMessage: landmarks are no whole points, or not finite.
    """
    return [
        Region(
            region.kind,
            Box(region.ymin, region.xmin, region.ymax, region.xmax),
            region.score,
            region.attributes,
            _landmarks(region.landmarks, region.axes) if region.landmarks else None,
            region.landmark_center,
        )
        for region in packed
    ]


def _pack(region: Region, with_landmarks: bool) -> FoundRegion:
    box, points = region.box, region.landmarks if with_landmarks else None
    return FoundRegion(
        region.kind,
        float(box.ymin),
        float(box.xmin),
        float(box.ymax),
        float(box.xmax),
        float(region.score),
        _floats(region.attributes),
        b"" if points is None else _bytes_of(points),
        2 if points is None else points.shape[1],
        region.center_of_landmarks() if region.kind == "hand" else None,
    )


def _bytes_of(array: Landmarks) -> bytes:
    return np.ascontiguousarray(array, np.float32).tobytes()


def _floats(values: Mapping[str, float]) -> dict[str, float]:
    # Models compute in numpy's types, which msgpack does not know.
    return {name: float(value) for name, value in values.items()}


def _landmarks(data: bytes, axes: int) -> Landmarks:
    if len(data) % (4 * axes):
        raise InvalidMessage(f"expected landmarks of {4 * axes} bytes each, got {len(data)} bytes")
    points = np.frombuffer(data, np.float32).reshape(-1, axes)
    if not np.isfinite(points).all():
        raise InvalidMessage("expected finite landmarks, got others")
    return points
