"""The networks as SavedModels for Triton's TensorFlow backend.

Each takes `image`, uint8 [N, H, W, 3], and gives named float outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

from gifcue.triton.models import INPUT
from gifcue.triton.tensors import Shapes
from gifcue_lab.export.litert import served_function
from gifcue_lab.training.recipe import NetworkShape
from gifcue_lab.training.shapes import read_shapes
from gifcue_lab.training.weights import load_networks


def save_networks(model_dir: Path, place: Callable[[str, Shapes], Path]) -> None:
    """Writes each network into the folder that `place` gives for its name and the shapes of its outputs.

    Raises:
        ConfigError: the weights are missing or of another shape.
    """
    shapes = read_shapes(model_dir)
    for name, network in load_networks(model_dir).items():
        module = _module(network, shapes[name])
        outputs = module.serve.get_concrete_function().structured_outputs
        folder = place(name, {key: tuple(value.shape[1:]) for key, value in outputs.items()})
        tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})


def _module(network: Any, shape: NetworkShape) -> Any:
    served = served_function(network, shape)
    size = (None, shape.height, shape.width, 3)

    class Holder(tf.Module):  # type: ignore[misc]
        """Holds no variables: the weights are constants of the graph."""

        @tf.function(input_signature=[tf.TensorSpec(size, tf.uint8, name=INPUT)])  # type: ignore[untyped-decorator]
        def serve(self, image: Any) -> Any:
            return served(image)

    return Holder()
