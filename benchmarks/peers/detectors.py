"""The detectors of the peers' servers: gifcue's networks as a SavedModel, or gifcue's LiteRT detector."""

from __future__ import annotations

import os
import queue
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

DETECTORS = ("savedmodel", "litert")


class Detection(NamedTuple):
    """One label of a face or hand: its id in the label map, its score, and its box as fractions of the frame."""

    label: int
    score: float
    ymin: float
    xmin: float
    ymax: float
    xmax: float


# Takes uint8 RGB [H, W, 3]. May be called from `threads` threads at once.
DetectFunction = Callable[[Any], list[Detection]]


def open_detect_function(detector: str, model_dir: Path, threads: int) -> DetectFunction:
    """Opens and warms a detector. `model_dir` is TensorFlow's folder for `savedmodel`, gifcue's folder for `litert`."""
    if detector not in DETECTORS:
        raise ValueError(f"expected one of {', '.join(DETECTORS)}, got {detector!r}")
    return _savedmodel(model_dir, threads) if detector == "savedmodel" else _litert(model_dir, threads)


def _savedmodel(model_dir: Path, threads: int) -> DetectFunction:
    import numpy as np
    import tensorflow as tf

    # One core per request gives more requests per second than all cores for each.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    model = tf.saved_model.load(str(model_dir))
    serve = model.signatures["serving_default"]

    def detect(frame: Any, model: Any = model) -> list[Detection]:
        outputs = serve(input_tensor=tf.constant(frame[None]))
        count = int(outputs["num_detections"][0])
        rows = zip(
            outputs["detection_classes"][0, :count].numpy().tolist(),
            outputs["detection_scores"][0, :count].numpy().tolist(),
            outputs["detection_boxes"][0, :count].numpy().tolist(),
            strict=True,
        )
        return [Detection(int(label), score, *box) for label, score, box in rows if score >= 0.5]

    for _ in range(3):
        detect(np.zeros((360, 640, 3), np.uint8))
    return detect


def _litert(model_dir: Path, threads: int) -> DetectFunction:
    import cv2

    from gifcue.detect import Detector, flatten, open_detector
    from gifcue.detect.labels import read_label_map
    from gifcue.detect.settings import DetectSettings

    cv2.setNumThreads(1)
    labels = read_label_map(model_dir / "label_map.pbtxt")
    config = DetectSettings(model_dir=model_dir, threads=1).detector()
    # A detector may only be used by one thread at a time.
    free: queue.SimpleQueue[Detector] = queue.SimpleQueue()
    for _ in range(threads):
        detector = open_detector(config)
        detector.warm()
        free.put(detector)

    def detect(frame: Any) -> list[Detection]:
        detector = free.get()
        try:
            regions = detector.detect([frame])[0]
            thresholds = detector.info.thresholds
        finally:
            free.put(detector)
        return [
            Detection(labels.id_of(each.label), each.score, *_edges(each.box))
            for each in flatten(regions, thresholds)
        ]

    return detect


def _edges(box: Any) -> tuple[float, float, float, float]:
    return box.ymin, box.xmin, box.ymax, box.xmax


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0))
