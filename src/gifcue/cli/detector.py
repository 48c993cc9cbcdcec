"""The detector that command-line options name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

if TYPE_CHECKING:
    from gifcue.detect.detector import Detector


ModelDigest = Annotated[
    str | None,
    typer.Option(
        "--model-sha256",
        metavar="DIGEST",
        help="Digest of the SavedModel that may be opened; without it none is, because it is a program.",
    ),
]


def detector_for(
    model_dir: Path, backend: str, precision: str = "int8", *, sha256: str | None = None
) -> Detector:
    """Opens a detector, by default with the quantised networks, as served.

    A LiteRT model is data, and whoever runs a command names its folder, so it needs no digest. A SavedModel needs one.

    Raises:
        ConfigError: `backend`, `precision` or `sha256` is unknown, or the backend is not installed.
        ModelError: the model is missing or damaged, or has another digest, or none was given for a SavedModel.
    """
    # Imported here because commands import this module before they know whether they need a detector.
    from gifcue.detect.detector import Backend, DetectorConfig, Precision
    from gifcue.detect.factory import open_detector
    from gifcue.detect.trust import UNCHECKED

    return open_detector(
        DetectorConfig(
            model_dir=model_dir,
            backend=cast("Backend", backend),
            precision=cast("Precision", precision),
            model_sha256=UNCHECKED if backend == "litert" and sha256 is None else sha256,
        )
    )
