"""Calibration of a packed model: probabilities from scores, and thresholds.

Calibration is fitted to people held out of training, on the boxes that the detector gives in serving. Thresholds may
also be chosen with a further split, whose figures are optimistic from then on; the metadata then names that split.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gifcue.detect.detector import DetectorConfig
from gifcue.detect.litert import LiteRtDetector
from gifcue.detect.metadata import Calibration, Rescoring, read_metadata
from gifcue.detect.processing import shrink
from gifcue.detect.regions import KINDS
from gifcue.detect.staged import RawRegion
from gifcue.detect.trust import UNCHECKED
from gifcue.errors import ConfigError
from gifcue_lab.datasets.boxes import iou_matrix
from gifcue_lab.export.metadata import update_metadata
from gifcue_lab.export.score_fit import fit_rescoring, fit_temperature
from gifcue_lab.export.thresholds import MATCH_IOU, Report, choose_thresholds
from gifcue_lab.quiet import quietly
from gifcue_lab.training.samples import NONE, UNKNOWN, Photo, counted, read_image, read_photos
from gifcue_lab.training.shapes import NETWORKS

# A box that overlaps a hand by more than this IoU without hitting it shows part of the hand, so it is no negative.
TOUCH_IOU = 0.15
# Rescoring is fitted where there are so many boxes that hit nothing.
LEAST_FALSE_BOXES = 20
# What comes between whose pictures thresholds were chosen on and the labels that these are for.
_FOR = " (for "


def calibrate(
    model_dir: Path,
    data_dir: Path,
    is_new: Callable[[Photo], bool],
    *,
    also: str | None = None,
    keep_scores: bool = False,
    tasks: Sequence[str] = NETWORKS,
    untouched: Mapping[str, Sequence[str]] | None = None,
    report: Report = print,
) -> None:
    """Writes calibration, rescoring and thresholds into the metadata of a model folder.

    Where `gifcue_lab.export.heads` has fitted what the hands at a face say, the calibration of faces stays, because it
    belongs to that fit.

    Args:
        model_dir: the model folder.
        data_dir: the labelled photographs.
        is_new: whether no network was trained on a photograph of the train split; see
            `gifcue_lab.training.heldout.in_groups` and `held_out_by_all`.
        also: a split whose people help to choose thresholds, and nothing else.
        keep_scores: keep calibration and rescoring, and choose thresholds only. A last run may train on groups that
            the calibration was fitted to.
        tasks: the networks that were trained. What belongs to the others is left as it is.
        untouched: by task, the labels of a network of which only others were trained. Its calibration and the
            thresholds of these labels are left as they are.
        report: receives what was fitted and chosen.

    Raises:
        ConfigError: there are no photographs.
        ModelError: the model cannot be read.
    """
    photos = held_out_photos(data_dir, is_new)
    people = f"{counted(photos)} of train held out"
    kinds = [kind for kind in KINDS if kind in tasks]
    kept = untouched or {}
    fitted = [kind for kind in kinds if not kept.get(kind)]
    if fitted and not keep_scores:
        _calibrate_scores(model_dir, photos, fitted, report)
    if also is not None:
        photos = [*photos, *(photo for photo in read_photos(data_dir, also) if not photo.is_tight_crop)]
    stages = read_metadata(model_dir, "litert", sha256=UNCHECKED).stages
    untrained = {label for labels in kept.values() for label in labels}
    untrained |= {label for kind in KINDS if kind not in kinds for label in stages[kind].labels}
    untrained |= set() if "detector" in tasks else set(KINDS)
    thresholds, cross_fitted = choose_thresholds(model_dir, photos, without=untrained, report=report)

    def change(metadata: dict[str, Any]) -> None:
        metadata["training"]["thresholds"] = thresholds_note(
            metadata["training"].get("thresholds", {}),
            [people, *([also] if also else [])],
            cross_fitted,
            chosen=list(thresholds),
            left=[label for label in metadata["thresholds"] if label not in thresholds],
        )
        metadata["thresholds"].update(thresholds)

    update_metadata(model_dir, change)


def thresholds_note(
    before: Mapping[str, Any],
    chosen_on: Sequence[str],
    cross_fitted: Mapping[str, float | None],
    *,
    chosen: Sequence[str],
    left: Sequence[str],
) -> dict[str, Any]:
    """What the metadata says of where thresholds come from.

    Where some thresholds are left as they were, each source names the labels that it is for, because the others were
    chosen on other pictures.

    Args:
        before: the note that is there.
        chosen_on: whose pictures the new thresholds were chosen on.
        cross_fitted: the cross-fitted F1 of labels that got a new threshold.
        chosen: labels and kinds that got a new threshold.
        left: labels and kinds that keep their threshold. What the note says of them stays in it.
    """
    kept = {label: value for label, value in before.get("f1_cross_fitted", {}).items() if label in left}
    sources: list[str] = []
    for source in before.get("chosen_on", []):
        text, _, named = source.removesuffix(")").partition(_FOR)
        if still := [label for label in (named.split(", ") if named else left) if label in left]:
            sources.append(_source_of(text, still))
    sources += [_source_of(text, chosen) if left else text for text in chosen_on]
    return {"chosen_on": list(dict.fromkeys(sources)), "f1_cross_fitted": {**kept, **cross_fitted}}


def _source_of(text: str, labels: Sequence[str]) -> str:
    return f"{text}{_FOR}{', '.join(labels)})"


def held_out_photos(data_dir: Path, is_new: Callable[[Photo], bool]) -> list[Photo]:
    """The photographs of the train split that a model can be calibrated on.

    Raises:
        ConfigError: there are none.
    """
    photos = [photo for photo in read_photos(data_dir, "train") if is_new(photo) and not photo.is_tight_crop]
    if not photos:
        raise ConfigError(
            f"{data_dir / 'train'}: expected photographs to fit to that no network was trained on, got none"
        )
    return photos


@dataclass(frozen=True, slots=True)
class MatchedBox:
    """A box of the detector with the outputs of the crop network.

    Attributes:
        seen: the box and the outputs.
        real: whether it hits a labelled face or hand.
        truth: the attribute of what it hits; `NONE` for a negative, `UNKNOWN` for a part of a face or hand.
    """

    seen: RawRegion
    real: bool
    truth: str


def _calibrate_scores(model_dir: Path, photos: Sequence[Photo], kinds: Sequence[str], report: Report) -> None:
    with quietly():
        detector = LiteRtDetector(DetectorConfig(model_dir, model_sha256=UNCHECKED))
    metadata = read_metadata(model_dir, "litert", sha256=UNCHECKED)
    matched = [box for photo in photos for box in _match(detector, photo, metadata.longest_px)]
    changes: dict[str, dict[str, Any]] = {}
    for kind in kinds:
        boxes = [box for box in matched if box.seen.kind == kind]
        changes[kind] = {}
        calibration: Calibration | None = None
        rescoring: Rescoring | None = None
        known = [box for box in boxes if box.real and box.truth != UNKNOWN]
        if not known:
            raise ConfigError(
                f"expected a {kind} of known label that the detector finds in the photographs to fit to, got none in "
                f"{counted(photos)}"
            )
        if metadata.stages[kind].relation is None:
            calibration = _fit_temperature(known, metadata.stages[kind].labels)
            changes[kind]["calibration"] = {
                "shape": calibration.landmark_scale,
                "sight": calibration.appearance_scale,
                "bias": list(calibration.bias),
            }
        # A few pictures hold hardly any false box. The model's own rescoring is the better guess then.
        if sum(not box.real for box in boxes) >= LEAST_FALSE_BOXES:
            rescoring = _fit_rescoring(boxes)
            changes[kind]["rescoring"] = {
                "found": rescoring.found,
                "present": rescoring.present,
                "bias": rescoring.bias,
            }
        report(describe_fit(kind, calibration, rescoring))

    def change(written: dict[str, Any]) -> None:
        for kind, values in changes.items():
            written["stages"][kind].update(values)

    update_metadata(model_dir, change)


def describe_fit(kind: str, calibration: Calibration | None, rescoring: Rescoring | None) -> str:
    """A line that says what was fitted for a kind. None stands for values that stay as they were."""
    labels = scores = "as before"
    if calibration is not None:
        landmarks, appearance = calibration.landmark_scale, calibration.appearance_scale
        labels = f"logits of landmarks × {landmarks:g}, of appearance × {appearance:g}"
    if rescoring is not None:
        scores = f"detector × {rescoring.found:g}, presence × {rescoring.present:g}, bias {rescoring.bias:g}"
    return f"{kind}: probabilities of labels: {labels}; score of a {kind}: {scores}"


def _fit_rescoring(boxes: Sequence[MatchedBox]) -> Rescoring:
    return fit_rescoring(
        np.array([box.seen.detector_score for box in boxes], np.float64),
        np.array([box.seen.presence_logit for box in boxes]),
        np.array([box.real for box in boxes], bool),
    )


def _fit_temperature(boxes: Sequence[MatchedBox], labels: Sequence[str]) -> Calibration:
    return fit_temperature(
        np.stack([box.seen.landmark_logits for box in boxes]).astype(np.float32),
        np.stack([box.seen.appearance_logits for box in boxes]).astype(np.float32),
        np.array([labels.index(box.truth) + 1 if box.truth in labels else 0 for box in boxes], np.intp),
    )


def _match(detector: LiteRtDetector, photo: Photo, longest_px: int) -> list[MatchedBox]:
    """Every box of the detector on a photograph, best score first, with what it hits."""
    frame = shrink(read_image(photo.path), longest_px)
    free = np.ones(len(photo.samples), bool)
    matched: list[MatchedBox] = []
    for seen in sorted(detector.raw_regions(frame), key=lambda seen: -seen.detector_score):
        overlaps = iou_matrix([sample.box for sample in photo.samples], seen.refined_box)[:, 0]
        overlaps *= [sample.kind == seen.kind for sample in photo.samples]
        candidates = np.where(free, overlaps, 0.0)
        if candidates.max(initial=0.0) >= MATCH_IOU:
            best = int(candidates.argmax())
            free[best] = False
            matched.append(MatchedBox(seen, True, photo.samples[best].attribute))
        else:
            touches = overlaps.max(initial=0.0) > TOUCH_IOU
            matched.append(MatchedBox(seen, False, UNKNOWN if touches else NONE))
    return matched
