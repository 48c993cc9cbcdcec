"""One inference server: calls, and whether it can be used."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from gifcue.detect.messages import FailureReason
from gifcue.detect.triton_settings import TritonSettings
from gifcue.errors import ConfigError
from gifcue.triton.v2 import inference_pb2, inference_pb2_grpc

# An endpoint that is back is found within a second: gRPC itself would wait for up to two minutes.
_MIN_RECONNECT_MS, _MAX_RECONNECT_MS = 200, 1000
# RESOURCE_EXHAUSTED and INTERNAL are also what gRPC itself says of an answer that it does not take.
_OF_THE_ANSWER = ("larger than max", "deserializing")


class Failure(Exception):
    """A call gave nothing that can be used."""

    def __init__(self, reason: FailureReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Call:
    """A call under way."""

    future: Any
    started_s: float


@dataclass(eq=False, slots=True)
class Endpoint:
    """The state of a server as this worker sees it. Calls come from the worker's thread, checks from the prober's.

    `is_usable` is written by both: each assignment is atomic, and the worst that a race does is one call to a server
    that has just failed. `changed` wakes the prober.
    """

    address: str
    channel: Any
    stub: Any
    is_usable: bool = False
    tried_again_s: float = 0.0
    was_probed: threading.Event = field(default_factory=threading.Event)
    changed: threading.Event = field(default_factory=threading.Event)

    def infer(self, request: inference_pb2.ModelInferRequest, deadline_s: float) -> Call:
        """Begins a call."""
        return Call(self.stub.ModelInfer.future(request, timeout=deadline_s), time.monotonic())

    def answer(self, call: Call) -> inference_pb2.ModelInferResponse:
        """Waits for a call. Raises Failure."""
        response: inference_pb2.ModelInferResponse = self._result(call.future.result)
        return response

    def check_ready(self, models: list[tuple[str, str]], deadline_s: float) -> None:
        """Asks whether the server and these models, by name and version, can be used. Raises Failure."""
        answers = [self.stub.ServerReady.future(inference_pb2.ServerReadyRequest(), timeout=deadline_s)]
        answers += [
            self.stub.ModelReady.future(
                inference_pb2.ModelReadyRequest(name=name, version=version), timeout=deadline_s
            )
            for name, version in models
        ]
        ready = [self._result(answer.result).ready for answer in answers]
        if not all(ready):
            missing = [name for (name, _), is_ready in zip(models, ready[1:], strict=True) if not is_ready]
            raise Failure(
                FailureReason.REFUSED,
                f"{self.address}: expected models of version {models[0][1]} that are ready, got none of "
                f"{', '.join(missing) or 'them'}",
            )

    def exclude(self, until_s: float) -> None:
        """Takes the endpoint out of use, and lets the prober look at once."""
        self.is_usable = False
        self.tried_again_s = until_s
        self.changed.set()

    def close(self) -> None:
        self.channel.close()

    def _result(self, wait: Callable[[], Any]) -> Any:
        try:
            return wait()
        except grpc.RpcError as error:
            raise _failure(self.address, error) from None
        except grpc.FutureCancelledError:
            raise Failure(FailureReason.DEADLINE, f"{self.address}: the call was cancelled") from None


def open_endpoints(settings: TritonSettings, max_answer_bytes: int) -> list[Endpoint]:
    """The endpoints of the settings, none of them connected yet.

    Raises:
        ConfigError: a file for TLS cannot be read.
    """
    options = [
        ("grpc.max_receive_message_length", max_answer_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.initial_reconnect_backoff_ms", _MIN_RECONNECT_MS),
        ("grpc.min_reconnect_backoff_ms", _MIN_RECONNECT_MS),
        ("grpc.max_reconnect_backoff_ms", _MAX_RECONNECT_MS),
        ("grpc.enable_http_proxy", 0),
        # A name with several addresses: calls take turns.
        ("grpc.lb_policy_name", "round_robin"),
    ]
    credentials = None if settings.insecure else _credentials(settings)
    endpoints = []
    for address in settings.endpoints:
        if credentials is None:
            channel = grpc.insecure_channel(address, options)
        else:
            channel = grpc.secure_channel(address, credentials, options)
        stub = inference_pb2_grpc.GRPCInferenceServiceStub(channel)
        endpoints.append(Endpoint(address, channel, stub))
    return endpoints


def _credentials(settings: TritonSettings) -> Any:
    return grpc.ssl_channel_credentials(
        _read(settings.tls_ca, "tls_ca"),
        _read(settings.tls_key, "tls_key"),
        _read(settings.tls_certificate, "tls_certificate"),
    )


def _read(path: Path | None, name: str) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"detect.triton.{name}: expected a readable file, got {error}") from error


def _failure(address: str, error: Any) -> Failure:
    code, details = error.code(), str(error.details() or "")[:300]
    if code is grpc.StatusCode.UNAVAILABLE:
        reason = FailureReason.UNREACHABLE
    elif code in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED):
        reason = FailureReason.DEADLINE
    elif any(part in details for part in _OF_THE_ANSWER):
        reason = FailureReason.INVALID_ANSWER
    else:
        reason = FailureReason.REFUSED
    return Failure(reason, f"{address}: {code.name} {details}")
