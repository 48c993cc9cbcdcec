"""Frames ► detections: faces and hands, what they show, and the detectors that find them.

Importing this package loads numpy and nothing heavier; a backend is imported when it is opened.
"""

from __future__ import annotations

from gifcue.detect.detector import Detector, DetectorConfig, ServedModel, open_detector
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
