"""What decisions tell of a frame, and dismissed reactions, over gRPC with real workers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from gifcue.client import (
    Codec,
    Event,
    Fault,
    FaultCode,
    FrameDecided,
    Landmark,
    Phase,
    Reaction,
    ReactionClient,
    ReactionStream,
    RegionKind,
    StreamOptions,
)
from gifcue.sample_video.clips import EncodedClip, encode
from gifcue.server.lifecycle import Server
from tests.support.colour_detector import GREEN, GREY, LANDMARKS, RED, colour_frames
from tests.support.sending import packets_from, send_in_step

pytestmark = pytest.mark.asyncio(loop_scope="module")

FPS = 5.0


@pytest.fixture
def server(shared_server: Server) -> Server:
    return shared_server


@pytest.fixture
def client(shared_client: ReactionClient) -> ReactionClient:
    return shared_client


@pytest.fixture
def operator(shared_operator: ReactionClient) -> ReactionClient:
    return shared_operator


@pytest.fixture(scope="module")
def smiling() -> EncodedClip:
    return encode(iter([*colour_frames(GREY, 1), *colour_frames(RED, 12)]), Codec.H264, FPS)


@pytest.fixture(scope="module")
def thumbs() -> EncodedClip:
    return encode(colour_frames(GREEN, 6), Codec.H264, FPS)


async def everything(stream: ReactionStream) -> list[Event]:
    await stream.half_close()
    return [event async for event in stream.events()]


async def decisions(
    client: ReactionClient, clip: EncodedClip, labels: Sequence[str], options: StreamOptions
) -> list[FrameDecided]:
    async with client.open(options) as stream:
        alice = await stream.join("alice", clip.codec, clip.extradata, labels)
        await send_in_step(stream, alice, clip.packets)
        return [event for event in await everything(stream) if isinstance(event, FrameDecided)]


async def test_nothing_is_added_to_decisions_unless_asked_for(
    client: ReactionClient, thumbs: EncodedClip
) -> None:
    made = await decisions(client, thumbs, ["thumbs_up"], StreamOptions(send_decisions=True))
    assert len(made) == len(thumbs.packets)
    assert all(each.regions == () and each.unmet == () for each in made)


@pytest.mark.parametrize(
    "options",
    [StreamOptions(send_detections=True, send_landmarks=True, explain=True), StreamOptions(explain=True)],
)
async def test_details_have_no_effect_without_decisions(
    client: ReactionClient, thumbs: EncodedClip, options: StreamOptions
) -> None:
    assert await decisions(client, thumbs, ["thumbs_up"], options) == []


@pytest.mark.parametrize("send_landmarks", [False, True])
async def test_regions_have_boxes_labels_and_landmarks_on_request(
    client: ReactionClient, thumbs: EncodedClip, send_landmarks: bool
) -> None:
    options = StreamOptions(send_decisions=True, send_detections=True, send_landmarks=send_landmarks)
    for decision in await decisions(client, thumbs, ["thumbs_up"], options):
        (hand,) = decision.regions
        assert (hand.kind, hand.score) == (RegionKind.HAND, pytest.approx(0.97))
        assert (hand.box.ymin, hand.box.xmin) == (pytest.approx(0.3), pytest.approx(0.6))
        assert [each.label for each in hand.labels] == ["thumbs_up", "wave"]
        assert hand.labels[0].score == pytest.approx(0.97)
        expected = [Landmark(float(x), float(y)) for x, y, _ in LANDMARKS] if send_landmarks else []
        assert list(hand.landmarks) == expected
        assert decision.unmet == ()


async def test_a_decision_explains_every_label_that_has_not_started(
    client: ReactionClient, smiling: EncodedClip
) -> None:
    options = StreamOptions(send_decisions=True, explain=True)
    async with client.open(options) as stream:
        alice = await stream.join("alice", smiling.codec, smiling.extradata, ["smile", "thumbs_up"])
        await send_in_step(stream, alice, smiling.packets)
        events = await everything(stream)
    (started,) = [each for each in events if isinstance(each, Reaction) and each.phase is Phase.STARTED]
    made = [each for each in events if isinstance(each, FrameDecided)]
    for decision in made:
        unmet = {each.label: each for each in decision.unmet}
        assert unmet["thumbs_up"].condition == "no_region"
        assert ("smile" in unmet) == (decision.pts < started.pts)
    before = [(each.pts, each.unmet[0]) for each in made if each.pts < started.pts]
    assert [unmet.condition for _, unmet in before] == ["no_region"] + ["hold"] * (len(before) - 1)
    begun = before[1][0]
    assert len(before) > 3
    for pts, hold in before[1:]:
        assert hold.value == pytest.approx((pts - begun) / 90.0, abs=0.1)
        assert hold.needed == pytest.approx(800.0)


async def test_a_dismissed_reaction_ends_cools_down_and_is_counted(
    server: Server, client: ReactionClient, operator: ReactionClient, smiling: EncodedClip
) -> None:
    before = server.engine.statistics().dismissals.get("smile", 0)
    options = StreamOptions(send_decisions=True, explain=True)
    async with client.open(options) as stream:
        alice = await stream.join("alice", smiling.codec, smiling.extradata, ["smile"])
        events = stream.events()
        await send_in_step(stream, alice, smiling.packets)
        started = await next_reaction(events, Phase.STARTED)
        await alice.dismiss(started.reaction_id)
        ended = await next_reaction(events, Phase.ENDED)
        assert (ended.reaction_id, ended.end_reason) == (started.reaction_id, "dismissed")
        await send_in_step(stream, alice, packets_from(smiling, len(smiling.packets) / FPS)[:1])
        await stream.half_close()
        later = [each async for each in events if isinstance(each, FrameDecided)]
    assert [each.condition for each in later[-1].unmet] == ["cooldown"]
    assert 0.0 < later[-1].unmet[0].value <= 4000.0
    assert server.engine.statistics().dismissals["smile"] == before + 1
    assert f'gifcue_dismissals_total{{label="smile"}} {before + 1}.0' in await operator.metrics()


async def test_ids_that_are_unknown_foreign_or_dismissed_get_a_fault(
    server: Server, client: ReactionClient, smiling: EncodedClip
) -> None:
    before = dict(server.engine.statistics().dismissals)
    async with client.open() as stream:
        alice = await stream.join("alice", smiling.codec, smiling.extradata, ["smile"])
        bob = await stream.join("bob", smiling.codec, smiling.extradata, ["smile"])
        events = stream.events()
        await send_in_step(stream, alice, smiling.packets)
        started = await next_reaction(events, Phase.STARTED)
        await alice.dismiss("unknown")
        await bob.dismiss(started.reaction_id)
        await alice.dismiss(started.reaction_id)
        await alice.dismiss(started.reaction_id)
        await alice.leave()
        await alice.dismiss(started.reaction_id)
        await stream.half_close()
        faults = [each async for each in events if isinstance(each, Fault)]
    assert [(each.participant_id, each.code) for each in faults] == [
        ("alice", FaultCode.INVALID_ARGUMENT),
        ("bob", FaultCode.INVALID_ARGUMENT),
        ("alice", FaultCode.INVALID_ARGUMENT),
        ("alice", FaultCode.UNKNOWN_PARTICIPANT),
    ]
    assert faults[2].message.endswith("got one a second time")
    assert server.engine.statistics().dismissals["smile"] == before.get("smile", 0) + 1


async def next_reaction(events: AsyncIterator[Event], phase: Phase) -> Reaction:
    async for event in events:
        if isinstance(event, Reaction) and event.phase is phase:
            return event
    raise AssertionError(f"expected a reaction that {phase}, the stream ended")
