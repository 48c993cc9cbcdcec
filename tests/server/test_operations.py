"""Health, status, metrics, stills over gRPC and HTTP."""

from __future__ import annotations

import aiohttp
import cv2
import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from gifcue.client import ReactionClient
from gifcue.client.exceptions import InvalidRequest
from gifcue.errors import ConfigError
from gifcue.server.config import Settings
from gifcue.server.lifecycle import Server
from gifcue.server.reactions import REACTION_SERVICE
from tests.support.colour_detector import GREEN, TARGET, colour_frames

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def server(shared_server: Server) -> Server:
    return shared_server


@pytest.fixture
def client(shared_client: ReactionClient) -> ReactionClient:
    return shared_client


@pytest.fixture
def operator(shared_operator: ReactionClient) -> ReactionClient:
    return shared_operator


def still(extension: str) -> bytes:
    frame = next(colour_frames(GREEN, 1))
    return cv2.imencode(extension, cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))[1].tobytes()


@pytest.mark.parametrize("extension", [".jpg", ".png"])
async def test_a_still_is_annotated(client: ReactionClient, extension: str) -> None:
    annotated = await client.annotate(still(extension))
    assert [each.label for each in annotated.annotations] == ["hand", "thumbs_up"]
    assert (annotated.width, annotated.height) == (320, 180)


@pytest.mark.parametrize(
    "image", [b"", b"not a picture", bytes(2 * 1024 * 1024 + 1)], ids=["0 bytes", "text", "large"]
)
async def test_data_that_is_not_a_still_is_refused(client: ReactionClient, image: bytes) -> None:
    with pytest.raises(InvalidRequest, match="expected"):
        await client.annotate(image)


async def post(server: Server, data: aiohttp.FormData | bytes) -> tuple[int, object]:
    url = f"http://127.0.0.1:{server.http_port}/annotations"
    async with aiohttp.ClientSession() as session, session.post(url, data=data) as response:
        return response.status, await response.json()


def form(image: bytes, field: str = "img") -> aiohttp.FormData:
    data = aiohttp.FormData()
    data.add_field(field, image, filename="image.jpg")
    return data


async def test_annotations_over_http_are_what_old_clients_expect(server: Server) -> None:
    assert await post(server, form(still(".jpg"))) == (
        200,
        [{"Label": "hand", "Probability": 0.97}, {"Label": "thumbs_up", "Probability": 0.97}],
    )


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (lambda: form(b"just text"), "expected a JPEG or PNG"),
        (lambda: form(still(".jpg"), "image"), "expected a field `img`"),
        (lambda: b"raw", "expected multipart/form-data"),
    ],
)
async def test_invalid_posts_get_400_with_a_reason(server: Server, data: object, words: str) -> None:
    status, answer = await post(server, data())  # type: ignore[operator]
    assert status == 400
    assert words in answer["error"]  # type: ignore[index]


async def test_probes_and_metrics(server: Server, operator: ReactionClient) -> None:
    base = f"http://127.0.0.1:{server.http_port}"
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{base}/readyz") as response:
            assert (response.status, await response.json()) == (200, {"status": "serving"})
        async with session.get(f"http://127.0.0.1:{server.operator_http_port}/metrics") as response:
            text = await response.text()
        # Nothing of the operators' is on the main port.
        async with session.get(f"{base}/metrics") as response:
            assert response.status == 404
        async with session.get(f"{base}/gifs/smile_1.gif") as response:
            assert (await response.read()).startswith(b"GIF89a")
    assert 'gifcue_worker_up{worker="detect-0"} 1.0' in text
    assert "gifcue_frames_received_total 0.0" in text
    assert "gifcue_holding_dropped_total 0.0" in text
    assert (await operator.metrics()).splitlines()[0] == text.splitlines()[0]


async def test_status_has_the_model_and_the_workers(operator: ReactionClient) -> None:
    status = await operator.status()
    assert status.model is not None
    assert status.model.version == "1"
    assert {each.name: each.state for each in status.workers} == {
        "decode-0": "ready",
        "detect-0": "ready",
        "still-0": "ready",
    }


async def test_health_and_reflection(settings: Settings) -> None:
    async with (
        Server(settings, detector_target=TARGET) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.listen_port}") as channel,
    ):
        health = health_pb2_grpc.HealthStub(channel)
        watch = health.Watch(health_pb2.HealthCheckRequest(service=REACTION_SERVICE))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        await server.stop()
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING


async def test_reflection_names_the_services(server: Server) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.operator_port}") as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        call = stub.ServerReflectionInfo(
            iter([reflection_pb2.ServerReflectionRequest(file_containing_symbol=REACTION_SERVICE)])
        )
        answer = await call.read()
    names = [
        FileDescriptorProto.FromString(each).name
        for each in answer.file_descriptor_response.file_descriptor_proto
    ]
    assert "gifcue/v1/reaction_service.proto" in names


async def test_an_address_that_is_taken_is_named(server: Server, settings: Settings) -> None:
    taken = settings.server.model_copy(update={"listen": f"127.0.0.1:{server.listen_port}"})
    with pytest.raises(ConfigError, match=r"server\.listen: expected a free address"):
        await Server(settings.model_copy(update={"server": taken}), detector_target=TARGET).start()
