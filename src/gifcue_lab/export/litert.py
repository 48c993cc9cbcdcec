"""A network as a LiteRT file."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from gifcue_lab.export.metadata import float_files, update_checksums, update_metadata
from gifcue_lab.quiet import quietly
from gifcue_lab.training.recipe import NetworkShape
from gifcue_lab.training.shapes import NETWORKS, read_shapes
from gifcue_lab.training.weights import load_networks

# The operations that stay in float where convolutions are quantised. They compute the softmax over a heat map and what
# follows from it, and the means of features over a crop; 256 steps are too few for that.
FLOAT_OPERATIONS = (
    "BATCH_MATMUL", "CONCATENATION", "DIV", "EXP", "FULLY_CONNECTED", "MEAN", "MUL", "RESHAPE", "RSQRT", "SOFTMAX",
    "SQRT", "SQUARED_DIFFERENCE", "STRIDED_SLICE", "SUB", "SUM", "TRANSPOSE",
)  # fmt: skip
CROP_OUTPUTS = ("landmarks", "presence", "by_shape", "by_sight")

Report = Callable[[str], None]
# Makes an iterator of batches of one picture, uint8 [1, H, W, 3], each in a list.
Examples = Callable[[], Any]


def export_litert(
    model_dir: Path, *, only: Collection[str] = NETWORKS, report: Report = print
) -> dict[str, int]:
    """Writes `NAME.tflite` for networks of a model folder, with weights stored as float16.

    Entries of their int8 files are removed from the metadata, since these files may have been made of other weights.

    Args:
        model_dir: the model folder.
        only: the networks. The files of the others are there already.
        report: receives the size of each file.

    Returns:
        The sizes of the files in bytes, by network.

    Raises:
        ConfigError: the weights are missing or of another shape.
    """
    sizes, shapes = {}, read_shapes(model_dir)
    for name, network in load_networks(model_dir).items():
        if name not in only:
            continue
        with quietly():
            content = convert(network, shapes[name], half=True)
        path = model_dir / f"{name}.tflite"
        path.write_bytes(content)
        sizes[name] = len(content)
        report(f"{path}: {len(content):,} bytes")

    def change(metadata: dict[str, Any]) -> None:
        metadata["files"].update({name: entry for name, entry in float_files().items() if name in only})

    update_metadata(model_dir, change)
    update_checksums(model_dir)
    return sizes


def convert(
    network: Any, shape: NetworkShape, *, half: bool = False, examples: Examples | None = None
) -> bytes:
    """One network as LiteRT: input `image` uint8 [1, H, W, 3], named float outputs.

    Args:
        network: the Keras model.
        shape: what it was built from.
        half: store weights as float16; they are computed with as float32.
        examples: pictures that set the ranges of int8; with them convolutions compute in int8.
    """
    # In int8 the detector ends with its convolutions, and `processing.activate` computes the rest in numpy.
    is_raw = examples is not None and shape.task == "detector"
    served = served_function(network, shape, raw=is_raw)
    size = (1, shape.height, shape.width, 3)

    class Holder(tf.Module):  # type: ignore[misc]
        """A module, since the converter reads signatures of modules."""

        @tf.function(input_signature=[tf.TensorSpec(size, tf.uint8, name="image")])  # type: ignore[untyped-decorator]
        def serve(self, image: Any) -> Any:
            return served(image)

    with tempfile.TemporaryDirectory() as folder:
        holder = Holder()
        # Converted from a SavedModel: other ways lose the names of the outputs.
        tf.saved_model.save(holder, folder, signatures={"serving_default": holder.serve})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if half or examples is not None:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if half:
            converter.target_spec.supported_types = [tf.float16]
        if examples is None:
            return bytes(converter.convert())
        converter.representative_dataset = examples
        return bytes(converter.convert()) if is_raw else _convert_mixed(converter, examples)


def _convert_mixed(converter: Any, examples: Examples) -> bytes:
    """Int8 but for `FLOAT_OPERATIONS`. The quantisation debugger is TensorFlow's only way to exclude operations."""
    options = tf.lite.experimental.QuantizationDebugOptions(denylisted_ops=list(FLOAT_OPERATIONS))
    with warnings.catch_warnings():
        # The debugger uses TensorFlow's own interpreter, which TensorFlow warns about.
        warnings.filterwarnings("ignore", message=r"\s*Warning: tf.lite.Interpreter is deprecated")
        debugger = tf.lite.experimental.QuantizationDebugger(
            converter=converter, debug_dataset=examples, debug_options=options
        )
    return bytes(debugger.get_nondebug_quantized_model())


def served_function(
    network: Any, shape: NetworkShape, *, raw: bool = False
) -> Callable[[Any], dict[str, Any]]:
    """What is served of a network: pictures [N, H, W, 3] ► its outputs by name, without the landmarks' heat maps.

    The detector's `scores` are 0 but at peaks. With `raw` it gives the logits `heat` and `reach` instead, for
    `gifcue.detect.processing.activate`: int8 has enough steps for logits, and not for what follows from them.
    """
    if raw:
        ends = {"heat": network.get_layer("heat").output, "reach": network.get_layer("sides").input}
        network = keras.Model(network.input, ends)
    # Weights as constants: the converter would leave the variables of Keras 3 unfused, which is four times slower.
    trained = [tf.constant(variable.numpy()) for variable in network.trainable_variables]
    fixed = [tf.constant(variable.numpy()) for variable in network.non_trainable_variables]

    def serve(image: Any) -> dict[str, Any]:
        outputs, _ = network.stateless_call(trained, fixed, tf.cast(image, tf.float32), training=False)
        if raw:
            return {"heat": outputs["heat"], "reach": outputs["reach"]}
        if shape.task != "detector":
            return {name: outputs[name] for name in CROP_OUTPUTS}
        scores = tf.sigmoid(outputs["heat"])
        neighbourhood = tf.nn.max_pool2d(scores, 3, 1, "SAME")
        peaks = tf.where(scores >= neighbourhood, scores, tf.zeros_like(scores))
        return {"scores": peaks, "sides": outputs["sides"]}

    return serve
