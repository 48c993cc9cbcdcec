"""An inference server in this process, over real gRPC, that answers as a test says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import grpc
import numpy as np

from gifcue.detect.staged import Images, Outputs
from gifcue.triton.v2 import inference_pb2, inference_pb2_grpc

Answer = inference_pb2.ModelInferResponse
# Runs a network by name on pictures.
Run = Callable[[str, Images], Outputs]


def answer_of(outputs: Mapping[str, np.ndarray]) -> Answer:
    """A sound answer with these outputs."""
    tensors = [
        Answer.InferOutputTensor(name=name, datatype="FP32", shape=values.shape)
        for name, values in outputs.items()
    ]
    contents = [np.ascontiguousarray(values, "<f4").tobytes() for values in outputs.values()]
    return Answer(outputs=tensors, raw_output_contents=contents)


class FakeInferenceServer(inference_pb2_grpc.GRPCInferenceServiceServicer):
    """Serves the models `PREFIX_NETWORK` of one version. Attributes that a test may change at any time:

    change      what becomes of each sound answer
    status      the status that inferences end with
    is_hanging  no inference is answered until it is False again
    is_ready    what health calls answer
    calls       how many inferences came, and `sizes` of how many pictures each
    """

    def __init__(self, run: Run, version: str, credentials: Any = None) -> None:
        self._run = run
        self._version = version
        self._credentials = credentials
        self._released = threading.Event()
        self.change: Callable[[Answer], Answer] = lambda answer: answer
        self.status: grpc.StatusCode | None = None
        self.is_ready = True
        self.sizes: list[int] = []
        self.port = 0
        self._server: Any = None

    @property
    def address(self) -> str:
        return f"localhost:{self.port}"

    @property
    def calls(self) -> int:
        return len(self.sizes)

    def hang(self) -> None:
        """Inferences are not answered until `release`."""
        self._released.clear()
        self._is_hanging = True

    def release(self) -> None:
        self._is_hanging = False
        self._released.set()

    _is_hanging = False

    def start(self) -> Self:
        """Listens, on the same port as before."""
        # Without SO_REUSEPORT two servers of a test would share a port.
        self._server = grpc.server(ThreadPoolExecutor(16), options=[("grpc.so_reuseport", 0)])
        inference_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(self, self._server)
        address = f"localhost:{self.port}"
        if self._credentials is None:
            self.port = self._server.add_insecure_port(address)
        else:
            self.port = self._server.add_secure_port(address, self._credentials)
        self._server.start()
        return self

    def stop(self) -> None:
        """Ends at once, with the calls under way."""
        self.release()
        self._server.stop(None).wait()

    def ServerReady(self, request: Any, context: Any) -> Any:
        return inference_pb2.ServerReadyResponse(ready=self.is_ready)

    def ModelReady(self, request: Any, context: Any) -> Any:
        is_known = request.version == self._version
        return inference_pb2.ModelReadyResponse(ready=self.is_ready and is_known)

    def ModelInfer(self, request: Any, context: Any) -> Any:
        tensor = request.inputs[0]
        self.sizes.append(tensor.shape[0])
        if self._is_hanging:
            context.add_callback(self._released.set)
            self._released.wait(30.0)
            self._released.clear()
        if request.model_version != self._version:
            context.abort(grpc.StatusCode.NOT_FOUND, f"no version {request.model_version}")
        if self.status is not None:
            context.abort(self.status, "as the test says")
        pictures = np.frombuffer(request.raw_input_contents[0], np.uint8).reshape(tensor.shape)
        return self.change(answer_of(self._run(request.model_name.rpartition("_")[2], pictures)))
