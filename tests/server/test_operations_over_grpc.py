"""What an operator learns of a server and makes it do, over gRPC."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from gifcue.client import (
    Codec,
    Draining,
    Event,
    InvalidRequest,
    ReactionClient,
    ReactionStream,
    ServerUnavailable,
    ServingState,
    StreamOptions,
)
from gifcue.sample_video.clips import encode
from gifcue.server.config import Settings, load_settings
from gifcue.server.lifecycle import Server
from gifcue.server.streams import Streams
from gifcue.v1 import operator_service_pb2 as pb
from tests.support.colour_detector import RED, TARGET, colour_frames
from tests.support.sending import send_in_step
from tests.support.waiting import until


@pytest.fixture
def level() -> Iterator[None]:
    """Restores the log's configuration."""
    before = structlog.get_config()["wrapper_class"]
    yield
    structlog.configure(wrapper_class=before)


@pytest.fixture
async def streams(client: ReactionClient) -> AsyncIterator[list[ReactionStream]]:
    """Ten open streams in rooms with names that nobody may see."""
    async with AsyncExitStack() as stack:
        opened = []
        for number in range(10):
            options = StreamOptions(room_id=f"secret-room-{number}", client_name="secret-client")
            opened.append(await stack.enter_async_context(client.open(options)))
        yield opened


async def told(stream: ReactionStream) -> list[Event]:
    """All events of a stream until the server ends it."""
    return [event async for event in stream.events()]


async def test_the_status_has_what_an_operator_asks_first(
    client: ReactionClient, operator: ReactionClient, settings: Settings
) -> None:
    clip = encode(colour_frames(RED, 15), Codec.H264, 5.0)
    async with client.open(StreamOptions(room_id="weekly")) as stream:
        alice = await stream.join("alice", clip.codec, clip.extradata, allowed_labels=["smile"])
        await send_in_step(stream, alice, clip.packets)
        await stream.join("bob", clip.codec, clip.extradata, allowed_labels=["no such label"])
        await stream.statistics()
        status = await operator.status()
    assert status.state is ServingState.SERVING
    assert status.frames.received == 15
    assert status.frames.is_consistent
    assert status.reactions == {"smile": 1}
    assert status.faults == {"invalid_label": 1}
    assert sum(status.withheld.values()) == 0
    capacity = status.capacity
    assert (capacity.participants, capacity.max_participants) == (2, settings.limits.max_participants)
    assert (capacity.streams, capacity.max_streams) == (1, settings.server.max_streams)
    assert status.limits.max_participants_per_stream == settings.limits.max_participants_per_stream
    assert status.limits.drain_timeout_ms == 10_000
    assert status.analysis_fps == status.max_analysis_fps == settings.media.max_analysis_fps
    assert status.build.version == status.server_version
    assert status.process.rss_bytes > 10_000_000
    assert status.process.cpu_s > 0
    assert not status.drain.refuses_streams
    # Every worker is measured.
    for worker in status.workers:
        assert worker.process is not None
        assert worker.process.rss_bytes > 1_000_000


async def test_keyframe_requests_and_repeated_faults_are_counted(
    client: ReactionClient, operator: ReactionClient
) -> None:
    clip = encode(colour_frames(RED, 6), Codec.H264, 5.0)
    async with client.open() as stream:
        alice = await stream.join("alice", clip.codec, clip.extradata, allowed_labels=["smile"])
        # The first frame is no keyframe, so one is asked for.
        packet = clip.packets[1]
        await alice.send(packet.payload, pts=packet.pts, clock_hz=clip.packets[1].clock_hz, keyframe=False)
        await stream.statistics()
        status = await operator.status()
    assert status.keyframe_requests == 1
    assert status.frames.dropped == {"awaiting_keyframe": 1}


async def test_streams_are_listed_as_figures_without_names(
    server: Server, client: ReactionClient, operator: ReactionClient, streams: list[ReactionStream]
) -> None:
    await streams[3].join("secret-person", Codec.H264, allowed_labels=["smile"])
    await streams[3].statistics()
    page = await operator.streams()
    assert [each.session_id for each in page.streams] == [each.ready.session_id for each in streams]
    assert [each.participants for each in page.streams] == [0, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    assert (page.total, page.next_page_token) == (10, "")
    assert all(each.age_s > 0 and not each.is_moving for each in page.streams)
    assert "secret" not in repr(page)
    assert "secret" not in repr(await operator.status())


async def test_pages_of_streams_join_up_though_a_stream_ends_between_them(
    operator: ReactionClient, streams: list[ReactionStream]
) -> None:
    first = await operator.streams(page_size=4)
    assert first.next_page_token
    await streams[4].close()
    second = await operator.streams(page_size=4, page_token=first.next_page_token)
    third = await operator.streams(page_size=4, page_token=second.next_page_token)
    listed = [each.session_id for page in (first, second, third) for each in page.streams]
    assert listed == [each.ready.session_id for each in streams if each is not streams[4]]
    assert (third.next_page_token, third.total) == ("", 9)


@pytest.mark.parametrize(
    ("size", "token", "says"),
    [
        (101, "", "page_size: expected at most 100, got 101"),
        (0, "x", "page_token: expected"),
        (0, "9" * 30, "page_token: expected"),
    ],
)
async def test_a_wrong_page_is_refused(operator: ReactionClient, size: int, token: str, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        await operator.streams(page_size=size, page_token=token)


async def test_a_share_of_the_streams_moves_and_the_server_goes_on(
    client: ReactionClient, operator: ReactionClient, streams: list[ReactionStream]
) -> None:
    with capture_logs() as logs:
        drained = await operator.drain(0.25, deadline_ms=60_000)
    # A quarter of ten is rounded up.
    assert (drained.streams, drained.remaining, drained.deadline_ms) == (3, 7, 60_000)
    listening = [asyncio.create_task(told(stream)) for stream in streams]
    await until(lambda: sum(task.done() for task in listening) >= 3)
    ended = [task.result() for task in listening if task.done()]
    assert len(ended) == 3
    for events in ended:
        deadlines = [event.deadline_ms for event in events if isinstance(event, Draining)]
        assert len(deadlines) == 1
        assert 0 < deadlines[0] <= 60_000
    status = await operator.status()
    assert (status.state, status.streams) == (ServingState.SERVING, 7)
    assert (status.drain.streams_asked, status.drain.refuses_streams) == (3, False)
    assert status.streams_by_status == {"OK": 3}
    assert await client.health() == "SERVING"
    async with client.open():
        pass
    actions = [each for each in logs if each["event"] == "operator's action"]
    assert [(each["action"], each["share"]) for each in actions] == [("drain", 0.25)]
    for task in listening:
        task.cancel()


async def test_a_whole_drain_refuses_streams_until_resume(
    client: ReactionClient, operator: ReactionClient, streams: list[ReactionStream]
) -> None:
    assert (await operator.drain(1.0)).streams == 10
    for stream in streams:
        assert any(isinstance(event, Draining) for event in await told(stream))
    # Health is up to date when the call is answered.
    assert await client.health() == "NOT_SERVING"
    assert await client.health("gifcue.liveness") == "SERVING"
    status = await operator.status()
    assert (status.state, status.streams, status.drain.refuses_streams) == (ServingState.DRAINING, 0, True)
    with pytest.raises(ServerUnavailable, match="got one that drains"):
        async with client.open():
            pass
    assert await operator.resume()
    assert not await operator.resume()
    assert await client.health() == "SERVING"
    async with client.open():
        pass


async def test_a_stream_that_cannot_finish_ends_at_the_deadline(
    server: Server, client: ReactionClient, operator: ReactionClient
) -> None:
    clip = encode(colour_frames(RED, 2), Codec.H264, 5.0)
    async with client.open() as stream:
        alice = await stream.join("alice", clip.codec, clip.extradata, allowed_labels=["smile"])
        workers = [each for each in server.engine.statistics().workers if each.name.startswith("decode")]
        for worker in workers:
            os.kill(worker.pid, 19)  # SIGSTOP: what is sent now stays in flight
        try:
            packet = clip.packets[0]
            await alice.send(packet.payload, pts=packet.pts, clock_hz=packet.clock_hz, keyframe=True)
            await until(lambda: server.engine.statistics().frames.in_flight == 1)
            assert (await operator.drain(1.0, deadline_ms=50)).deadline_ms == 50
            events = await told(stream)
        finally:
            for worker in workers:
                os.kill(worker.pid, 18)  # SIGCONT
    assert any(isinstance(event, Draining) for event in events)
    await until(lambda: server.engine.statistics().frames.in_flight == 0)
    assert server.engine.statistics().frames.is_consistent
    assert (await operator.status()).drain.streams_moving == 0


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (pb.DrainRequest(share=0), "share: expected a number above 0 and at most 1, got 0"),
        (pb.DrainRequest(share=-0.5), "share: expected"),
        (pb.DrainRequest(share=1.5), "share: expected"),
        (pb.DrainRequest(share=float("nan")), "share: expected"),
        (pb.DrainRequest(share=1, deadline_ms=3_600_001), "deadline_ms: expected at most 3600000"),
        (pb.DrainRequest(share=0.5, exit=True), "exit: expected the share 1 and no deadline_ms"),
        (pb.DrainRequest(share=1, exit=True, deadline_ms=5), "exit: expected the share 1 and no deadline_ms"),
        (pb.DrainRequest(share=1, exit=True), "exit: expected a server that `gifcue serve` runs"),
    ],
    ids=[
        "0",
        "negative",
        "above 1",
        "nan",
        "deadline",
        "part of an exit",
        "exit with a deadline",
        "embedded",
    ],
)
async def test_a_wrong_drain_is_refused_and_changes_nothing(
    operator: ReactionClient, streams: list[ReactionStream], request_: pb.DrainRequest, says: str
) -> None:
    with pytest.raises(InvalidRequest, match=says):
        await operator.drain(request_.share, deadline_ms=request_.deadline_ms, exit=request_.exit)
    status = await operator.status()
    assert (status.streams, status.drain.streams_asked, status.state) == (10, 0, ServingState.SERVING)


def test_shares_are_rounded_up_to_whole_streams(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    class Standing:
        async def drain(self, until_s: float) -> None:
            await asyncio.Event().wait()

    async def asked(open_streams: int, *shares: float) -> list[int]:
        streams = Streams(None, settings.server, lambda: 0.0)  # type: ignore[arg-type]
        monkeypatch.setattr(streams, "_streams", {Standing(): number for number in range(open_streams)})
        counts = [streams.ask_to_move(share, 1.0).streams for share in shares]
        for task in list(streams._moving.values()):
            task.cancel()
        return counts

    assert asyncio.run(asked(100, 0.07)) == [7]
    assert asyncio.run(asked(3, 0.01)) == [1]
    assert asyncio.run(asked(0, 0.5)) == [0]
    # Streams that were asked before do not count.
    assert asyncio.run(asked(10, 0.5, 0.5, 1.0)) == [5, 3, 2]


BOOK = """\
version: 1
gifs: {{a: {{url: /gifs/{gif}, title: t}}}}
rules: [{{label: smile, gifs: [a]}}]
"""


async def test_rules_are_reloaded_at_once_and_mistakes_are_answered(settings: Settings, tmp_path) -> None:
    path = tmp_path / "book.yaml"
    path.write_text(BOOK.format(gif="wave_1.gif"))
    rules = {"rules": {"book": path}}
    configured = load_settings(None, {**settings.model_dump(), **rules})
    # Only the call reads the file.
    own = configured.rules.model_copy(update={"reload_interval_s": 3600.0})
    async with (
        Server(configured.model_copy(update={"rules": own}), detector_target=TARGET) as server,
        ReactionClient(f"127.0.0.1:{server.operator_port}") as operator,
    ):
        before = (await operator.status()).rules
        unchanged = await operator.reload_rules()
        assert (unchanged.changed, unchanged.rules, unchanged.gifs, unchanged.doubtful_lines) == (
            False,
            1,
            1,
            (),
        )
        path.write_text(BOOK.format(gif="none.gif"))
        changed = await operator.reload_rules()
        assert (changed.changed, changed.doubtful_lines) == (True, (2,))
        path.write_text("version: 1\nrules: nonsense\n")
        for _ in range(2):  # also where the same mistakes have been seen before
            with pytest.raises(
                InvalidRequest, match=r"(?s)FAILED_PRECONDITION.*the old one stays in force.*line 2"
            ):
                await operator.reload_rules()
        after = (await operator.status()).rules
        assert (after.reloads, after.refused, after.has_problem) == (1, 1, True)
        assert before.sha256 != after.sha256
        assert len(after.sha256) == 64
        path.unlink()
        with pytest.raises(InvalidRequest, match="No such file"):
            await operator.reload_rules()


async def test_the_default_book_is_not_reloaded(operator: ReactionClient) -> None:
    with pytest.raises(InvalidRequest, match=r"expected rules\.book to name a file"):
        await operator.reload_rules()


@pytest.mark.usefixtures("level")
async def test_the_log_level_changes_while_the_server_runs(operator: ReactionClient) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
    assert await operator.set_log_level("error") == "info"
    assert (await operator.status()).log_level == "error"
    assert not structlog.get_logger().is_enabled_for(logging.WARNING)
    assert await operator.set_log_level("debug") == "error"
    assert structlog.get_logger().is_enabled_for(logging.DEBUG)
    with pytest.raises(InvalidRequest, match="expected one of debug, info, warning, error, got 'loud'"):
        await operator.set_log_level("loud")


def samples_of(text: str) -> dict[str, str]:
    return dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))


async def test_the_same_figures_are_metrics(
    server: Server, operator: ReactionClient, streams: list[ReactionStream], settings: Settings
) -> None:
    await operator.drain(0.2)
    await until(lambda: server.engine.statistics().sessions == 8)
    samples = samples_of(await operator.metrics())
    assert samples["gifcue_streams_asked_to_move_total"] == "2.0"
    assert samples["gifcue_streams_moving"] == "0.0"
    assert float(samples["gifcue_streams_max"]) == settings.server.max_streams
    assert float(samples["gifcue_participants_max"]) == settings.limits.max_participants
    assert samples["gifcue_participants_per_stream_max"] == "4.0"
    assert float(samples["gifcue_participant_fps_max"]) == settings.limits.max_fps
    assert samples['gifcue_state{state="serving"}'] == "1.0"
    assert samples['gifcue_state{state="draining"}'] == "0.0"
    assert any(name.startswith('gifcue_build_info{python="3.') for name in samples)
    assert any(name.startswith('gifcue_model_info{backend="fake",name="colours"') for name in samples)
    assert float(samples["process_resident_memory_bytes"]) > 10_000_000
    assert float(samples["process_cpu_seconds_total"]) > 0
    for worker in ("decode-0", "detect-0", "still-0"):
        assert float(samples[f'gifcue_worker_resident_memory_bytes{{worker="{worker}"}}']) > 1_000_000
        assert f'gifcue_worker_cpu_seconds_total{{worker="{worker}"}}' in samples
    # No label names a person or a room.
    assert not any("secret" in name for name in samples)


async def test_every_metric_is_documented(operator: ReactionClient) -> None:
    documented = (Path(__file__).parents[2] / "deploy/README.md").read_text(encoding="utf-8")
    families = {line.split()[2] for line in (await operator.metrics()).splitlines() if line[:7] == "# TYPE "}
    assert len(families) > 50
    missing = {name for name in families if f"`{name}" not in documented and not name.startswith("process_")}
    assert missing == set()
