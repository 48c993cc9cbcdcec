"""A server that takes as many participants as its machine carries."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from gifcue.client import ReactionClient
from gifcue.errors import ConfigError
from gifcue.protocol.codecs import Codec
from gifcue.sample_video.clips import write as write_clip
from gifcue.server.capacity import auto
from gifcue.server.capacity.measure import _alone, measure
from gifcue.server.capacity.record import about, key_of, read, write
from gifcue.server.config import Settings, load_settings
from gifcue.server.lifecycle import Server
from gifcue.server.settings import ServerSettings
from tests.server.capacity.test_record import FIGURE
from tests.support.colour_detector import RED, TARGET, colour_frames


def automatic(path: Path, **tables: Any) -> Settings:
    server = dict.fromkeys(
        ("listen", "http_listen", "operator_listen", "operator_http_listen"), "127.0.0.1:0"
    )
    return load_settings(
        None,
        {
            "server": server,
            "limits": {"max_participants": "auto", "capacity_file": str(path)},
            "media": {"workers": 1},
            "detect": {"workers": 1},
            **tables,
        },
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "capacity.json"


async def test_the_figure_of_the_file_is_the_limit_in_status_and_metrics(path: Path) -> None:
    settings = automatic(path)
    write(path, about(settings), FIGURE)
    async with (
        Server(settings, detector_target=TARGET) as server,
        ReactionClient(f"127.0.0.1:{server.operator_port}") as operator,
    ):
        status = await operator.status()
        assert status.capacity.max_participants == status.limits.max_participants == FIGURE.participants
        text = await operator.metrics()
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert values["gifcue_participants_max"] == values["gifcue_capacity_measured_participants"] == "54.0"
    assert values["gifcue_capacity_used_ratio"] == "0.0"


async def test_without_a_figure_it_is_measured_once_and_kept(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[Settings] = []

    async def fixed(settings: Settings) -> Any:
        measured.append(settings)
        return FIGURE

    monkeypatch.setattr(auto, "_measure", fixed)
    settings = automatic(path)
    assert await auto.find(settings) == FIGURE
    assert await auto.find(settings) == FIGURE
    assert len(measured) == 1
    assert read(path, key_of(about(settings))) == FIGURE


async def test_a_file_that_cannot_be_written_does_not_keep_the_server_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fixed(settings: Settings) -> Any:
        return FIGURE

    monkeypatch.setattr(auto, "_measure", fixed)
    (tmp_path / "file").write_text("")
    assert await auto.find(automatic(tmp_path / "file" / "capacity.json")) == FIGURE


async def test_a_measurement_that_fails_says_so_and_what_to_do(path: Path) -> None:
    # The process of the measurement refuses the model before it starts anything.
    settings = automatic(path, detect={"workers": 1, "model_dir": str(path.parent)})
    with pytest.raises(ConfigError, match=r'limits.max_participants: .*"auto", could not: .*Set a number'):
        await auto.find(settings)


async def test_the_capacity_of_shared_inference_servers_is_not_measured(path: Path) -> None:
    triton = {"endpoints": ["127.0.0.1:9"], "insecure": True}
    settings = automatic(path, detect={"workers": 1, "backend": "triton", "triton": triton})
    write(path, about(settings), FIGURE)
    with pytest.raises(ConfigError, match=r'expected a number with detect.backend = "triton".*Set a number'):
        async with Server(settings, detector_target=TARGET):
            pass


@pytest.mark.parametrize("content", [b"", b"no video", None])
def test_a_clip_that_is_no_video_is_refused_before_anything_is_started(
    path: Path, content: bytes | None
) -> None:
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match="expected a video file"):
        asyncio.run(measure(automatic(path), clip=path))


async def test_a_real_measurement_carries_a_few_participants(path: Path) -> None:
    # The whole of it with a real server, real video and a simple detector, in runs of a fraction of their length.
    lines: list[str] = []
    # A server with these could not start: WHIP needs HTTP, and the measurement has none.
    settings = automatic(
        path,
        server=ServerSettings().model_dump(),
        whip={"listen": "127.0.0.1:0"},
        tracing={"endpoint": "http://127.0.0.1:9/v1/traces"},
    )
    assert _alone(settings, 10.0).tracing.endpoint is None
    clip = write_clip(
        colour_frames(RED, 30), path.with_suffix(".mp4"), Codec.H264, 10.0, keyframe_interval=10
    )
    found = await measure(
        settings, clip=clip, report=lines.append, time_share=0.1, most=2, detector_target=TARGET
    )
    assert (found.width, found.height, found.fps) == (320, 180, 10.0)
    assert 1 <= found.participants <= 2
    assert lines[0].startswith("2 participants: p95 ")
    assert json.loads(json.dumps(lines))
