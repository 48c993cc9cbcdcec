"""The pool of a server whose inference servers come and go: a real detector worker, a fake inference server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import numpy as np
import pytest

from gifcue.detect import Region, open_detector
from gifcue.detect.litert import LiteRtNetworks
from gifcue.detect.messages import InlinePicture
from gifcue.detect.metadata import Metadata, read_metadata
from gifcue.detect.pool import DetectorPool
from gifcue.detect.settings import DetectSettings, default_model_dir
from gifcue.triton.models import version_of
from gifcue.workers.arena import Arena
from gifcue.workers.settings import SupervisionSettings
from tests.support.fake_inference import FakeInferenceServer
from tests.support.waiting import until

data = pytest.importorskip("skimage.data")


@pytest.fixture(scope="module")
def metadata() -> Metadata:
    return read_metadata(default_model_dir(), "litert", "int8")


@pytest.fixture
def server(metadata: Metadata) -> Iterator[FakeInferenceServer]:
    """Runs gifcue's own networks. It listens, and has ended, once the test begins."""
    networks = LiteRtNetworks(metadata, 1)
    each = FakeInferenceServer(
        lambda network, pictures: networks.run({network: pictures})[network], version_of(metadata.info.sha256)
    ).start()
    each.stop()
    yield each
    each.stop()


@pytest.fixture
async def pool(server: FakeInferenceServer) -> AsyncIterator[DetectorPool]:
    arena, stills = (Arena.create(ranges=1, slots_per_range=1, slot_bytes=12) for _ in range(2))
    # A busy machine must not make a sound call late.
    triton = {"endpoints": [server.address], "insecure": True, "deadline_ms": 400, "probe_interval_s": 0.1}
    pool = DetectorPool(
        DetectSettings.model_validate({"backend": "triton", "workers": 1, "triton": triton}),
        arena,
        SupervisionSettings(),
        on_detected=lambda *_: None,
        on_lost=lambda *_: None,
        target="gifcue.triton.worker:main",
        stills=stills,
    )
    await pool.start()
    yield pool
    await pool.stop()
    arena.close()
    stills.close()


async def annotate(pool: DetectorPool, picture: np.ndarray) -> list[Region]:
    return await pool.annotate(InlinePicture(picture.tobytes(), picture.shape[1], picture.shape[0]))


def found(regions: list[Region]) -> list[object]:
    return [(region.kind, region.box, region.score, region.attributes) for region in regions]


async def test_pictures_are_analysed_alike_without_servers_and_with_them(
    pool: DetectorPool, server: FakeInferenceServer
) -> None:
    def backend() -> str:
        assert pool.info is not None
        return pool.info.backend

    picture = np.ascontiguousarray(data.astronaut()[:256, :320])
    expected = found(open_detector(DetectSettings().detector()).detect([picture])[0])
    assert expected

    # The server starts without any, and says so.
    assert found(await annotate(pool, picture)) == expected
    await until(lambda: backend() == "litert")
    figures = pool.statistics().remote
    assert figures is not None
    assert (figures.is_fallback, figures.fallbacks, figures.remote_pictures) == (True, 1, 0)
    assert figures.failures["unreachable"] > 0

    server.start()
    await until(lambda: backend() == "triton")
    calls = server.calls
    assert found(await annotate(pool, picture)) == expected
    # The detector network, and a crop network.
    assert server.calls >= calls + 2

    server.stop()
    assert found(await annotate(pool, picture)) == expected
    await until(lambda: backend() == "litert")
