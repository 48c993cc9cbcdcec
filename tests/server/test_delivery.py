"""A server delivers chosen GIFs to a receiver that is killed and restarted."""

from __future__ import annotations

from pathlib import Path

import pytest

from gifcue.client import Codec, Phase, Reaction, ReactionClient, StreamOptions
from gifcue.ingest.source import EncodedPacket
from gifcue.sample_video.clips import EncodedClip, encode
from gifcue.server.config import Settings, load_settings
from gifcue.server.lifecycle import Server
from tests.support.colour_detector import GREY, RED, TARGET, colour_frames
from tests.support.deliveries import ROOM, counts, delivered_or_dead, delivery_table
from tests.support.fake_meeting_api import FakeMeetingApi
from tests.support.sending import packets_from, send_in_step, unaccounted
from tests.support.waiting import until

# Without cooldowns, so that every smile is delivered.
BOOK = """
version: 1
defaults: {participant_cooldown_s: 0, room_cooldown_s: 0}
gifs:
  sun: {url: /gifs/sun.gif, title: A sun beams, video_url: "https://media.example.org/sun.mp4"}
rules:
  - {label: smile, gifs: [sun]}
"""
SECONDS_APART = 30.0


@pytest.fixture(scope="module")
def smile_and_rest() -> EncodedClip:
    return encode(iter([*colour_frames(RED, 12), *colour_frames(GREY, 12)]), Codec.H264, 5.0)


def configured(settings: Settings, folder: Path, table: dict[str, object]) -> Settings:
    (folder / "book.yaml").write_text(BOOK)
    return load_settings(
        None,
        {**settings.model_dump(), "rules": {"book": folder / "book.yaml"}, "delivery": table},
    )


@pytest.mark.parametrize("sink", ["eyeson", "webhook"])
async def test_a_receiver_killed_in_the_middle(
    settings: Settings, tmp_path: Path, smile_and_rest: EncodedClip, sink: str
) -> None:
    """One reaction before, one while the receiver holds its answers, one while it is down, one after its restart."""
    async with FakeMeetingApi() as api:
        # Attempts are frequent and none times out, so the result does not depend on the speed of the machine.
        table = delivery_table(
            sink, api.url, backoff_initial_s=0.01, backoff_max_s=0.05, max_age_s=3600.0, timeout_s=120.0
        )
        configuration = configured(settings, tmp_path, table)
        async with Server(configuration, detector_target=TARGET) as server:
            async with (
                ReactionClient(f"127.0.0.1:{server.listen_port}") as client,
                client.open(StreamOptions(room_id=ROOM)) as stream,
            ):
                alice = await stream.join(
                    "alice", smile_and_rest.codec, smile_and_rest.extradata, allowed_labels=["smile"]
                )
                for number in range(4):
                    if number == 1:
                        await until(lambda: counts(server.dispatcher).delivered == 1)
                        api.hold()
                    if number == 2:
                        await api.arrived(2)
                        await api.kill()
                    if number == 3:
                        await until(lambda: counts(server.dispatcher).retries >= 3)
                        await api.start()
                    await send_in_step(stream, alice, packets(smile_and_rest, number))
                statistics = await delivered_or_dead(server.dispatcher)
                async with ReactionClient(f"127.0.0.1:{server.operator_port}") as operator:
                    metrics = await operator.metrics()
                assert unaccounted(await stream.statistics()) == []
                await stream.half_close()
                started = [
                    event.reaction_id
                    async for event in stream.events()
                    if isinstance(event, Reaction) and event.phase is Phase.STARTED
                ]
            assert len(started) == 4
            assert (statistics.submitted, statistics.delivered, statistics.dead) == (4, 3, {"unanswered": 1})
            # It also acted on the unanswered request, and on none twice.
            assert dict(api.acted) == dict.fromkeys(started, 1)
            assert f'gifcue_delivery_delivered_total{{sink="{sink}"}} 3.0' in metrics
            assert f'gifcue_delivery_dead_total{{reason="unanswered",sink="{sink}"}} 1.0' in metrics


async def test_a_receiver_that_never_answers_delays_no_stream(
    settings: Settings, tmp_path: Path, smile_and_rest: EncodedClip
) -> None:
    async with FakeMeetingApi() as api:
        api.hold()
        table = delivery_table("eyeson", api.url, max_queued=1, max_age_s=3600.0, timeout_s=120.0)
        configuration = configured(settings, tmp_path, table)
        without_drain = configuration.server.model_copy(update={"drain_timeout_s": 0.0})
        configuration = configuration.model_copy(update={"server": without_drain})
        async with Server(configuration, detector_target=TARGET) as server:
            async with (
                ReactionClient(f"127.0.0.1:{server.listen_port}") as client,
                client.open(StreamOptions(room_id=ROOM)) as stream,
            ):
                alice = await stream.join(
                    "alice", smile_and_rest.codec, smile_and_rest.extradata, allowed_labels=["smile"]
                )
                for number in range(3):
                    await send_in_step(stream, alice, packets(smile_and_rest, number))
                await stream.half_close()
                phases = [event.phase async for event in stream.events() if isinstance(event, Reaction)]
            assert phases == [Phase.STARTED, Phase.ENDED] * 3
            await api.arrived(1)
            assert (counts(server.dispatcher).queued, counts(server.dispatcher).dead) == (
                1,
                {"queue_full": 2},
            )
        assert counts(server.dispatcher).dead == {"queue_full": 2, "unanswered": 1}


def packets(clip: EncodedClip, number: int) -> list[EncodedPacket]:
    """The clip as if recorded `number` times `SECONDS_APART` later."""
    return packets_from(clip, number * SECONDS_APART)
