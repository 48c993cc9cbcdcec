"""Trains one gesture in a process of its own: `python -P -m gifcue.gestures.trainer`.

Training computes for seconds and holds the interpreter's lock meanwhile. In the process of the server that would hold
up every stream. The request comes on standard input and the answer goes to standard output, both msgpack.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from gifcue.detect.gesture_classifier import POINTS
from gifcue.errors import GifcueError
from gifcue.gestures.fit import train_gesture
from gifcue.gestures.negatives import read_negatives
from gifcue.gestures.samples import HandSample

# Bounds of one training. It takes 2 s with 30 samples and 60 other hands, and 8 s with as many as these.
MAX_SAMPLES = 120
MAX_OTHERS = 240
# CPU seconds after which the kernel ends the process.
MAX_CPU_S = 120
_NICE = 10

# A landmark far outside the frame is no landmark.
Coordinate = Annotated[float, Meta(ge=-4.0, le=4.0)]
Point = tuple[Coordinate, Coordinate, Coordinate]


class Hand(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A sample on its way: landmarks in shares of the frame, and the frame's width divided by its height."""

    landmarks: Annotated[tuple[Point, ...], Meta(min_length=POINTS, max_length=POINTS)]
    aspect: Annotated[float, Meta(ge=0.1, le=10.0)]

    def sample(self) -> HandSample:
        """The sample for training."""
        return HandSample(np.asarray(self.landmarks, np.float32), self.aspect)


class Request(msgspec.Struct, frozen=True):
    """What to train. `reserved` are labels that the gesture must not have."""

    label: str
    samples: Annotated[tuple[Hand, ...], Meta(max_length=MAX_SAMPLES)]
    others: Annotated[tuple[Hand, ...], Meta(max_length=MAX_OTHERS)]
    reserved: tuple[str, ...]
    max_false: float


class Report(msgspec.Struct, frozen=True):
    """What the cross-validation found: how many of the samples, of the user's other hands, and of other people's hands
    were taken for the gesture, and how many of the latter were left out because they resemble it.
    """

    samples: int
    samples_found: int
    others: int
    others_taken: int
    negatives: int
    negatives_taken: int
    similar: int


class Answer(msgspec.Struct, frozen=True):
    """The values of the classifier's file and the report; or why there is none."""

    classifier: dict[str, object] | None = None
    report: Report | None = None
    error: str = ""


def train(request: Request) -> Answer:
    """Trains a gesture; an error of the request becomes the answer's `error`."""
    negatives = read_negatives()
    try:
        trained = train_gesture(
            request.label,
            [hand.sample() for hand in request.samples],
            [hand.sample() for hand in request.others],
            negatives,
            model_labels=request.reserved,
            max_false=request.max_false,
        )
    except GifcueError as error:
        return Answer(error=str(error))
    report = Report(
        samples=len(request.samples),
        samples_found=trained.positives.right,
        others=len(request.others),
        others_taken=trained.others.wrong,
        negatives=len(negatives.points) - trained.similar,
        negatives_taken=trained.negatives.wrong,
        similar=trained.similar,
    )
    return Answer(trained.classifier.as_document(), report)


def _limit() -> None:
    # Streams come first.
    with contextlib.suppress(OSError, AttributeError):
        os.nice(_NICE)
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_S, MAX_CPU_S))


def main() -> int:
    _limit()
    request = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Request)
    sys.stdout.buffer.write(msgspec.msgpack.encode(train(request)))
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
