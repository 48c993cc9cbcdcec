from __future__ import annotations

import pytest

from gifcue.client import ReactionClient
from gifcue.client.exceptions import ClientError, InvalidRequest, ServerUnavailable
from gifcue.client.options import TlsOptions
from gifcue.testing import FakeServer


async def test_status_metrics_and_health(client: ReactionClient) -> None:
    status = await client.status()
    assert status.state == "serving"
    assert status.model is not None
    assert status.model.version == "fake-1"
    assert status.frames.is_consistent
    assert [worker.name for worker in status.workers] == ["decode-0"]
    assert status.reactions == {"smile": 1}
    assert (await client.metrics()).startswith("gifcue_frames_received_total")
    assert await client.health() == "SERVING"


async def test_annotate(client: ReactionClient) -> None:
    image = await client.annotate(b"\xff\xd8 a picture")
    assert [found.label for found in image.annotations] == ["smile", "face"]
    assert (image.width, image.height) == (640, 360)
    assert len((await client.annotate(b"\xff\xd8", min_score=0.9)).annotations) == 1
    with pytest.raises(InvalidRequest, match="expected a JPEG or PNG"):
        await client.annotate(b"text")


async def test_no_server_is_unavailable() -> None:
    async with FakeServer() as gone:
        target = gone.target
    async with ReactionClient(target) as client:
        with pytest.raises(ServerUnavailable) as caught:
            await client.status()
        assert caught.value.retryable


async def test_a_client_must_be_entered_and_have_a_target() -> None:
    with pytest.raises(ClientError, match="entered client"):
        await ReactionClient("localhost:1").status()
    with pytest.raises(ClientError, match="expected an address"):
        ReactionClient("")


def test_tls_needs_the_chain_and_the_key_together() -> None:
    with pytest.raises(ClientError, match="together"):
        TlsOptions(certificate_chain=b"x")
