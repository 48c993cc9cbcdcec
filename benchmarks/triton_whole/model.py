"""The whole detector as one model of Triton's Python backend: pictures in, detections out.

`benchmarks.triton` compares it with a call for each network. It needs gifcue in the Python that Triton starts.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """One detector on one thread."""

    def initialize(self, args: dict[str, str]) -> None:
        parameters = json.loads(args["model_config"])["parameters"]
        folder = parameters["model_dir"]["string_value"]
        # Triton's Python takes no PYTHONPATH.
        sys.path.append(parameters["source"]["string_value"])
        from gifcue.detect import DetectorConfig, flatten, open_detector

        self._flatten = flatten
        self._detector = open_detector(DetectorConfig(Path(folder), score_floor=0.3))
        self._detector.warm()

    def execute(self, requests: list[Any]) -> list[Any]:
        responses = []
        for request in requests:
            pictures = pb_utils.get_input_tensor_by_name(request, "image").as_numpy()
            found = [
                [
                    (each.score, each.box.ymin, each.box.xmin, each.box.ymax, each.box.xmax)
                    for each in self._flatten(regions, {})
                ]
                for regions in self._detector.detect(list(pictures))
            ]
            rows = np.zeros((len(pictures), 16, 5), np.float32)
            for row, those in zip(rows, found, strict=True):
                row[: len(those)] = those[:16]
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("detections", rows)]))
        return responses
