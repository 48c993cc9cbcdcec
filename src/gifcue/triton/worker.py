"""The entry point of detector workers whose networks run on inference servers."""

from __future__ import annotations

from collections.abc import Mapping

from gifcue.bucket import TokenBucket
from gifcue.detect.detector import DetectorConfig
from gifcue.detect.litert import LiteRtNetworks
from gifcue.detect.messages import RemoteReport
from gifcue.detect.metadata import Metadata, read_metadata
from gifcue.detect.staged import StagedDetector
from gifcue.detect.worker import WorkerInit, run
from gifcue.triton.endpoint import open_endpoints
from gifcue.triton.models import MAX_BATCH, Models
from gifcue.triton.networks import RemoteNetworks
from gifcue.triton.tensors import largest_answer_bytes
from gifcue.workers.channel import BlockingChannel

# Bytes that may be sent at once in any case: the largest call of the detector network. Otherwise a second's worth.
_MIN_BURST_BYTES = MAX_BATCH * 320 * 256 * 3


class TritonDetector(StagedDetector):
    """A `Detector` that reports on its inference servers."""

    def __init__(self, config: DetectorConfig, metadata: Metadata, networks: RemoteNetworks) -> None:
        super().__init__(config, metadata, networks)
        self._remote = networks

    def report(self) -> RemoteReport:
        """What happened since the last report."""
        return self._remote.report()


def main(channel: BlockingChannel, init: WorkerInit, fds: Mapping[str, int]) -> None:
    """The target of the child process."""
    run(channel, init, fds, open_detector)


def open_detector(config: DetectorConfig) -> TritonDetector:
    """Opens the model here, as LiteRT, and the endpoints. No endpoint needs to be reachable.

    Raises:
        ModelError: a file of the model is missing or damaged.
        ConfigError: LiteRT is not installed, or a file for TLS cannot be read.
    """
    settings = config.triton
    metadata = read_metadata(config.model_dir, "triton", config.precision, sha256=config.model_sha256)
    local = LiteRtNetworks(metadata, config.threads)
    max_answer_bytes = largest_answer_bytes({name: local[name].output_shapes for name in local.names})
    networks = RemoteNetworks(
        open_endpoints(settings, max_answer_bytes),
        Models.of(settings.model, metadata.info.sha256),
        local,
        deadline_s=settings.deadline_ms / 1000.0,
        probe_interval_s=settings.probe_interval_s,
        allowance=_allowance(settings.max_mbit_s, config.workers),
    )
    return TritonDetector(config, metadata, networks)


def _allowance(max_mbit_s: float, workers: int) -> TokenBucket | None:
    """What one of the workers may send, in bytes."""
    if max_mbit_s == 0.0:
        return None
    bytes_a_second = max_mbit_s * 1e6 / 8 / workers
    return TokenBucket(bytes_a_second, max(bytes_a_second, _MIN_BURST_BYTES))
