"""What stands behind the servers of the peers: our own networks, as a SavedModel or as gifcue's LiteRT detector."""

from __future__ import annotations

import os
import queue
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

DETECTORS = ("savedmodel", "litert")


class Seen(NamedTuple):
    """One label of one face or hand: its number in the label map, its score, and its box in shares of the frame."""

    label: int
    score: float
    ymin: float
    xmin: float
    ymax: float
    xmax: float


# Takes uint8 RGB [H, W, 3]; may be called from `threads` threads at once.
Judge = Callable[[Any], list[Seen]]


def open_judge(detector: str, model_dir: Path, threads: int) -> Judge:
    """Opens and warms it. `savedmodel` wants the folder that TensorFlow loads, `litert` gifcue's folder of a model."""
    if detector not in DETECTORS:
        raise ValueError(f"expected one of {', '.join(DETECTORS)}, got {detector!r}")
    return _savedmodel(model_dir, threads) if detector == "savedmodel" else _litert(model_dir, threads)


def _savedmodel(model_dir: Path, threads: int) -> Judge:
    import numpy as np
    import tensorflow as tf

    # Requests run side by side rather than each over all cores: more of them a second.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    model = tf.saved_model.load(str(model_dir))
    serve = model.signatures["serving_default"]

    def judge(frame: Any, model: Any = model) -> list[Seen]:
        outputs = serve(input_tensor=tf.constant(frame[None]))
        count = int(outputs["num_detections"][0])
        rows = zip(
            outputs["detection_classes"][0, :count].numpy().tolist(),
            outputs["detection_scores"][0, :count].numpy().tolist(),
            outputs["detection_boxes"][0, :count].numpy().tolist(),
            strict=True,
        )
        return [Seen(int(label), score, *box) for label, score, box in rows if score >= 0.5]

    for _ in range(3):
        judge(np.zeros((360, 640, 3), np.uint8))
    return judge


def _litert(model_dir: Path, threads: int) -> Judge:
    import cv2

    from gifcue.detect import Detector, flatten, open_detector
    from gifcue.detect.labels import read_label_map
    from gifcue.detect.settings import DetectSettings

    cv2.setNumThreads(1)
    labels = read_label_map(model_dir / "label_map.pbtxt")
    config = DetectSettings(model_dir=model_dir, threads=1).detector()
    # A detector works for one thread at a time.
    free: queue.SimpleQueue[Detector] = queue.SimpleQueue()
    for _ in range(threads):
        detector = open_detector(config)
        detector.warm()
        free.put(detector)

    def judge(frame: Any) -> list[Seen]:
        detector = free.get()
        try:
            regions = detector.detect([frame])[0]
            thresholds = detector.info.thresholds
        finally:
            free.put(detector)
        return [
            Seen(labels.id_of(each.label), each.score, *_sides(each.box))
            for each in flatten(regions, thresholds)
        ]

    return judge


def _sides(box: Any) -> tuple[float, float, float, float]:
    return box.ymin, box.xmin, box.ymax, box.xmax


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0))
