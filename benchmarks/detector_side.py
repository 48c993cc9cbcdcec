"""One detector in a process of its own, one core, that goes through the same frames each time it is told to.

`python -m benchmarks.detector_side NAME FRAMES` reads `FRAMES`, an npz of uint8 RGB [H, W, 3] in order, says "ready",
and answers every line on standard input with a line of JSON: milliseconds by frame, CPU milliseconds of all its threads
over the whole round, faces and hands found. Runs in the environment of the library that it measures: nothing of the
other is imported here.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

# Set before a library is loaded that sizes its thread pool by the machine: threads that share one core only get in
# each other's way.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"), "1")

# Takes a frame, returns how many faces and hands it found.
Look = Callable[[Any], tuple[int, int]]
MODES = ("mediapipe-static", "mediapipe-video")
SIDES = ("gifcue", *MODES)


def gifcue_look() -> Look:
    """The detector as `gifcue serve` opens it by default; counts what reaches the served thresholds."""
    import cv2

    from gifcue.detect import open_detector
    from gifcue.detect.settings import DetectSettings

    cv2.setNumThreads(1)
    detector = open_detector(DetectSettings(threads=1).detector())
    detector.warm()
    thresholds = detector.info.thresholds

    def look(frame: Any) -> tuple[int, int]:
        regions = [
            region for region in detector.detect([frame])[0] if region.score >= thresholds[region.kind]
        ]
        faces = sum(region.kind == "face" for region in regions)
        return faces, len(regions) - faces

    return look


def mediapipe_look(static: bool) -> Look:
    """Hands (two at most) and face mesh (one), one after the other, as the library's own examples open them."""
    import mediapipe

    hands = mediapipe.solutions.hands.Hands(static_image_mode=static, max_num_hands=2)
    mesh = mediapipe.solutions.face_mesh.FaceMesh(static_image_mode=static, max_num_faces=1)

    def look(frame: Any) -> tuple[int, int]:
        found_hands, found_faces = hands.process(frame), mesh.process(frame)
        return len(found_faces.multi_face_landmarks or []), len(found_hands.multi_hand_landmarks or [])

    return look


def main() -> None:
    """A process' life."""
    name, path = sys.argv[1:]
    os.environ.update(ONE_THREAD)
    import numpy as np

    with np.load(path) as stored:
        frames = [stored[key] for key in sorted(stored.files)]
    look = gifcue_look() if name == "gifcue" else mediapipe_look(name == "mediapipe-static")
    # What a library prints for itself must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for frame in frames[:3]:
        look(frame)
    print("ready", file=answers, flush=True)
    for _ in sys.stdin:
        spent_ms, faces, hands = [], 0, 0
        cpu_before_s = time.process_time()
        for frame in frames:
            started_s = time.perf_counter()
            found = look(frame)
            spent_ms.append((time.perf_counter() - started_s) * 1000.0)
            faces, hands = faces + found[0], hands + found[1]
        cpu_ms = (time.process_time() - cpu_before_s) * 1000.0
        answer = {"ms": spent_ms, "cpu_ms": cpu_ms, "faces": faces, "hands": hands}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
