"""Settings of a stream: the subject among several faces, and whether speaking suppresses hand gestures."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from gifcue.client import Codec, Phase, Reaction, ReactionClient, StreamOptions, SubjectPolicy
from gifcue.client.exceptions import InvalidRequest
from gifcue.sample_video.clips import EncodedClip, encode
from gifcue.server.config import Settings, load_settings
from gifcue.server.lifecycle import Server
from tests.support.colour_detector import GREEN, TARGET, YELLOW, colour_frames
from tests.support.sending import send_in_step


@pytest.fixture
def own() -> dict[str, object]:
    """The server's reaction settings. Tests override them."""
    return {}


@pytest.fixture
def settings(settings: Settings, own: dict[str, object]) -> Settings:
    return settings.model_copy(update={"reactions": load_settings(None, {"reactions": own}).reactions})


@pytest.fixture(scope="module")
def two_people() -> EncodedClip:
    """A large face at the edge, and a small smiling face in the middle."""
    return encode(colour_frames(YELLOW, 15), Codec.H264, 5.0)


@pytest.fixture(scope="module")
def thumbs() -> EncodedClip:
    return encode(colour_frames(GREEN, 15), Codec.H264, 5.0)


async def started(client: ReactionClient, options: StreamOptions, clip: EncodedClip) -> list[str]:
    """The reactions of a participant who speaks all the time."""
    async with client.open(options) as stream:
        labels = stream.ready.reaction_labels
        alice = await stream.join("alice", clip.codec, clip.extradata, allowed_labels=labels)
        await alice.set_speaking(True)
        await send_in_step(stream, alice, clip.packets)
        await stream.half_close()
        return [
            event.label
            async for event in stream.events()
            if isinstance(event, Reaction) and event.phase is Phase.STARTED
        ]


@pytest.mark.parametrize(
    ("own", "subject", "expected"),
    [
        ({}, None, ["smile"]),
        ({}, SubjectPolicy.LARGEST, []),
        ({}, SubjectPolicy.CENTRE, ["smile"]),
        ({}, SubjectPolicy.ALL, ["smile"]),
        ({"subject": "largest"}, None, []),
        ({"subject": "largest"}, SubjectPolicy.ALL, ["smile"]),
    ],
)
async def test_a_stream_chooses_whose_reactions_count(
    client: ReactionClient, two_people: EncodedClip, subject: SubjectPolicy | None, expected: list[str]
) -> None:
    assert await started(client, StreamOptions(subject=subject), two_people) == expected


@pytest.mark.parametrize(
    ("own", "preset", "suppresses", "expected"),
    [
        ({}, "", None, ["thumbs_up"]),
        ({}, "", True, []),
        ({}, "careful", None, []),
        ({}, "careful", False, ["thumbs_up"]),
        ({"speaking_suppresses_hands": True}, "playful", None, []),
        ({"speaking_suppresses_hands": True}, "playful", False, ["thumbs_up"]),
    ],
)
async def test_a_stream_chooses_whether_speaking_holds_hands_back(
    client: ReactionClient, thumbs: EncodedClip, preset: str, suppresses: bool | None, expected: list[str]
) -> None:
    options = StreamOptions(preset=preset, speaking_suppresses_hands=suppresses)
    assert await started(client, options, thumbs) == expected


@pytest.mark.parametrize("own", [{"labels": {"smile": {"start": 0.62}}}])
async def test_a_preset_that_conflicts_with_the_servers_overrides_is_refused(
    settings: Settings, two_people: EncodedClip
) -> None:
    with capture_logs() as logs:
        async with (
            Server(settings, detector_target=TARGET) as server,
            ReactionClient(f"127.0.0.1:{server.listen_port}") as client,
        ):
            assert await started(client, StreamOptions(), two_people) == ["smile"]
            with pytest.raises(InvalidRequest, match=r"preset careful: labels\.smile: expected stay"):
                await started(client, StreamOptions(preset="careful"), two_people)
    warned = [each for each in logs if each["event"] == "no stream can ask for this preset"]
    assert [each["preset"] for each in warned] == ["careful"]
