"""The process of one detector, which runs on the same frames for each request.

`python -m benchmarks.detector_process NAME FRAMES` reads `FRAMES`, an npz of uint8 RGB [H, W, 3] in order, prints
"ready", and answers every line on standard input with a line of JSON: milliseconds of each frame, CPU milliseconds of
all threads over the round, and the numbers of faces and hands found. It runs in the environment of the library that it
measures and imports no other detector.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

# Set before a library sizes its thread pool by the machine: several threads on one core would only slow each other.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"), "1")

# Takes a frame, returns the numbers of faces and hands found.
DetectFunction = Callable[[Any], tuple[int, int]]
MODES = ("mediapipe-static", "mediapipe-video")
DETECTORS = ("gifcue", *MODES)


def gifcue_detector() -> DetectFunction:
    """gifcue's detector with the default settings of `gifcue serve`. Counts regions above the served thresholds."""
    import cv2

    from gifcue.detect import open_detector
    from gifcue.detect.settings import DetectSettings

    cv2.setNumThreads(1)
    detector = open_detector(DetectSettings(threads=1).detector())
    detector.warm()
    thresholds = detector.info.thresholds

    def detect(frame: Any) -> tuple[int, int]:
        regions = [
            region for region in detector.detect([frame])[0] if region.score >= thresholds[region.kind]
        ]
        faces = sum(region.kind == "face" for region in regions)
        return faces, len(regions) - faces

    return detect


def mediapipe_detector(static: bool) -> DetectFunction:
    """MediaPipe hands (at most two) and face mesh (at most one), opened as in the library's examples."""
    import mediapipe

    hands = mediapipe.solutions.hands.Hands(static_image_mode=static, max_num_hands=2)
    mesh = mediapipe.solutions.face_mesh.FaceMesh(static_image_mode=static, max_num_faces=1)

    def detect(frame: Any) -> tuple[int, int]:
        found_hands, found_faces = hands.process(frame), mesh.process(frame)
        return len(found_faces.multi_face_landmarks or []), len(found_hands.multi_hand_landmarks or [])

    return detect


def main() -> None:
    """Runs the process."""
    name, path = sys.argv[1:]
    os.environ.update(ONE_THREAD)
    import numpy as np

    with np.load(path) as stored:
        frames = [stored[key] for key in sorted(stored.files)]
    detect = gifcue_detector() if name == "gifcue" else mediapipe_detector(name == "mediapipe-static")
    # Output of a library must not be mistaken for an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for frame in frames[:3]:
        detect(frame)
    print("ready", file=answers, flush=True)
    for _ in sys.stdin:
        spent_ms, faces, hands = [], 0, 0
        cpu_before_s = time.process_time()
        for frame in frames:
            started_s = time.perf_counter()
            found = detect(frame)
            spent_ms.append((time.perf_counter() - started_s) * 1000.0)
            faces, hands = faces + found[0], hands + found[1]
        cpu_ms = (time.process_time() - cpu_before_s) * 1000.0
        answer = {"ms": spent_ms, "cpu_ms": cpu_ms, "faces": faces, "hands": hands}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
