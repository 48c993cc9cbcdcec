"""Model repositories for Triton Inference Server, one for each of two backends.

    OUT/python/       LiteRT in Triton's Python backend, on the CPU
    OUT/tensorflow/   SavedModels for Triton's TensorFlow backend, on a GPU or the CPU

Each holds a model for each of gifcue's networks: `config.pbtxt`, `labels.txt`, and a folder whose name is the version.
The version is made of the digest of the model (`gifcue.triton.models`), so the versions of two models can lie side by
side while servers are exchanged.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from gifcue.detect.detector import Precision
from gifcue.detect.litert import Network
from gifcue.detect.metadata import Metadata, read_metadata
from gifcue.detect.trust import UNCHECKED
from gifcue.triton.models import INPUT, MAX_BATCH, Models
from gifcue.triton.tensors import Shapes

Report = Callable[[str], None]

_PYTHON_MODEL = Path(__file__).with_name("triton_python") / "model.py"
# Microseconds. A picture waits so long for others to share its batch; after the second time nobody waits for the answer
# any more, since that is the default deadline of a server.
_QUEUE_DELAY_US = 1000
_QUEUE_TIMEOUT_US = 200_000
# Calls that may wait for a model. More than these would miss their deadline.
_QUEUE_SIZE = 256
# What a class of a crop network is called that means that no label applies.
_NO_LABEL = "none"


def export_triton(
    model_dir: Path,
    out: Path,
    *,
    prefix: str = "gifcue",
    precision: Precision = "int8",
    tensorflow: bool = True,
    report: Report = print,
) -> Models:
    """Writes both repositories.

    Args:
        model_dir: a folder with LiteRT files, metadata and label map; for TensorFlow also with the weights.
        out: the folder to write into. Versions of other models that lie in it stay.
        prefix: of the names of the models (`detect.triton.model`).
        precision: which LiteRT files the Python backend gets.
        tensorflow: whether to write the repository for the TensorFlow backend, which needs TensorFlow.
        report: receives the names of what was written.

    Raises:
        ModelError: a file is missing or damaged.
        ConfigError: the weights are missing.
    """
    metadata = read_metadata(model_dir, "triton", precision, sha256=UNCHECKED)
    models = Models.of(prefix, metadata.info.sha256)
    for network, weights in metadata.files.items():
        content = weights.read()
        folder = _version_folder(out / "python", models, network)
        (folder / "network.tflite").write_bytes(content)
        shutil.copyfile(_PYTHON_MODEL, folder / "model.py")
        config = _config(models, metadata, network, Network(weights, 1).output_shapes)
        config += (
            'backend: "python"\n'
            "instance_group [ { count: 1 kind: KIND_CPU } ]\n"
            f'parameters {{ key: "sha256" value {{ string_value: "{weights.sha256}" }} }}\n'
        )
        _describe(folder.parent, config, metadata, network)
    report(f"{out / 'python'}: models of version {models.version}, {precision}, for Triton's Python backend")
    if tensorflow:
        # TensorFlow takes seconds to import.
        from gifcue_lab.export.triton_tensorflow import save_networks

        def place(network: str, shapes: Shapes) -> Path:
            folder = _version_folder(out / "tensorflow", models, network)
            config = _config(models, metadata, network, shapes)
            config += 'platform: "tensorflow_savedmodel"\n' + _warm_up(metadata, network)
            _describe(folder.parent, config, metadata, network)
            return folder / "model.savedmodel"

        save_networks(model_dir, place)
        report(f"{out / 'tensorflow'}: models of version {models.version}, for Triton's TensorFlow backend")
    return models


def _version_folder(repository: Path, models: Models, network: str) -> Path:
    folder = repository / models.name(network) / models.version
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _describe(folder: Path, config: str, metadata: Metadata, network: str) -> None:
    (folder / "config.pbtxt").write_text(config, encoding="utf-8")
    if network in metadata.stages:
        labels = (_NO_LABEL, *metadata.stages[network].labels)
        (folder / "labels.txt").write_text("".join(f"{label}\n" for label in labels), encoding="utf-8")


def input_size(metadata: Metadata, network: str) -> tuple[int, int, int]:
    """Height, width and channels of what a network takes."""
    if network in metadata.stages:
        size = metadata.stages[network].size
        return size, size, 3
    return metadata.info.input_height, metadata.info.input_width, 3


def _config(models: Models, metadata: Metadata, network: str, shapes: Mapping[str, tuple[int, ...]]) -> str:
    """What the configurations for both backends share."""
    outputs = ",\n".join(
        f'  {{ name: "{name}" data_type: TYPE_FP32 dims: {list(shape)}{_labels(name)} }}'
        for name, shape in sorted(shapes.items())
    )
    return (
        f'name: "{models.name(network)}"\n'
        f"max_batch_size: {MAX_BATCH}\n"
        f'input [ {{ name: "{INPUT}" data_type: TYPE_UINT8 dims: {list(input_size(metadata, network))} }} ]\n'
        f"output [\n{outputs}\n]\n"
        "dynamic_batching {\n"
        f"  max_queue_delay_microseconds: {_QUEUE_DELAY_US}\n"
        "  default_queue_policy {\n"
        "    timeout_action: REJECT\n"
        f"    default_timeout_microseconds: {_QUEUE_TIMEOUT_US}\n"
        f"    max_queue_size: {_QUEUE_SIZE}\n"
        "  }\n"
        "}\n"
        "version_policy { all { } }\n"
    )


def _labels(output: str) -> str:
    return ' label_filename: "labels.txt"' if output in ("by_shape", "by_sight") else ""


def _warm_up(metadata: Metadata, network: str) -> str:
    """The first run of a graph compiles it, which takes longer than any deadline."""
    dims = list(input_size(metadata, network))
    tensor = f'inputs {{ key: "{INPUT}" value {{ data_type: TYPE_UINT8 dims: {dims} zero_data: true }} }}'
    return "".join(
        f'model_warmup {{ name: "batch of {count}" batch_size: {count} {tensor} }}\n'
        for count in (1, 8, MAX_BATCH)
    )
