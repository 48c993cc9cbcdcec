"""Opens the detector that a configuration names."""

from __future__ import annotations

from gifcue.detect.detector import Detector, DetectorConfig
from gifcue.errors import ConfigError


def open_detector(config: DetectorConfig) -> Detector:
    """Opens a detector with the backend of the configuration.

    Raises:
        ModelError: a file is missing or damaged, or does not fit the model's metadata.
        ConfigError: the backend is not installed, or it is triton, which only the workers of a server use.
    """
    # Imported here because a backend loads OpenCV and a runtime, and the server's main process needs neither.
    if config.backend == "litert":
        from gifcue.detect.litert import LiteRtDetector

        return LiteRtDetector(config)
    if config.backend == "triton":
        raise ConfigError("backend: expected litert or savedmodel outside of a server, got triton")
    from gifcue.detect.savedmodel import SavedModelDetector

    return SavedModelDetector(config)
