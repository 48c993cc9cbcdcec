"""What a picture costs when its networks run in Triton: bytes, CPU time here and there, and time until the answer.

    python -m benchmarks.peers setup triton
    python -m benchmarks.triton [--pictures 200] [--batch 8]

Three ways are compared: LiteRT in the worker itself, a call for each network (what `detect.backend = "triton"` does),
and one call with the whole picture. Triton runs on the same machine, on the CPU, so the times say what the ways cost
beside each other, and not how fast a GPU is.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import psutil

from benchmarks.peers.environments import REPOSITORY
from benchmarks.tritonserver import TritonServer
from gifcue.detect import open_detector as open_local
from gifcue.detect.detector import Frame
from gifcue.detect.settings import DetectSettings
from gifcue.sample_video.photo import photo_frames
from gifcue.triton.v2 import inference_pb2, inference_pb2_grpc
from gifcue.triton.worker import open_detector
from gifcue_lab.export.triton import export_triton

WIDTH, HEIGHT = 640, 360
_WHOLE_CONFIG = """
name: "whole"
backend: "python"
max_batch_size: 32
input [ {{ name: "image" data_type: TYPE_UINT8 dims: [{height}, {width}, 3] }} ]
output [ {{ name: "detections" data_type: TYPE_FP32 dims: [16, 5] }} ]
dynamic_batching {{ max_queue_delay_microseconds: 1000 }}
instance_group [ {{ count: 1 kind: KIND_CPU }} ]
parameters {{ key: "model_dir" value {{ string_value: "{model_dir}" }} }}
parameters {{ key: "source" value {{ string_value: "{source}" }} }}
"""


@dataclass(frozen=True)
class Cost:
    """Of one way, for each picture. Times are milliseconds, the last two of a whole batch."""

    name: str
    sent_bytes: float
    received_bytes: float
    here_ms: float
    there_ms: float
    p50_ms: float
    p95_ms: float

    def row(self) -> str:
        return (
            f"| {self.name} | {self.sent_bytes / 1000:.0f} | {self.received_bytes / 1000:.1f} "
            f"| {self.here_ms:.1f} | {self.there_ms:.1f} | {self.p50_ms:.0f} | {self.p95_ms:.0f} |"
        )


def cpu_s(pid: int | None) -> float:
    """CPU time of a process and its children."""
    if pid is None:
        return 0.0
    process = psutil.Process(pid)
    return sum(sum(each.cpu_times()[:2]) for each in (process, *process.children(recursive=True)))


def measure(
    name: str,
    detect: Callable[[list[Frame]], tuple[int, int]],
    batches: Sequence[list[Frame]],
    pid: int | None,
) -> Cost:
    """Runs the batches after one that warms up. `detect` returns bytes sent and received."""
    detect(batches[0])
    here, there, seconds, sent, received = time.process_time(), cpu_s(pid), [], 0, 0
    for batch in batches:
        started = time.perf_counter()
        one = detect(batch)
        seconds.append(time.perf_counter() - started)
        sent, received = sent + one[0], received + one[1]
    count = sum(map(len, batches))
    return Cost(
        name,
        sent / count,
        received / count,
        (time.process_time() - here) * 1000 / count,
        (cpu_s(pid) - there) * 1000 / count,
        *(float(value) * 1000 for value in np.percentile(seconds, [50, 95])),
    )


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--batch", type=int, default=8)
    options = parser.parse_args()
    frames = list(photo_frames(options.pictures / 10, 10, WIDTH, HEIGHT, "always"))
    batches = [frames[start : start + options.batch] for start in range(0, len(frames), options.batch)]

    local = open_local(DetectSettings().detector())
    regions = sum(len(found) for found in local.detect(frames)) / len(frames)

    def run_local(batch: list[Frame]) -> tuple[int, int]:
        local.detect(batch)
        return 0, 0

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        export_triton(REPOSITORY / "models", folder, tensorflow=False, report=lambda _: None)
        whole = folder / "python" / "whole"
        (whole / "1").mkdir(parents=True)
        config = _WHOLE_CONFIG.format(
            width=WIDTH, height=HEIGHT, model_dir=REPOSITORY / "models", source=REPOSITORY / "src"
        )
        (whole / "config.pbtxt").write_text(config, encoding="utf-8")
        source = Path(__file__).with_name("triton_whole") / "model.py"
        (whole / "1" / "model.py").write_bytes(source.read_bytes())
        server = TritonServer(folder / "python", folder)
        server.start()
        try:
            costs = [
                measure("LiteRT in the worker", run_local, batches, None),
                _networks(server, batches),
                _whole(server, batches),
            ]
        finally:
            server.kill()
    print(f"{options.pictures} pictures of {WIDTH}x{HEIGHT}, {regions:.1f} faces and hands in each, batches of "
          f"{options.batch}, {os.cpu_count()} cores\n")  # fmt: skip
    print("| way | kB sent | kB received | CPU ms here | CPU ms in Triton | ms a batch, p50 | p95 |")
    print("|---|---|---|---|---|---|---|")
    for cost in costs:
        print(cost.row())


def _networks(server: TritonServer, batches: Sequence[list[Frame]]) -> Cost:
    triton = {"endpoints": [server.address], "insecure": True, "deadline_ms": 400}
    detector = open_detector(
        DetectSettings.model_validate({"backend": "triton", "triton": triton}).detector()
    )
    detector.warm()

    def run(batch: list[Frame]) -> tuple[int, int]:
        detector.detect(batch)
        report = detector.report()
        if report.local_pictures:
            raise RuntimeError(f"expected Triton to run the networks, got: {report.last_failure}")
        return report.sent_bytes, report.received_bytes

    detector.report()
    try:
        return measure("a call for each network", run, batches, server.pid)
    finally:
        detector.close()


def _whole(server: TritonServer, batches: Sequence[list[Frame]]) -> Cost:
    with grpc.insecure_channel(server.address, [("grpc.max_send_message_length", -1)]) as channel:
        stub = inference_pb2_grpc.GRPCInferenceServiceStub(channel)

        def run(batch: list[Frame]) -> tuple[int, int]:
            pixels = np.stack(batch)
            tensor = inference_pb2.ModelInferRequest.InferInputTensor(
                name="image", datatype="UINT8", shape=pixels.shape
            )
            request = inference_pb2.ModelInferRequest(
                model_name="whole", inputs=[tensor], raw_input_contents=[pixels.tobytes()]
            )
            answer = stub.ModelInfer(request)
            return pixels.nbytes, sum(map(len, answer.raw_output_contents))

        return measure("one call with the picture", run, batches, server.pid)


if __name__ == "__main__":
    main()
