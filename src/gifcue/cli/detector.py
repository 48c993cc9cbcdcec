"""The detector that command-line options name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from gifcue.detect.detector import Detector


def detector_for(model_dir: Path, backend: str, precision: str = "int8") -> Detector:
    """Opens a detector, by default with the quantised networks, as served.

    Raises:
        ConfigError: `backend` or `precision` is unknown, or the backend is not installed.
        ModelError: the model is missing or damaged.
    """
    # Imported here because commands import this module before they know whether they need a detector.
    from gifcue.detect.detector import Backend, DetectorConfig, Precision
    from gifcue.detect.factory import open_detector

    return open_detector(
        DetectorConfig(
            model_dir=model_dir,
            backend=cast("Backend", backend),
            precision=cast("Precision", precision),
        )
    )
