from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

from gifcue.client import ReactionClient
from gifcue.errors import Unavailable
from gifcue.ingest.opening import SourceError
from gifcue.protocol.phases import Phase
from gifcue.sample_video.clips import write
from gifcue.sample_video.photo import photo_frames
from gifcue.testing import FakeServer
from gifcue_lab.evaluation.clips.streaming import run_clips
from gifcue_lab.evaluation.clips.truth import Clip

MakeClip = Callable[[str], Clip]


@pytest.fixture
def make_clip(tmp_path: Path) -> MakeClip:
    def make(name: str) -> Clip:
        return Clip(name, write(photo_frames(2.0, 10.0, 320, 180), tmp_path / name, fps=10))

    return make


async def test_every_clip_is_a_participant_alone_in_its_room(make_clip: MakeClip) -> None:
    streamed: list[float] = []
    clips = [make_clip("a.mp4"), make_clip("b.mp4")]
    async with FakeServer() as server, ReactionClient(server.target) as client:
        done = await run_clips(client, clips, at_once=2, on_progress=streamed.append, preset="careful")
        configs = [stream.requests[0].config for stream in server.service.streams]
    assert len({config.room_id for config in configs}) == 2
    assert {config.preset for config in configs} == {"careful"}
    assert sum(streamed) == pytest.approx(2 * 1.9)  # to the last frame of both
    assert [run.name for run in done] == ["a.mp4", "b.mp4"]
    for run in done:
        assert run.seconds == pytest.approx(2.0)
        assert (run.counts.received, run.counts.accounted) == (20, 20)
        assert [event.phase for event in run.events] == [Phase.HOLDING, Phase.STARTED, Phase.ENDED]
        assert run.started[0].at_s == 0.0


async def test_a_lost_connection_is_an_error(make_clip: MakeClip) -> None:
    async with FakeServer() as server, ReactionClient(server.target) as client:

        async def break_off() -> None:
            stream = await server.service.stream(0)
            await stream.until(lambda each: len(each.frames) >= 3)
            stream.end(grpc.StatusCode.UNAVAILABLE, "gone")

        breaking = asyncio.create_task(break_off())
        with pytest.raises(Unavailable, match="one connection for a whole clip"):
            await run_clips(client, [make_clip("a.mp4")], at_once=1, on_progress=lambda _: None)
        await breaking


async def test_a_file_that_is_not_a_video_is_named_in_the_error(tmp_path: Path) -> None:
    path = tmp_path / "broken.mp4"
    path.write_bytes(b"no video")
    async with FakeServer() as server, ReactionClient(server.target) as client:
        with pytest.raises(SourceError, match=r"broken\.mp4"):
            await run_clips(client, [Clip("broken.mp4", path)], at_once=1, on_progress=lambda _: None)
