"""Calls of inference servers over real gRPC: what is used, what is asked again, and what is computed here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import numpy as np
import pytest

from gifcue.bucket import TokenBucket
from gifcue.detect.messages import FailureReason
from gifcue.detect.triton_settings import TritonSettings
from gifcue.triton.endpoint import Endpoint, open_endpoints
from gifcue.triton.models import MAX_BATCH, Models, version_of
from gifcue.triton.networks import RemoteNetworks
from gifcue.triton.tensors import largest_answer_bytes
from tests.support.fake_inference import Answer, FakeInferenceServer

SHAPES: dict[str, dict[str, tuple[int, ...]]] = {
    "detector": {"heat": (2, 2, 2), "reach": (2, 2, 8)},
    "face": {"landmarks": (5, 2), "presence": (1,)},
    "hand": {"landmarks": (21, 3), "presence": (1,)},
}
HERE, THERE = 1.0, 2.0
MODELS = Models.of("gifcue", "ab" * 32)
DEADLINE_S = 5.0


def outputs(network: str, pictures: Any, value: float) -> dict[str, Any]:
    """Outputs that tell who computed them: `value` plus a thousandth of the first byte of each picture."""
    first = pictures.reshape(len(pictures), -1)[:, 0].astype(np.float32) / 1000
    return {
        name: np.broadcast_to((value + first).reshape(-1, *[1] * len(shape)), (len(pictures), *shape)).astype(
            np.float32
        )
        for name, shape in SHAPES[network].items()
    }


class Local:
    """Stands for the networks of the worker itself."""

    class Network:
        input_shape = (1, 2, 2, 3)

        def __init__(self, name: str) -> None:
            self.output_shapes = SHAPES[name]

    names = tuple(SHAPES)

    def __getitem__(self, name: str) -> Network:
        return self.Network(name)

    def run(self, inputs: Any) -> Any:
        return {name: outputs(name, pictures, HERE) for name, pictures in inputs.items()}

    def warm(self) -> None: ...

    def close(self) -> None: ...


def server() -> FakeInferenceServer:
    return FakeInferenceServer(
        lambda network, pictures: outputs(network, pictures, THERE), MODELS.version
    ).start()


@pytest.fixture
def first() -> Iterator[FakeInferenceServer]:
    each = server()
    yield each
    each.stop()


@pytest.fixture
def second() -> Iterator[FakeInferenceServer]:
    each = server()
    yield each
    each.stop()


class Kit:
    """Networks on endpoints that a test probes itself: no thread, no pause."""

    def __init__(self, *servers: FakeInferenceServer, deadline_s: float = DEADLINE_S, **named: Any) -> None:
        settings = TritonSettings(
            endpoints=tuple(each.address for each in servers), **named.pop("settings", {"insecure": True})
        )
        self.endpoints = open_endpoints(settings, largest_answer_bytes(SHAPES))
        local: Any = Local()
        self.networks = RemoteNetworks(
            self.endpoints,
            named.pop("models", MODELS),
            local,
            deadline_s=deadline_s,
            probe_interval_s=0.0,
            **named,
        )
        self.look()

    def look(self) -> None:
        for endpoint in self.endpoints:
            self.networks.prober.look(endpoint)

    @property
    def usable(self) -> list[bool]:
        return [endpoint.is_usable for endpoint in self.endpoints]

    def run(self, count: int = 1, network: str = "detector") -> list[float]:
        """Runs a network on pictures whose first byte is their number; returns what tells who computed each."""
        pictures = np.zeros((count, 2, 2, 3), np.uint8)
        pictures[:, 0, 0, 0] = np.arange(count)
        found = self.networks.run({network: pictures})[network]
        values = found["presence" if "presence" in found else "heat"].reshape(count, -1)[:, 0]
        assert np.allclose(values % 1, np.arange(count) / 1000, atol=1e-6), "each picture has its own outputs"
        return [float(math.floor(value)) for value in values]

    def failures(self) -> dict[FailureReason, int]:
        return dict(self.networks.report().failures)


@pytest.fixture
def open_kit() -> Iterator[Callable[..., Kit]]:
    kits: list[Kit] = []

    def make(*servers: FakeInferenceServer, **named: Any) -> Kit:
        kits.append(Kit(*servers, **named))
        return kits[-1]

    yield make
    for kit in kits:
        kit.networks.close()


def test_networks_run_on_the_server_and_every_call_is_counted(first, open_kit) -> None:
    kit = open_kit(first)
    kit.networks.report()
    inputs: Any = {name: np.zeros((3, 2, 2, 3), np.uint8) for name in ("face", "hand")}
    found = kit.networks.run(inputs)
    assert {name: set(values) for name, values in found.items()} == {
        name: set(SHAPES[name]) for name in ("face", "hand")
    }
    report = kit.networks.report()
    assert (report.endpoints, report.usable, report.calls, report.failures) == (1, 1, 2, {})
    assert (report.remote_pictures, report.local_pictures, sum(report.durations)) == (6, 0, 2)
    assert (report.sent_bytes, report.received_bytes) == (2 * 36, 3 * 4 * (11 + 64))
    assert kit.networks.report().calls == 0


def test_pictures_beyond_one_call_go_into_several_and_keep_their_order(first, open_kit) -> None:
    kit = open_kit(first)
    first.sizes.clear()
    assert kit.run(2 * MAX_BATCH + 3, "hand") == [THERE] * (2 * MAX_BATCH + 3)
    assert sorted(first.sizes) == [3, MAX_BATCH, MAX_BATCH]


def test_endpoints_take_turns(first, second, open_kit) -> None:
    kit = open_kit(first, second)
    first.sizes.clear()
    second.sizes.clear()
    for _ in range(6):
        kit.run()
    assert (first.calls, second.calls) == (3, 3)


def fill(value: float) -> Callable[[Answer], Answer]:
    def change(answer: Answer) -> Answer:
        for index, content in enumerate(answer.raw_output_contents):
            answer.raw_output_contents[index] = np.full(len(content) // 4, value, "<f4").tobytes()
        return answer

    return change


def reshape(answer: Answer) -> Answer:
    answer.outputs[0].shape[1] += 1
    return answer


def retype(answer: Answer) -> Answer:
    answer.outputs[0].datatype = "INT32"
    return answer


def shorten(answer: Answer) -> Answer:
    answer.raw_output_contents[0] = answer.raw_output_contents[0][:-4]
    return answer


def omit(answer: Answer) -> Answer:
    del answer.outputs[0], answer.raw_output_contents[0]
    return answer


def unpair(answer: Answer) -> Answer:
    del answer.raw_output_contents[0]
    return answer


def inflate(answer: Answer) -> Answer:
    answer.raw_output_contents[0] = bytes(64 * 1024 * 1024)
    return answer


def flood(answer: Answer) -> Answer:
    answer.outputs.extend(Answer.InferOutputTensor(name=str(number)) for number in range(1000))
    return answer


GARBAGE = {
    "another shape": reshape,
    "another type": retype,
    "too few bytes": shorten,
    "an output missing": omit,
    "contents missing": unpair,
    "NaN": fill(math.nan),
    "infinite": fill(math.inf),
    "numbers that no network computes": fill(1e6),
    "longer than any answer": inflate,
    "a thousand outputs": flood,
    "nothing": lambda _: Answer(),
}


@pytest.mark.parametrize("change", GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_not_used_and_the_endpoint_is_left_until_it_answers_soundly(
    first, open_kit, change
) -> None:
    kit = open_kit(first)
    first.change = change
    assert kit.run() == [HERE]
    report = kit.networks.report()
    assert report.failures == {FailureReason.INVALID_ANSWER: 1}
    assert first.address in report.last_failure
    assert kit.usable == [False]
    kit.look()
    assert kit.usable == [False], "a server that is ready but answers garbage is not taken back"
    first.change = lambda answer: answer
    kit.look()
    assert kit.run() == [THERE]


def test_the_float_detector_of_a_server_may_end_with_scores(first, open_kit) -> None:
    kit = open_kit(first)

    def rename(answer: Answer) -> Answer:
        for output in answer.outputs:
            output.name = {"heat": "scores", "reach": "sides"}[output.name]
        return answer

    first.change = rename
    found = kit.networks.run({"detector": np.zeros((1, 2, 2, 3), np.uint8)})["detector"]
    assert set(found) == {"scores", "sides"}


def test_an_endpoint_that_fails_is_left_and_the_call_goes_to_another(first, second, open_kit) -> None:
    kit = open_kit(first, second)
    first.status = grpc.StatusCode.INTERNAL
    assert [kit.run() for _ in range(4)] == [[THERE]] * 4
    assert kit.failures() == {FailureReason.REFUSED: 1}
    assert kit.usable == [False, True]


def test_what_no_server_answers_in_time_is_computed_here(first, second, open_kit) -> None:
    kit = open_kit(first, second, deadline_s=0.1)
    for each in (first, second):
        each.hang()
    assert kit.run(3) == [HERE] * 3
    report = kit.networks.report()
    assert report.failures == {FailureReason.DEADLINE: 2}
    assert (report.usable, report.local_pictures) == (0, 3)
    calls = first.calls + second.calls
    assert kit.run() == [HERE]
    assert first.calls + second.calls == calls, "nobody waits for them again"


def test_a_server_that_is_gone_is_used_again_when_it_is_back(first, open_kit) -> None:
    kit = open_kit(first)
    first.stop()
    assert kit.run() == [HERE]
    assert set(kit.failures()) == {FailureReason.UNREACHABLE}
    kit.look()
    assert kit.usable == [False]
    first.start()
    for _ in range(200):
        kit.look()
        if kit.usable == [True]:
            break
        # The channel connects again after a pause of its own.
        grpc.channel_ready_future(kit.endpoints[0].channel).result(timeout=60)
    assert kit.run() == [THERE]


def test_a_server_that_is_lost_while_idle_is_noticed(first, open_kit) -> None:
    kit = open_kit(first)
    first.is_ready = False
    kit.look()
    assert kit.usable == [False]
    assert kit.failures() == {FailureReason.REFUSED: 1}


def test_a_server_with_another_model_is_not_used(first, open_kit) -> None:
    kit = open_kit(first, models=Models.of("gifcue", "cd" * 32))
    assert kit.usable == [False]
    assert kit.run() == [HERE]
    report = kit.networks.report()
    assert "expected models of version" in report.last_failure
    assert report.failures == {FailureReason.REFUSED: 1}


def test_what_exceeds_the_bandwidth_is_computed_here(first, open_kit) -> None:
    kit = open_kit(first, allowance=TokenBucket(12.0, 24.0), clock=lambda: 0.0)
    kit.networks.report()
    assert [kit.run() for _ in range(3)] == [[THERE], [THERE], [HERE]]
    report = kit.networks.report()
    assert (report.local_pictures, report.over_limit, report.failures) == (1, 1, {})
    assert kit.usable == [True]


def test_calls_are_encrypted_and_a_server_of_another_authority_is_not_used(tmp_path, open_kit) -> None:
    import trustme

    ours, theirs = trustme.CA(), trustme.CA()
    ca = tmp_path / "ca.pem"
    ours.cert_pem.write_to_path(str(ca))
    for authority, expected in ((ours, [True]), (theirs, [False])):
        certificate = authority.issue_cert("localhost")
        pair = (certificate.private_key_pem.bytes(), certificate.cert_chain_pems[0].bytes())
        each = FakeInferenceServer(
            lambda network, pictures: outputs(network, pictures, THERE),
            MODELS.version,
            grpc.ssl_server_credentials([pair]),
        ).start()
        kit = open_kit(each, settings={"tls_ca": ca})
        assert kit.usable == expected
        each.stop()


def test_threads_look_at_every_endpoint_before_the_first_picture(first, second, open_kit) -> None:
    second.is_ready = False
    kit = open_kit(first, second)
    for endpoint in kit.endpoints:
        endpoint.is_usable = False
    kit.networks.warm()
    assert all(endpoint.was_probed.wait(60.0) for endpoint in kit.endpoints)
    assert kit.usable == [True, False]


def test_versions_are_numbers_that_triton_reads() -> None:
    assert version_of("0" * 64) == "1"
    assert 0 < int(version_of("f" * 64)) < 2**63
    assert version_of("ab" * 32) != version_of("cd" * 32)


def test_an_endpoint_out_of_use_is_not_asked_before_its_time(first, open_kit) -> None:
    kit = open_kit(first)
    endpoint: Endpoint = kit.endpoints[0]
    endpoint.exclude(math.inf)
    kit.look()
    assert kit.usable == [False]
