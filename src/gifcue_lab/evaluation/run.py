"""A detector over pictures, one frame at a time, as a participant's frame is served."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from gifcue.detect.detector import Detector
from gifcue.media.files import scale_to_fit
from gifcue.media.settings import MediaSettings
from gifcue_lab.datasets.pictures import decode_rgb
from gifcue_lab.datasets.progress import Track, quiet
from gifcue_lab.datasets.regions import ATTRIBUTES
from gifcue_lab.evaluation.predictions import Prediction, Predictions, check_thresholds, flatten_all
from gifcue_lab.evaluation.truth import TruthPicture


def run_detector(
    detector: Detector,
    pictures: Sequence[TruthPicture],
    *,
    clock: Callable[[], float],
    thresholds: Mapping[str, float] | None = None,
    as_served: bool = True,
    track: Track = quiet,
) -> Predictions:
    """Detect on every picture, a batch of one each; `clock` gives seconds and times the detector alone.

    `thresholds` overrides some of the model's own. `as_served` scales pictures down first, as the decode
    workers do. Raises `DatasetError` for an unreadable picture, `ConfigError` for a threshold of a label that the
    detector does not have.
    """
    info, media = detector.info, MediaSettings()
    # A detector that does not say what it tells apart is measured with the labels of gifcue.
    attributes = info.attributes or ATTRIBUTES
    check_thresholds(thresholds or {}, attributes)
    detector.warm()
    served = {**info.thresholds, **(thresholds or {})}
    found: dict[str, Prediction] = {}
    for picture in track(pictures, "detecting"):
        rgb = decode_rgb(picture.path.read_bytes(), picture.name)
        frame = scale_to_fit(rgb, media.long_side, media.short_side) if as_served else rgb
        start = clock()
        regions = detector.detect([frame])[0]
        elapsed_ms = (clock() - start) * 1000.0
        found[picture.name] = Prediction(flatten_all(regions, served), tuple(regions), elapsed_ms)
    described = {"name": info.name, "version": info.version, "backend": info.backend}
    return Predictions(described, served, found, attributes)
