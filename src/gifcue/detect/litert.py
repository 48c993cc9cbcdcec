"""The default backend: three LiteRT networks on the CPU, glued by numpy and OpenCV. Never imports
TensorFlow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gifcue.detect import processing
from gifcue.detect.detector import DetectorConfig, Frame, ServedModel
from gifcue.detect.gesture_classifier import read_head, taught, with_heads
from gifcue.detect.metadata import Metadata, read_metadata
from gifcue.detect.regions import KINDS, Box, Kind, Region
from gifcue.errors import ConfigError, ModelError

Floats = npt.NDArray[np.float32]


class Network:
    """One LiteRT file with a batch of one: uint8 [H, W, 3] ► named outputs."""

    def __init__(self, path: Path, threads: int) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise ConfigError(
                "backend: expected ai-edge-litert to be installed for litert, got no such module"
            ) from error
        try:
            self._interpreter = Interpreter(model_path=str(path), num_threads=threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"{path}: expected a LiteRT model, got {error}") from error
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._shape = tuple(int(side) for side in self._interpreter.get_input_details()[0]["shape"])
        # The order of a file's outputs is not that of their names; its signature knows.
        signature = self._interpreter.get_signature_runner().get_output_details()
        self._outputs = {name: detail["index"] for name, detail in signature.items()}

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self._shape

    def __call__(self, picture: npt.NDArray[np.uint8]) -> dict[str, Floats]:
        """Returns copies, without the batch's axis."""
        self._interpreter.set_tensor(self._input, picture[None])
        self._interpreter.invoke()
        return {
            name: np.asarray(self._interpreter.get_tensor(index))[0] for name, index in self._outputs.items()
        }


@dataclass(frozen=True, slots=True)
class Seen:
    """One face or hand, raw. Boxes are [4] (xmin, ymin, xmax, ymax) in frame pixels.

    `box` is the detector's, around which the crop was cut; `placed` the refined one. `found` is the detector's score.
    """

    kind: Kind
    box: Floats
    placed: Floats
    found: float
    outputs: dict[str, Floats]


class LiteRtDetector:
    """Frames one after another, crops one after another: on one core a batch saves nothing."""

    def __init__(self, config: DetectorConfig) -> None:
        self._config = config
        self._metadata: Metadata = read_metadata(config.model_dir, "litert", config.precision)
        self._score_floor = max(self._metadata.score_floor, config.score_floor or 0.0)
        self._networks: dict[str, Network] = {
            name: Network(path, config.threads) for name, path in self._metadata.files.items()
        }
        info = self._metadata.info
        self._heads = [read_head(path) for path in config.heads]
        self._info = with_heads(info, self._heads)
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

    def detect(self, frames: Sequence[Frame]) -> list[list[Region]]:
        return [self._regions(frame) for frame in frames]

    def close(self) -> None:
        self._networks.clear()

    def look(self, frame: Frame) -> list[Seen]:
        """What the networks say of one frame, before it is calibrated; `frame` is no longer than
        `longest_px`.
        """
        height, width = frame.shape[:2]
        info = self._metadata.info
        fit = processing.Letterbox.fit(width, height, info.input_width, info.input_height)
        scene = processing.letterbox(frame, fit, info.input_width, info.input_height)
        maps = self._networks["detector"](scene)
        if "heat" in maps:
            maps = processing.activate(maps["heat"], maps["reach"], self._score_floor)
        seen: list[Seen] = []
        for channel, kind in enumerate(KINDS):
            limit = self._config.max_faces if kind == "face" else self._config.max_hands
            scores, boxes = processing.peaks(
                maps["scores"][..., channel],
                maps["sides"][..., channel * 4 : channel * 4 + 4],
                self._score_floor,
                4 * limit,
            )
            stage = self._metadata.stages[kind]
            for number in processing.suppress(boxes, self._metadata.nms_iou, limit):
                box = fit.to_frame(boxes[number : number + 1])[0]
                outputs = self._networks[kind](processing.crop(frame, box, stage.margin, stage.size))
                points = processing.from_crop(outputs["landmarks"], box, stage.margin, 1, 1)
                placed = processing.refine(box, points, stage.refinement.weight, stage.refinement.scale)
                seen.append(Seen(kind, box, placed, float(scores[number]), outputs))
        return seen

    def _regions(self, frame: Frame) -> list[Region]:
        frame = processing.shrink(frame, self._metadata.longest_px)
        height, width = frame.shape[:2]
        regions: list[Region] = []
        everything = self.look(frame)
        for kind in KINDS:
            stage = self._metadata.stages[kind]
            scored = [
                (stage.rescoring.score(seen.found, float(seen.outputs["presence"][0])), seen)
                for seen in everything
                if seen.kind == kind
            ]
            scored.sort(key=lambda pair: -pair[0])
            if not scored:
                continue
            # Two boxes that the detector kept apart may be one hand once its landmarks are known.
            placed = np.stack([seen.placed for _, seen in scored])
            for number in processing.suppress(placed, self._metadata.nms_iou, len(scored)):
                regions.append(self._region(*scored[number], width, height))
        return sorted(regions, key=lambda region: -region.score)

    def _region(self, score: float, seen: Seen, width: int, height: int) -> Region:
        stage, outputs = self._metadata.stages[seen.kind], seen.outputs
        chances = stage.calibration.probabilities(outputs["by_shape"][None], outputs["by_sight"][None])[0]
        landmarks = processing.from_crop(outputs["landmarks"], seen.box, stage.margin, width, height)
        shown = {label: float(chance) for label, chance in zip(stage.labels, chances[1:], strict=True)}
        if seen.kind == "hand":
            shown.update(taught(self._heads, landmarks, width / height))
        clarity = processing.clarity(seen.placed, stage.smallest_px)
        shown = {label: chance * clarity for label, chance in shown.items()}
        return Region(seen.kind, to_box(seen.placed, width, height), score, shown, landmarks)


def to_box(box: Floats, width: int, height: int) -> Box:
    """A box [4] (xmin, ymin, xmax, ymax) in frame pixels ► shares of the frame, clipped to it."""
    xmin, ymin, xmax, ymax = (float(value) for value in box)
    return Box(
        min(max(ymin / height, 0.0), 1.0),
        min(max(xmin / width, 0.0), 1.0),
        min(max(ymax / height, 0.0), 1.0),
        min(max(xmax / width, 0.0), 1.0),
    )
