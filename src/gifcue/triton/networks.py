"""Runs the networks on inference servers, and in this process where no server gives their outputs in time.

A call that fails takes its endpoint out of use and is tried once more, on another endpoint if there is one. What is
still missing then is computed here. So a batch is delayed by twice the deadline at most, and no picture is lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np

from gifcue.bucket import TokenBucket
from gifcue.detect.litert import LiteRtNetworks
from gifcue.detect.messages import FailureReason, RemoteReport
from gifcue.detect.staged import Images, Outputs
from gifcue.triton.endpoint import Call, Endpoint, Failure
from gifcue.triton.figures import Figures
from gifcue.triton.models import MAX_BATCH, Models
from gifcue.triton.prober import Prober
from gifcue.triton.tensors import InvalidAnswer, Shapes, outputs_of, request_of

# Calls of one part of a batch at most.
ATTEMPTS = 2
# How long the start of a worker waits for endpoints. Without one, it begins with its own networks.
_START_S = 1.5


@dataclass(eq=False, slots=True)
class _Part:
    """Pictures of one network that go into one call."""

    network: str
    pictures: Images
    outputs: Outputs | None = None


class RemoteNetworks:
    """`Networks` on endpoints; it owns them, and the networks of this process."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        models: Models,
        local: LiteRtNetworks,
        *,
        deadline_s: float,
        probe_interval_s: float,
        allowance: TokenBucket | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`allowance` is of bytes that may be sent; None: no limit. `probe_interval_s` is also how long an endpoint
        that failed stays out of use.
        """
        self._endpoints = endpoints
        self._models = models
        self._local = local
        self._shapes: dict[str, Shapes] = {name: local[name].output_shapes for name in local.names}
        self._deadline_s = deadline_s
        self._pause_s = probe_interval_s
        self._allowance = allowance
        self._clock = clock
        self._figures = Figures()
        self._turn = 0
        self.prober = Prober(endpoints, self._check, self.try_out, self._figures, probe_interval_s)

    def run(self, inputs: Mapping[str, Images]) -> dict[str, Outputs]:
        parts = [
            _Part(network, pictures[start : start + MAX_BATCH])
            for network, pictures in inputs.items()
            for start in range(0, len(pictures), MAX_BATCH)
        ]
        self._ask_servers(parts)
        for part in parts:
            if part.outputs is None:
                part.outputs = self._local.run({part.network: part.pictures})[part.network]
                self._figures.ran_here(len(part.pictures))
        return {
            network: _joined([part.outputs for part in parts if part.network == network and part.outputs])
            for network in inputs
        }

    def warm(self) -> None:
        self._local.warm()
        self.prober.start(_START_S)

    def close(self) -> None:
        self.prober.stop()
        for endpoint in self._endpoints:
            endpoint.close()
        self._local.close()

    def report(self) -> RemoteReport:
        """What happened since the last report."""
        usable = sum(endpoint.is_usable for endpoint in self._endpoints)
        return self._figures.report(len(self._endpoints), usable)

    def try_out(self, endpoint: Endpoint) -> None:
        """Runs every network of an endpoint on one grey picture. Raises Failure."""
        for network in self._local.names:
            part = _Part(network, np.full(self._local[network].input_shape, 114, np.uint8))
            self._read(endpoint, part, self._begin(endpoint, part))

    def _ask_servers(self, parts: Sequence[_Part]) -> None:
        endpoints = self._candidates()
        if not endpoints or not self._may_send(parts):
            return
        for endpoint in endpoints:
            missing = [part for part in parts if part.outputs is None]
            reasons = self._ask(endpoint, missing)
            if len(endpoints) == 1 and FailureReason.UNREACHABLE in reasons:
                # A name may have several addresses: the next call goes to another of them.
                reasons = self._ask(endpoint, [part for part in missing if part.outputs is None])
            if not reasons:
                return
            self._exclude(endpoint)

    def _candidates(self) -> list[Endpoint]:
        """The endpoints to ask, in their order for this batch."""
        usable = [endpoint for endpoint in self._endpoints if endpoint.is_usable]
        if not usable:
            return []
        self._turn = (self._turn + 1) % len(usable)
        return list(islice(chain(usable[self._turn :], usable[: self._turn]), ATTEMPTS))

    def _ask(self, endpoint: Endpoint, parts: Sequence[_Part]) -> set[FailureReason]:
        """Asks for the outputs of all parts at once. Returns why some are missing."""
        calls = [self._begin(endpoint, part) for part in parts]
        reasons = set()
        for part, call in zip(parts, calls, strict=True):
            try:
                self._read(endpoint, part, call)
            except Failure as failure:
                self._figures.failed(failure.reason, str(failure))
                reasons.add(failure.reason)
        return reasons

    def _exclude(self, endpoint: Endpoint) -> None:
        endpoint.exclude(time.monotonic() + self._pause_s)
        # The others may be gone for the same reason. They are checked now, not at the next call of each.
        for other in self._endpoints:
            other.changed.set()

    def _begin(self, endpoint: Endpoint, part: _Part) -> Call:
        request = request_of(self._models.name(part.network), self._models.version, part.pictures)
        self._figures.sent(part.pictures.nbytes)
        return endpoint.infer(request, self._deadline_s)

    def _read(self, endpoint: Endpoint, part: _Part, call: Call) -> None:
        """Waits for the outputs of a part. Raises Failure."""
        response = endpoint.answer(call)
        duration_s = time.monotonic() - call.started_s
        try:
            part.outputs = outputs_of(response, len(part.pictures), self._shapes[part.network])
        except InvalidAnswer as error:
            raise Failure(
                FailureReason.INVALID_ANSWER,
                f"{endpoint.address}: {self._models.name(part.network)}: {error}",
            ) from None
        received = sum(map(len, response.raw_output_contents))
        self._figures.answered(len(part.pictures), received, duration_s)

    def _may_send(self, parts: Sequence[_Part]) -> bool:
        if self._allowance is None:
            return True
        may = self._allowance.take(self._clock(), sum(part.pictures.nbytes for part in parts))
        if not may:
            self._figures.over_limit(sum(len(part.pictures) for part in parts))
        return may

    def _check(self, endpoint: Endpoint) -> None:
        names = [(self._models.name(network), self._models.version) for network in self._local.names]
        endpoint.check_ready(names, self._deadline_s)


def _joined(parts: Sequence[Outputs]) -> Outputs:
    """The outputs of a network's parts. Several parts are of crops, whose networks end alike here and on a server."""
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
