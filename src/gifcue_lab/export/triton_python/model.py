"""A network of gifcue for Triton's Python backend, as LiteRT. `gifcue-lab export --triton` copies this file.

It needs numpy and ai-edge-litert in the Python that Triton starts, and nothing of gifcue.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from ai_edge_litert.interpreter import Interpreter


class TritonPythonModel:
    """One instance: one interpreter on one thread. More instances of a model run beside each other."""

    def initialize(self, args: dict[str, str]) -> None:
        """Opens `network.tflite` of this version, whose digest must be that of the configuration."""
        config = json.loads(args["model_config"])
        path = Path(args["model_repository"]) / args["model_version"] / "network.tflite"
        # The runtime reads the weights in place, so they must live as long as it does.
        self._content = path.read_bytes()
        expected = config["parameters"]["sha256"]["string_value"]
        actual = hashlib.sha256(self._content).hexdigest()
        if actual != expected:
            raise pb_utils.TritonModelException(f"{path}: expected sha256 {expected}, got {actual}")
        self._interpreter = Interpreter(model_content=self._content, num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        details = self._interpreter.get_signature_runner().get_output_details()
        self._outputs = {name: detail["index"] for name, detail in details.items()}
        self._run(np.zeros(self._interpreter.get_input_details()[0]["shape"], np.uint8))

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answers the requests of one batch. One that fails does not lose the others."""
        responses = []
        for request in requests:
            try:
                outputs = self._run(pb_utils.get_input_tensor_by_name(request, "image").as_numpy())
                tensors = [pb_utils.Tensor(name, values) for name, values in outputs.items()]
                responses.append(pb_utils.InferenceResponse(tensors))
            except Exception as error:
                message = pb_utils.TritonError(f"{type(error).__name__}: {error}")
                responses.append(pb_utils.InferenceResponse([], message))
        return responses

    def _run(self, pictures: Any) -> dict[str, Any]:
        """The outputs by name, [N, ...], of pictures [N, H, W, 3]."""
        rows: dict[str, list[Any]] = {name: [] for name in self._outputs}
        for picture in pictures:
            self._interpreter.set_tensor(self._input, picture[None])
            self._interpreter.invoke()
            for name, index in self._outputs.items():
                rows[name].append(self._interpreter.get_tensor(index)[0])
        return {name: np.stack(values) for name, values in rows.items()}
