"""The default backend: three LiteRT networks on the CPU. Never imports TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from gifcue.detect.detector import DetectorConfig
from gifcue.detect.metadata import Metadata, Weights, read_metadata
from gifcue.detect.staged import Floats, Images, Outputs, StagedDetector
from gifcue.errors import ConfigError, ModelError


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
        self.output_shapes = {
            name: tuple(int(side) for side in detail["shape"][1:]) for name, detail in signature.items()
        }

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


class LiteRtNetworks:
    """Runs one picture after another: on one core, batches save no time."""

    def __init__(self, metadata: Metadata, threads: int) -> None:
        self._networks = {name: Network(weights, threads) for name, weights in metadata.files.items()}
        info = metadata.info
        expected = (1, info.input_height, info.input_width, 3)
        if self._networks["detector"].input_shape != expected:
            raise ModelError(
                f"detector: expected input {expected}, got {self._networks['detector'].input_shape}"
            )

    def __getitem__(self, name: str) -> Network:
        return self._networks[name]

    @property
    def names(self) -> tuple[str, ...]:
        """The networks that there are."""
        return tuple(self._networks)

    def run(self, inputs: Mapping[str, Images]) -> dict[str, Outputs]:
        results: dict[str, Outputs] = {}
        for name, pictures in inputs.items():
            each = [self._networks[name](picture) for picture in pictures]
            results[name] = {output: np.stack([one[output] for one in each]) for output in each[0]}
        return results

    def warm(self) -> None:
        for network in self._networks.values():
            network(np.zeros(network.input_shape[1:], np.uint8))

    def close(self) -> None:
        self._networks.clear()


class LiteRtDetector(StagedDetector):
    """Opens the networks that a configuration names."""

    def __init__(self, config: DetectorConfig) -> None:
        metadata = read_metadata(config.model_dir, "litert", config.precision, sha256=config.model_sha256)
        super().__init__(config, metadata, LiteRtNetworks(metadata, config.threads))
