"""What is sent to a network, and whether what comes back can be used.

A server may be broken, hold another model, or belong to somebody else. Its answer is used only if it has the shapes
that the network has here and numbers that a network can compute.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from gifcue.detect.staged import Images, Outputs
from gifcue.triton.models import INPUT, MAX_BATCH
from gifcue.triton.v2 import inference_pb2

# Logits, distances in cells and shares of a crop are far smaller.
MAX_MAGNITUDE = 1e4
# The int8 detector network ends with logits and the float one with what follows from them (`processing.activate`).
_ALSO = {"heat": "scores", "reach": "sides", "scores": "heat", "sides": "reach"}
# What an answer has besides its tensors: names, types and shapes.
_OVERHEAD_BYTES = 64 * 1024

Shapes = Mapping[str, tuple[int, ...]]


class InvalidAnswer(ValueError):
    """An answer that no network of gifcue's model gives."""


def request_of(model: str, version: str, pictures: Images) -> inference_pb2.ModelInferRequest:
    """The call for pictures [N, H, W, 3]."""
    tensor = inference_pb2.ModelInferRequest.InferInputTensor(
        name=INPUT, datatype="UINT8", shape=pictures.shape
    )
    return inference_pb2.ModelInferRequest(
        model_name=model, model_version=version, inputs=[tensor], raw_input_contents=[pictures.tobytes()]
    )


def outputs_of(response: inference_pb2.ModelInferResponse, count: int, shapes: Shapes) -> Outputs:
    """The outputs [count, ...] by name.

    Args:
        response: the answer.
        count: pictures that were sent.
        shapes: the shape of each output of one picture, as the network has it here.

    Raises:
        InvalidAnswer: an output is missing or has another type or shape, or holds what is no finite number in range.
    """
    if len(response.outputs) != len(response.raw_output_contents):
        raise InvalidAnswer(
            f"expected raw contents for {len(response.outputs)} outputs, got {len(response.raw_output_contents)}"
        )
    contents = dict(
        zip((output.name for output in response.outputs), response.raw_output_contents, strict=True)
    )
    described = {output.name: output for output in response.outputs}
    outputs: Outputs = {}
    for name, known in _names(shapes, contents).items():
        shape = (count, *shapes[known])
        output, content = described[name], contents[name]
        if output.datatype != "FP32" or tuple(output.shape) != shape:
            raise InvalidAnswer(
                f"{name}: expected FP32 {shape}, got {output.datatype[:20]} {tuple(output.shape[:8])}"
            )
        if len(content) != 4 * math.prod(shape):
            raise InvalidAnswer(f"{name}: expected {4 * math.prod(shape)} bytes, got {len(content)}")
        values = np.frombuffer(content, "<f4").reshape(shape)
        # A comparison with NaN is false.
        if not bool((np.abs(values) <= MAX_MAGNITUDE).all()):
            raise InvalidAnswer(f"{name}: expected finite numbers up to {MAX_MAGNITUDE:g}, got others")
        outputs[name] = values
    return outputs


def largest_answer_bytes(shapes: Mapping[str, Shapes]) -> int:
    """The longest answer that one of these networks gives for a full batch."""
    floats = max(sum(math.prod(shape) for shape in each.values()) for each in shapes.values())
    return 4 * MAX_BATCH * floats + _OVERHEAD_BYTES


def _names(shapes: Shapes, contents: Mapping[str, bytes]) -> dict[str, str]:
    """The outputs to read, and the name that each has here. Raises InvalidAnswer where one is missing."""
    here = {name: name for name in shapes}
    other = {_ALSO.get(name, name): name for name in shapes}
    for names in (here, other):
        if names.keys() <= contents.keys():
            return names
    raise InvalidAnswer(
        f"expected outputs {', '.join(here)}, got {', '.join(name[:40] for name in list(contents)[:8])}"
    )
