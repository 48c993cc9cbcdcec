"""Weights ► what is served: LiteRT files, a SavedModel, metadata with checksums.

`pack` turns the averaged weights of three finished runs into `models/`: float16 weights (from which
everything else can be made again), LiteRT files, `metadata.json`. Thresholds and calibration come from
`gifcue_lab.export.calibration`.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import keras
import numpy as np

from gifcue.detect.detector import DetectorConfig
from gifcue.detect.metadata import FORMAT, LABEL_MAP, METADATA
from gifcue.detect.processing import STRIDE
from gifcue.errors import ConfigError
from gifcue_lab.training.checkpoint import AVERAGED, save_averaged
from gifcue_lab.training.config import Task, TrainingConfig, read_config
from gifcue_lab.training.tasks import build_network

NETWORKS = ("detector", "hand", "face")
WEIGHTS = "weights.npz"
VERSION = "0.1.0"
# How much the landmarks' extent counts in a box, and how much it is enlarged; measured on people held out of training.
REFINEMENT = {"face": {"weight": 0.5, "scale": 1.05}, "hand": {"weight": 0.5, "scale": 1.3}}
# What stays in float where convolutions are quantised: 256 steps are too few for a softmax over a heat map, and for
# what is computed from it.
IN_FLOAT = (
    "BATCH_MATMUL", "CONCATENATION", "DIV", "EXP", "FULLY_CONNECTED", "MUL", "RESHAPE", "RSQRT", "SOFTMAX", "SQRT",
    "SQUARED_DIFFERENCE", "STRIDED_SLICE", "SUB", "SUM", "TRANSPOSE",
)  # fmt: skip
# A face or hand smaller than this, in pixels of the frame, is found but not read: half of the smiles that were wrong on
# strangers were those of people far behind.
SMALLEST_PX = 24
# The settings that shape a network, beside its input's size.
SHAPE = ("classes", "points", "channels", "blocks")

Report = Callable[[str], None]


def pack(
    configs: Sequence[Path],
    model_dir: Path,
    *,
    run_dirs: dict[str, Path] | None = None,
    report: Report = print,
) -> None:
    """Writes `model_dir` from finished runs: `configs` are those of the detector, the hand and the face.

    Calibration and thresholds already in `model_dir` are kept; new models start with neutral ones.

    Raises:
        ConfigError: a network is missing, or its run has no averaged weights.
    """
    read: dict[str, TrainingConfig] = {config.task: config for config in map(read_config, configs)}
    missing = [name for name in NETWORKS if name not in read]
    if missing:
        raise ConfigError(
            f"configs: expected one each for {', '.join(NETWORKS)}, none for {', '.join(missing)}"
        )
    arrays: dict[str, Any] = {}
    model_dir.mkdir(parents=True, exist_ok=True)
    for name in NETWORKS:
        run_dir = (run_dirs or {}).get(name, read[name].run_dir)
        weights = run_dir / AVERAGED
        if not weights.exists():
            raise ConfigError(f"run_dir: expected {weights}, got no such file")
        network = fresh_network(read[name])
        network.load_weights(weights)
        for i, value in enumerate(network.get_weights()):
            arrays[f"{name}/{i}"] = value.astype(np.float16)
    from gifcue_lab.export.quantise import add_int8

    np.savez_compressed(model_dir / WEIGHTS, **arrays)
    write_metadata(model_dir, read)
    export_litert(model_dir, report=report)
    add_int8(model_dir, read["detector"].data_dir, report=report)


def average_runs(config: Path, runs: Sequence[Path], out: Path) -> None:
    """Writes the mean of the averaged weights of several runs of one network, one start apart: it often beats each.

    Raises:
        ConfigError: a run has no averaged weights, or those of another network.
    """
    network = fresh_network(read_config(config))
    read = []
    for run in runs:
        try:
            network.load_weights(run / AVERAGED)
        except (OSError, ValueError) as error:
            raise ConfigError(f"{run}: expected weights of this network, got {error}") from error
        read.append(network.get_weights())
    out.mkdir(parents=True, exist_ok=True)
    network.set_weights([np.mean(values, axis=0) for values in zip(*read, strict=True)])
    save_averaged(out, network)


def export(
    model_dir: Path,
    out: Path,
    *,
    saved_model: bool = True,
    int8: bool = True,
    data_dir: Path | None = None,
    split: str = "dev",
    report: Report = print,
) -> None:
    """Makes everything that can be served from the weights in `model_dir`, as folders of `out`.

    `litert` is a model folder that a server can open (float16 weights, and int8 where asked for), `savedmodel` one for
    TensorFlow. With `data_dir` (needed for int8, whose ranges come from its train split) the accuracy of each is
    measured on `split`, and what each step loses is reported.

    Raises:
        ConfigError: weights are missing, or int8 was asked for without data.
        ModelError: the metadata is damaged.
    """
    from gifcue_lab.export.graph import export_saved_model
    from gifcue_lab.export.quantise import add_int8, measure

    if int8 and data_dir is None:
        raise ConfigError("data_dir: expected photographs for the ranges of int8, got none")
    litert, saved = out / "litert", out / "savedmodel"
    copy_description(model_dir, litert)
    export_litert(litert, report=report)
    forms = {"float": DetectorConfig(litert, precision="float")}
    if int8 and data_dir is not None:
        add_int8(litert, data_dir, report=report)
        forms["int8"] = DetectorConfig(litert, precision="int8")
    if saved_model:
        copy_description(model_dir, saved)
        export_saved_model(model_dir, saved / "saved_model")
        files = (saved / "saved_model").rglob("*")
        report(f"{saved}: {sum(file.stat().st_size for file in files if file.is_file()):,} bytes")
        forms["savedmodel"] = DetectorConfig(saved, "savedmodel")
    if data_dir is not None:
        measure(forms, data_dir, split, report=report)


def copy_description(model_dir: Path, out: Path) -> None:
    """Copies what is neither LiteRT nor SavedModel: weights, metadata, label map."""
    out.mkdir(parents=True, exist_ok=True)
    for name in (WEIGHTS, METADATA, LABEL_MAP):
        shutil.copyfile(model_dir / name, out / name)


def fresh_network(config: TrainingConfig) -> Any:
    """The configured network in float32, whatever it was trained in."""
    keras.mixed_precision.set_global_policy("float32")
    return build_network(config)


def described(model_dir: Path) -> dict[str, TrainingConfig]:
    """The networks' shapes as `metadata.json` describes them.

    Raises:
        ConfigError: there is no description, or it is damaged.
    """
    path = model_dir / METADATA
    try:
        networks: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["networks"]
        return {
            name: TrainingConfig(
                task=cast("Task", name),
                data_dir=Path(),
                run_dir=Path(),
                epochs=1,
                width=shape["width"],
                height=shape["height"],
                classes=tuple(shape["classes"]),
                points=tuple(shape["points"]),
                channels=tuple(shape["channels"]),
                blocks=tuple(shape["blocks"]),
            )
            for name, shape in networks.items()
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: expected the shapes of the networks, got {error!r}") from error


def load_networks(model_dir: Path) -> dict[str, Any]:
    """The three Keras networks with the weights of `model_dir`.

    Raises:
        ConfigError: the weights are missing or of another shape.
    """
    path, configs = model_dir / WEIGHTS, described(model_dir)
    networks = {}
    try:
        with np.load(path) as arrays:
            for name in NETWORKS:
                network = fresh_network(configs[name])
                count = len(network.get_weights())
                network.set_weights([arrays[f"{name}/{i}"].astype(np.float32) for i in range(count)])
                networks[name] = network
    except (OSError, KeyError, ValueError) as error:
        raise ConfigError(f"{path}: expected weights of {', '.join(NETWORKS)}, got {error!r}") from error
    return networks


def export_litert(model_dir: Path, *, report: Report = print) -> dict[str, int]:
    """Writes `NAME.tflite` for each network, float with weights stored in float16; returns their bytes."""
    sizes, configs = {}, described(model_dir)
    for name, network in load_networks(model_dir).items():
        content = convert(network, configs[name], half=True)
        path = model_dir / f"{name}.tflite"
        path.write_bytes(content)
        sizes[name] = len(content)
        report(f"{path}: {len(content):,} bytes")

    def change(metadata: dict[str, Any]) -> None:
        # Quantised files of other weights are worse than none.
        metadata["files"] = {name: {"path": f"{name}.tflite", "sha256": ""} for name in NETWORKS}

    update_metadata(model_dir, change)
    update_checksums(model_dir)
    return sizes


def convert(
    network: Any, config: TrainingConfig, *, half: bool = False, examples: Callable[[], Any] | None = None
) -> bytes:
    """One network as LiteRT: uint8 [1, H, W, 3] in, named float outputs.

    `half` stores float16 weights (computed in float32); `examples` yields uint8 batches of one and asks for
    int8 convolutions.
    """
    import tensorflow as tf

    # The detector ends with its convolutions, and numpy does the rest; the close looks go on in float.
    served = served_function(network, config, raw=examples is not None and config.task == "detector")
    shape = (1, config.height, config.width, 3)

    class Holder(tf.Module):  # type: ignore[misc]
        """The converter reads signatures of modules."""

        @tf.function(input_signature=[tf.TensorSpec(shape, tf.uint8, name="image")])  # type: ignore[untyped-decorator]
        def serve(self, image: Any) -> Any:
            return served(image)

    with tempfile.TemporaryDirectory() as folder:
        holder = Holder()
        # By way of a SavedModel, which keeps the outputs' names.
        tf.saved_model.save(holder, folder, signatures={"serving_default": holder.serve})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if half or examples is not None:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if half:
            converter.target_spec.supported_types = [tf.float16]
        if examples is not None:
            converter.representative_dataset = examples
        if examples is None or config.task == "detector":
            return bytes(converter.convert())
        options = tf.lite.experimental.QuantizationDebugOptions(denylisted_ops=list(IN_FLOAT))
        with warnings.catch_warnings():
            # TensorFlow's own debugger uses an interpreter that TensorFlow says not to use.
            warnings.filterwarnings("ignore", message=r"\s*Warning: tf.lite.Interpreter is deprecated")
            mixed = tf.lite.experimental.QuantizationDebugger(
                converter=converter, debug_dataset=examples, debug_options=options
            )
        return bytes(mixed.get_nondebug_quantized_model())


def served_function(
    network: Any, config: TrainingConfig, *, raw: bool = False
) -> Callable[[Any], dict[str, Any]]:
    """What is served of a network: uint8 pictures in; scores only at peaks, and no heat maps of landmarks.

    `raw` leaves the detector's last steps to `processing.activate`: int8 keeps logits, but not what comes after them.
    """
    import tensorflow as tf

    if raw:
        ends = {"heat": network.get_layer("heat").output, "reach": network.get_layer("sides").input}
        network = keras.Model(network.input, ends)
    # Weights as constants: the converter leaves the variables of Keras 3 as variables, unfused and four times slower.
    trained = [tf.constant(variable.numpy()) for variable in network.trainable_variables]
    fixed = [tf.constant(variable.numpy()) for variable in network.non_trainable_variables]

    def serve(image: Any) -> dict[str, Any]:
        outputs, _ = network.stateless_call(trained, fixed, tf.cast(image, tf.float32), training=False)
        if raw:
            return {"heat": outputs["heat"], "reach": outputs["reach"]}
        if config.task != "detector":
            return {name: outputs[name] for name in ("landmarks", "presence", "by_shape", "by_sight")}
        scores = tf.sigmoid(outputs["heat"])
        around = tf.nn.max_pool2d(scores, 3, 1, "SAME")
        peaks = tf.where(scores >= around, scores, tf.zeros_like(scores))
        return {"scores": peaks, "sides": outputs["sides"]}

    return serve


def write_metadata(model_dir: Path, configs: dict[str, TrainingConfig]) -> None:
    """Writes `metadata.json`; calibration, thresholds and figures that are there already stay."""
    path = model_dir / METADATA
    old: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    stages = {}
    thresholds = {"face": 0.5, "hand": 0.5}
    for name in ("face", "hand"):
        config = configs[name]
        before = old.get("stages", {}).get(name, {})
        stages[name] = {
            "size": config.width,
            "margin": config.margin,
            "labels": list(config.classes),
            "calibration": before.get(
                "calibration", {"shape": 0.5, "sight": 0.5, "bias": [0.0] * (len(config.classes) + 1)}
            ),
            "smallest_px": before.get("smallest_px", SMALLEST_PX),
            "refinement": before.get("refinement", REFINEMENT[name]),
            "rescoring": before.get("rescoring", {"found": 1.0, "present": 0.0, "bias": 0.0}),
        }
        thresholds.update(dict.fromkeys(config.classes, 0.5))
    detector = configs["detector"]
    networks = {
        name: {
            "width": config.width,
            "height": config.height,
            **{key: list(getattr(config, key)) for key in SHAPE},
        }
        for name, config in configs.items()
    }
    metadata = {
        "format": FORMAT,
        "name": "gifcue",
        "version": VERSION,
        "files": {name: {"path": f"{name}.tflite", "sha256": ""} for name in NETWORKS},
        "detector": {
            "width": detector.width,
            "height": detector.height,
            "stride": STRIDE,
            "score_floor": 0.05,
            "nms_iou": 0.5,
            "longest_px": 640,
        },
        "stages": stages,
        "networks": networks,
        "thresholds": {**thresholds, **old.get("thresholds", {})},
        "training": old.get("training", {}),
    }
    _write_json(path, metadata)


def update_metadata(model_dir: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Reads, lets `change` edit, and writes `metadata.json`."""
    path = model_dir / METADATA
    metadata = json.loads(path.read_text(encoding="utf-8"))
    change(metadata)
    _write_json(path, metadata)


def update_checksums(model_dir: Path) -> None:
    """Writes size and sha256 of every LiteRT file into the metadata."""

    def change(metadata: dict[str, Any]) -> None:
        for entry in metadata["files"].values():
            for form in (entry, entry.get("int8")):
                if form is not None:
                    content = (model_dir / form["path"]).read_bytes()
                    form["sha256"] = hashlib.sha256(content).hexdigest()
                    form["bytes"] = len(content)

    update_metadata(model_dir, change)


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
