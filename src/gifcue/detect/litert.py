"""The default backend: three LiteRT networks on the CPU, between them numpy and OpenCV. Never imports TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gifcue.detect import processing
from gifcue.detect.detector import DetectorConfig, Frame, ServedModel
from gifcue.detect.gesture_classifier import GestureClassifier
from gifcue.detect.metadata import Metadata, Weights, read_metadata
from gifcue.detect.regions import KINDS, Kind, Region
from gifcue.detect.served_gestures import add_gestures
from gifcue.errors import ConfigError, ModelError
from gifcue.protocol.geometry import Box

Floats = npt.NDArray[np.float32]

# Peaks that enter suppression, for each region that may be left.
PEAKS_A_REGION = 4


class Network:
    """A network in a LiteRT file, with a batch of one: from uint8 [H, W, 3] to outputs by name.

    The runtime gets the bytes that were checked, not the path: the file may be replaced between the two.

    Raises:
        ConfigError: ai-edge-litert is not installed.
        ModelError: the file is missing, its digest differs, or it is no LiteRT model.
    """

    def __init__(self, weights: Weights, threads: int) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise ConfigError(
                "backend: expected ai-edge-litert to be installed for litert, got no such module"
            ) from error
        # The runtime reads the weights in place, so they must live as long as it does.
        self._content = weights.read()
        try:
            self._interpreter = Interpreter(model_content=self._content, num_threads=threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"{weights.path}: expected a LiteRT model, got {error}") from error
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._shape = tuple(int(side) for side in self._interpreter.get_input_details()[0]["shape"])
        # The order of the outputs in a file is arbitrary, so they are found by their names in its signature.
        signature = self._interpreter.get_signature_runner().get_output_details()
        self._outputs = {name: detail["index"] for name, detail in signature.items()}

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(1, height, width, 3)."""
        return self._shape

    def __call__(self, picture: npt.NDArray[np.uint8]) -> dict[str, Floats]:
        """Runs the network. Returns copies of the outputs, without the batch axis."""
        self._interpreter.set_tensor(self._input, picture[None])
        self._interpreter.invoke()
        return {
            name: np.asarray(self._interpreter.get_tensor(index))[0] for name, index in self._outputs.items()
        }


@dataclass(frozen=True, slots=True)
class RawRegion:
    """A face or hand as the networks return it, before calibration. Boxes are [4] (xmin, ymin, xmax, ymax) in pixels.

    Attributes:
        kind: face or hand.
        box: box of the detector network, around which the crop was taken.
        refined_box: box refined by the landmarks.
        detector_score: score of the detector network, 0..1.
        landmarks: [N, 2 or 3] in shares of the crop.
        presence_logit: logit of the crop network that this is a face or hand.
        landmark_logits: logits [classes] from the landmarks alone; class 0 means that no label applies.
        appearance_logits: logits [classes] from the appearance of the crop.
    """

    kind: Kind
    box: Floats
    refined_box: Floats
    detector_score: float
    landmarks: Floats
    presence_logit: float
    landmark_logits: Floats
    appearance_logits: Floats


class LiteRtDetector:
    """Detects on one frame after another and one crop after another: on one core, batches save no time."""

    def __init__(self, config: DetectorConfig) -> None:
        self._config = config
        self._metadata: Metadata = read_metadata(
            config.model_dir, "litert", config.precision, sha256=config.model_sha256
        )
        self._score_floor = max(self._metadata.score_floor, config.score_floor or 0.0)
        self._networks: dict[str, Network] = {
            name: Network(weights, config.threads) for name, weights in self._metadata.files.items()
        }
        info = self._metadata.info
        self._classifiers: tuple[GestureClassifier, ...] = ()
        self._info = replace(info, smallest_hand_px=self._metadata.stages["hand"].smallest_px)
        expected = (1, info.input_height, info.input_width, 3)
        if self._networks["detector"].input_shape != expected:
            raise ModelError(
                f"detector: expected input {expected}, got {self._networks['detector'].input_shape}"
            )

    @property
    def info(self) -> ServedModel:
        return self._info

    def warm(self) -> None:
        for network in self._networks.values():
            network(np.zeros(network.input_shape[1:], np.uint8))

    def use_gestures(self, classifiers: Sequence[GestureClassifier]) -> None:
        self._classifiers = tuple(classifiers)

    def detect(self, frames: Sequence[Frame]) -> list[list[Region]]:
        return [self._regions(frame) for frame in frames]

    def close(self) -> None:
        self._networks.clear()

    def raw_regions(self, frame: Frame) -> list[RawRegion]:
        """The outputs of the networks for one frame, before calibration.

        Args:
            frame: RGB, uint8 [H, W, 3], neither side longer than the metadata's `longest_px`.

        Returns:
            Faces, then hands, best detector score first.
        """
        height, width = frame.shape[:2]
        info = self._metadata.info
        fit = processing.Letterbox.fit(width, height, info.input_width, info.input_height)
        maps = self._networks["detector"](
            processing.letterbox(frame, fit, info.input_width, info.input_height)
        )
        if "heat" in maps:
            maps = processing.activate(maps["heat"], maps["reach"], self._score_floor)
        raw: list[RawRegion] = []
        for channel, kind in enumerate(KINDS):
            limit = self._config.max_faces if kind == "face" else self._config.max_hands
            scores, boxes = processing.peaks(
                maps["scores"][..., channel],
                maps["sides"][..., channel * 4 : channel * 4 + 4],
                self._score_floor,
                PEAKS_A_REGION * limit,
            )
            for number in processing.suppress(boxes, self._metadata.nms_iou, limit):
                box = fit.to_frame(boxes[number : number + 1])[0]
                raw.append(self._crop_stage(frame, kind, box, float(scores[number])))
        return raw

    def _crop_stage(self, frame: Frame, kind: Kind, box: Floats, detector_score: float) -> RawRegion:
        """Runs the crop network on the square around a box [4] in frame pixels."""
        stage = self._metadata.stages[kind]
        outputs = self._networks[kind](processing.crop(frame, box, stage.margin, stage.size))
        points = processing.from_crop(outputs["landmarks"], box, stage.margin, 1, 1)
        return RawRegion(
            kind=kind,
            box=box,
            refined_box=processing.refine(box, points, stage.refinement.weight, stage.refinement.scale),
            detector_score=detector_score,
            landmarks=outputs["landmarks"],
            presence_logit=float(outputs["presence"][0]),
            landmark_logits=outputs["by_shape"],
            appearance_logits=outputs["by_sight"],
        )

    def _regions(self, frame: Frame) -> list[Region]:
        frame = processing.shrink(frame, self._metadata.longest_px)
        height, width = frame.shape[:2]
        regions: list[Region] = []
        everything = self.raw_regions(frame)
        for kind in KINDS:
            rescoring = self._metadata.stages[kind].rescoring
            scored = [
                (rescoring.score(raw.detector_score, raw.presence_logit), raw)
                for raw in everything
                if raw.kind == kind
            ]
            scored.sort(key=lambda pair: -pair[0])
            if not scored:
                continue
            # A second suppression: the refined boxes of one hand overlap even where the detector's boxes do not.
            refined = np.stack([raw.refined_box for _, raw in scored])
            for number in processing.suppress(refined, self._metadata.nms_iou, len(scored)):
                regions.append(self._region(*scored[number], width, height))
        return sorted(regions, key=lambda region: -region.score)

    def _region(self, score: float, raw: RawRegion, width: int, height: int) -> Region:
        """The calibrated region, in a frame of `width x height` pixels."""
        stage = self._metadata.stages[raw.kind]
        probabilities = stage.calibration.probabilities(
            raw.landmark_logits[None], raw.appearance_logits[None]
        )[0]
        landmarks = processing.from_crop(raw.landmarks, raw.box, stage.margin, width, height)
        attributes = {label: float(p) for label, p in zip(stage.labels, probabilities[1:], strict=True)}
        if raw.kind == "hand":
            attributes = add_gestures(attributes, self._classifiers, landmarks, width / height)
        confidence = processing.size_confidence(raw.refined_box, stage.smallest_px)
        attributes = {label: probability * confidence for label, probability in attributes.items()}
        return Region(raw.kind, to_box(raw.refined_box, width, height), score, attributes, landmarks)


def to_box(box: Floats, width: int, height: int) -> Box:
    """A box in shares of a frame of `width x height` pixels, clipped to it.

    `box` is [4] (xmin, ymin, xmax, ymax) in pixels of the frame.
    """
    xmin, ymin, xmax, ymax = (float(value) for value in box)
    return Box(
        min(max(ymin / height, 0.0), 1.0),
        min(max(xmin / width, 0.0), 1.0),
        min(max(ymax / height, 0.0), 1.0),
        min(max(xmax / width, 0.0), 1.0),
    )
