"""Logs and metrics of a run have no names and no payloads, as docs/privacy.md states."""

from __future__ import annotations

import base64
import logging
import traceback
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest
from pydantic import ValidationError

from gifcue.client import Codec, ReactionClient, StreamOptions
from gifcue.client.exceptions import ServerFailed
from gifcue.delivery.settings import DeliverySettings, EyesonRoom, EyesonSettings, WebhookSettings
from gifcue.engine.session import Session
from gifcue.errors import ConfigError
from gifcue.sample_video.clips import EncodedClip, encode
from gifcue.server.config import Settings, load_settings
from gifcue.server.lifecycle import Server
from tests.support.colour_detector import BLUE, RED, TARGET, colour_frames
from tests.support.deliveries import ACCESS_KEY, ROOM, SECRET, delivery_table
from tests.support.fake_meeting_api import FakeMeetingApi
from tests.support.logs import logs_to_stderr
from tests.support.sending import packets_from, send_all, send_in_step, settled

NAME = "Ada-Lovelace-the-participant"
STRANGER = "Nobody-who-joined"
FORBIDDEN = (NAME, STRANGER, ROOM, ACCESS_KEY, SECRET)

BOOK = """
version: 1
gifs:
  sun: {url: /gifs/sun.gif, title: A sun beams, video_url: "https://media.example.org/sun.mp4"}
rules:
  - {label: smile, gifs: [sun]}
rooms:
  room-with-a-name: {rules: [{label: wave, gifs: [sun]}]}
"""


@pytest.fixture(scope="module")
def clip() -> EncodedClip:
    return encode(iter([*colour_frames(RED, 12), *colour_frames(BLUE, 3)]), Codec.H264, 5.0)


def leaks(text: str, clip: EncodedClip) -> list[str]:
    """Names, secrets and parts of payloads, in any common encoding, that occur in a text."""
    found = [each for each in FORBIDDEN if each in text]
    for packet in clip.packets:
        piece = packet.payload[-32:-8]
        written = (piece.hex(), repr(piece)[2:-1], base64.b64encode(piece).decode())
        found += [each for each in written if each in text]
    return found


async def test_no_name_and_no_payload_is_logged(
    settings: Settings,
    tmp_path: Path,
    clip: EncodedClip,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with logs_to_stderr():
        metrics = await a_run(settings, tmp_path, clip, monkeypatch)
    captured = capfd.readouterr()
    for expected in ("stream opened", "reaction not delivered", "rule book not taken", "KeyError", "stopped"):
        assert expected in captured.err
    assert leaks(captured.out + captured.err, clip) == []
    assert leaks(metrics, clip) == []


async def a_run(settings: Settings, folder: Path, clip: EncodedClip, monkeypatch: pytest.MonkeyPatch) -> str:
    """A reaction refused by its sink, invalid data, invalid names, an invalid book, a bug, and at last the metrics."""
    (folder / "book.yaml").write_text(BOOK)
    async with FakeMeetingApi() as api:
        table = delivery_table("eyeson", api.url)
        table.update(delivery_table("webhook", api.url))
        overrides = {"rules": {"book": folder / "book.yaml"}, "delivery": table}
        configuration = load_settings(None, {**settings.model_dump(), **overrides})
        api.status = 423
        async with Server(configuration, detector_target=TARGET) as server:
            async with ReactionClient(f"127.0.0.1:{server.listen_port}") as client:
                async with client.open(StreamOptions(room_id=ROOM, send_holding=True)) as stream:
                    ada = await stream.join(NAME, clip.codec, clip.extradata, allowed_labels=["smile"])
                    await send_in_step(stream, ada, clip.packets)
                    # Invalid data, and a name that is too long.
                    await ada.send(b"\x00\x00\x01\x65damaged", pts=10_000_000, clock_hz=90_000, keyframe=True)
                    await stream.join(STRANGER * 100, clip.codec, clip.extradata, allowed_labels=["smile"])
                    await send_all(ada, packets_from(clip, 60.0))
                    await settled(stream, NAME)
                # The book is saved with a mistake in the room's part.
                (folder / "book.yaml").write_text(BOOK.replace("[sun]}]", "[moon]}]"))
                assert not server.rule_book.poll()
                async with ReactionClient(f"127.0.0.1:{server.operator_port}") as operator:
                    metrics = await operator.metrics()
                url = f"http://127.0.0.1:{server.http_port}/annotations"
                async with (
                    aiohttp.ClientSession() as session,
                    session.post(url, data={"img": NAME}) as answer,
                ):
                    assert answer.status == 400
                # A bug, with a name in its message.
                monkeypatch.setattr(Session, "frame", broken)
                with pytest.raises(ServerFailed):
                    await a_stream(client, clip)
            assert [sink.submitted for sink in server.dispatcher.statistics()] == [1, 1]
    return metrics


async def a_stream(client: ReactionClient, clip: EncodedClip) -> None:
    async with client.open(StreamOptions(room_id=ROOM)) as stream:
        ada = await stream.join(NAME, clip.codec, clip.extradata, allowed_labels=["smile"])
        await send_in_step(stream, ada, clip.packets)


def broken(self: Session, frame: object) -> None:
    raise KeyError(NAME)


def test_log_records_of_libraries_have_no_message_text(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with logs_to_stderr():
        try:
            try:
                raise KeyError(NAME)
            except KeyError as error:
                raise ValueError(STRANGER) from error
        except ValueError:
            logging.getLogger("asyncio").exception("%s", NAME)
    logged = capfd.readouterr().err
    assert "asyncio" in logged
    assert "ValueError" in logged
    assert "KeyError" in logged
    assert NAME not in logged
    assert STRANGER not in logged


@pytest.mark.parametrize(
    "values",
    [
        {"delivery": {"eyeson": {"rooms": {"r": {"access_key": f"{ACCESS_KEY}/.."}}}}},
        {"delivery": {"eyeson": {"rooms": {"r": {"acces_key": ACCESS_KEY}}}}},
        {"delivery": {"eyeson": {"rooms": {"r": ACCESS_KEY}}}},
        {"delivery": {"webhook": {"url": "https://example.org", "secret": SECRET[:20]}}},
        {"delivery": {"webhook": {"url": f"https://user:{ACCESS_KEY}@example.org", "secret": SECRET}}},
        {"delivry": {"webhook": {"secret": SECRET}}},
        {"webhook_secret": SECRET},
        {"log": {"secret": SECRET}},
        {"reactions": {"labels": {"smile": {"secret": SECRET}}}},
        {"reactions": {"labels": {"secret": SECRET}}},
        {"rules": SECRET},
    ],
    ids=[
        "not a key",
        "misspelt",
        "no table",
        "short",
        "credentials in the address",
        "misspelt table",
        "beside the tables",
        "in another table",
        "in a table of that table",
        "in the place of a label",
        "in the place of a table",
    ],
)
def test_an_error_beside_a_secret_does_not_show_the_secret(values: dict[str, object]) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(None, values)
    assert ACCESS_KEY not in str(caught.value)
    assert SECRET[:20] not in str(caught.value)


@pytest.mark.parametrize(
    "build",
    [
        lambda: Settings(delivery={"webhook": {"url": "https://example.org", "secret": ACCESS_KEY}}),
        lambda: DeliverySettings(webhook={"url": "https://example.org", "secret": ACCESS_KEY}),
        lambda: WebhookSettings(url="https://example.org", secret=ACCESS_KEY),
        lambda: EyesonSettings(rooms={"room": {"access_key": f"{ACCESS_KEY}/"}}),
        lambda: EyesonRoom(access_key=f"{ACCESS_KEY}/"),
    ],
)
def test_the_text_of_a_validation_error_does_not_show_the_secret(build: Callable[[], object]) -> None:
    """A traceback that nobody meant to be printed shows this text."""
    with pytest.raises(ValidationError) as caught:
        build()
    assert ACCESS_KEY not in "".join(traceback.format_exception(caught.value))


def test_the_settings_text_has_no_secrets() -> None:
    settings = load_settings(None, {"delivery": delivery_table("eyeson", "http://127.0.0.1:1")})
    assert ACCESS_KEY not in repr(settings)
    assert ACCESS_KEY not in settings.model_dump_json()
