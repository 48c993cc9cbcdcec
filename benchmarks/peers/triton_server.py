"""A Triton server on the CPU that serves gifcue's detector as a Python model.

    python -m benchmarks.peers.triton_server DETECTOR MODEL_DIR PORT

prints its gRPC address once the model is ready. `PORT` and the two ports after it must be free. There is one instance
of the model per core, among which Triton distributes the requests.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

MODEL, FRAME, DETECTIONS = "gifcue", "frame", "detections"


def main() -> None:
    """Serves until it is terminated."""
    import numpy as np
    from pytriton.model_config import ModelConfig, Tensor
    from pytriton.triton import Triton, TritonConfig

    from benchmarks.peers.detectors import cores, open_detect_function

    detector, model_dir, port = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])

    def instance() -> Any:
        detect = open_detect_function(detector, model_dir, threads=1)

        def infer(requests: list[Any]) -> list[dict[str, Any]]:
            answers = []
            for request in requests:
                detections = detect(request[FRAME])
                answers.append({DETECTIONS: np.array(detections, np.float32).reshape(-1, 6)})
            return answers

        return infer

    config = TritonConfig(
        http_port=port + 1,
        grpc_port=port,
        metrics_port=port + 2,
        exit_timeout_secs=5,
    )
    triton = Triton(config=config)
    triton.bind(
        model_name=MODEL,
        infer_func=[instance() for _ in range(cores())],
        inputs=[Tensor(name=FRAME, dtype=np.uint8, shape=(-1, -1, 3))],
        outputs=[Tensor(name=DETECTIONS, dtype=np.float32, shape=(-1, 6))],
        config=ModelConfig(batching=False, max_batch_size=1),
        strict=False,
    )
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Triton's log would fill the pipe, which is not read after the address
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    triton.run()
    print(f"127.0.0.1:{port}", file=answers, flush=True)
    stopped.wait()
    triton.stop()


if __name__ == "__main__":
    main()
