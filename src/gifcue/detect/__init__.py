"""Detection of faces and hands, and of what they show.

The names below are the public interface. Importing this package loads numpy and nothing heavier; `open_detector`
imports the backend that it opens.

    detector             protocol of detectors, their configuration, description of a model
    factory              opens a detector
    staged               the detector of three networks, wherever they run
    litert, savedmodel   backends of this process; `gifcue.triton` is a third
    processing           pre- and postprocessing of the networks
    metadata, labels     files of a model
    trust, shipped_model which model may be opened
    gesture_classifier   classifiers of users' own gestures
    served_gestures      what they add to a model and to a hand
    regions              regions and detections
    pool, dispatcher, scheduler, handle, worker, settings   detector processes of the server
    remote, statistics   what they report
"""

from __future__ import annotations

from gifcue.detect.detector import Detector, DetectorConfig, ServedModel
from gifcue.detect.factory import open_detector
from gifcue.detect.regions import Detection, Region, flatten, group
from gifcue.protocol.geometry import Box

__all__ = [
    "Box",
    "Detection",
    "Detector",
    "DetectorConfig",
    "Region",
    "ServedModel",
    "flatten",
    "group",
    "open_detector",
]
