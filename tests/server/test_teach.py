"""Teaching a gesture on a running server, over HTTP: from the first sample to a reaction on another stream."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from structlog.testing import capture_logs

from gifcue.access.grants import Scope
from gifcue.access.issue import new_token, token_digest, token_entry
from gifcue.client import (
    Codec,
    ConnectionOptions,
    Phase,
    Reaction,
    ReactionClient,
    ReactionStream,
    StreamOptions,
)
from gifcue.gestures.samples import HandSample
from gifcue.gestures.trainer import MAX_OTHERS, MAX_SAMPLES
from gifcue.sample_video.clips import EncodedClip, encode
from gifcue.server.config import Settings, load_settings
from gifcue.server.lifecycle import Server
from gifcue.server.teach_messages import MAX_BODY_BYTES
from tests.support.colour_detector import GREEN, RED, colour_frames
from tests.support.gesture_detector import TARGET
from tests.support.gestures import gesture
from tests.support.hands import FIST, OTHERS, VICTORY, sample
from tests.support.sending import packets_from, send_in_step
from tests.support.waiting import TIMEOUT_S, until

FPS = 5.0
Json = dict[str, Any]


@pytest.fixture(scope="module")
def peace() -> EncodedClip:
    return encode(colour_frames(RED, 15), Codec.H264, FPS)


@pytest.fixture(scope="module")
def other_hands() -> EncodedClip:
    return encode(colour_frames(GREEN, 10), Codec.H264, FPS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "gestures"
    path.mkdir()
    return path


def with_folder(settings: Settings, folder: Path | None, **server: Any) -> Settings:
    values = settings.model_dump()
    configured = load_settings(
        None,
        {
            **values,
            "detect": {**values["detect"], "gestures_dir": folder},
            "server": {**values["server"], **server},
        },
    )
    # No test waits for a reload.
    rules = configured.rules.model_copy(update={"reload_interval_s": 0.0})
    return configured.model_copy(update={"rules": rules})


class Teacher:
    """A caller of the API."""

    def __init__(self, session: aiohttp.ClientSession, server: Server) -> None:
        self.session = session
        self.root = f"http://127.0.0.1:{server.http_port}/teach/v1"

    async def call(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, Json]:
        """The status and the JSON of an answer."""
        async with self.session.request(method, self.root + path, json=body, **more) as answer:
            return answer.status, await answer.json()

    async def ok(self, method: str, path: str, body: Any = None) -> Json:
        status, value = await self.call(method, path, body)
        assert status == 200, value
        return value


@asynccontextmanager
async def teaching(settings: Settings) -> AsyncIterator[tuple[Server, Teacher]]:
    async with Server(settings, detector_target=TARGET) as server, aiohttp.ClientSession() as session:
        yield server, Teacher(session, server)


@asynccontextmanager
async def opened(server: Server, *, teaches: bool = False) -> AsyncIterator[ReactionStream]:
    options = StreamOptions(
        room_id="tests", send_decisions=teaches, send_detections=teaches, send_landmarks=teaches
    )
    async with (
        ReactionClient(f"127.0.0.1:{server.listen_port}") as client,
        client.open(options) as stream,
    ):
        yield stream


def as_json(one: HandSample) -> Json:
    return {"landmarks": one.landmarks.tolist(), "aspect": one.aspect}


def request(label: str = "victory", count: int = 30, others: int = 0) -> Json:
    rng = np.random.default_rng(3)
    return {
        "label": label,
        "samples": [as_json(sample(VICTORY, rng)) for _ in range(count)],
        "others": [as_json(sample(OTHERS[number % len(OTHERS)], rng)) for number in range(others)],
    }


async def watch(teacher: Teacher, session_id: str, ready: asyncio.Event, count: int) -> list[Json]:
    """The hands of so many frames. `ready` is set once the server watches."""
    lines: list[Json] = []
    async with teacher.session.get(f"{teacher.root}/streams/{session_id}/hands") as answer:
        assert answer.status == 200
        assert answer.content_type == "application/x-ndjson"
        async for line in answer.content:
            ready.set()
            if line.strip():
                lines.append(json.loads(line))
            if len(lines) == count:
                break
    return lines


async def reactions(
    stream: ReactionStream, clip: EncodedClip, label: str, name: str = "ada"
) -> list[Reaction]:
    """What starts while a participant that allows the label shows a clip."""
    participant = await stream.join(name, clip.codec, clip.extradata, allowed_labels=[label])
    await send_in_step(stream, participant, clip.packets)
    await participant.leave()
    await stream.half_close()
    return [e async for e in stream.events() if isinstance(e, Reaction) and e.phase is Phase.STARTED]


async def test_a_gesture_is_recorded_trained_tried_and_kept_without_a_restart(
    settings: Settings, folder: Path, peace: EncodedClip, other_hands: EncodedClip
) -> None:
    configured = with_folder(settings, folder)
    async with teaching(configured) as (server, teacher):
        async with opened(server, teaches=True) as stream, opened(server) as bystander:
            # The hands of a stream that did not ask for landmarks are nobody's business.
            for method, what, body in (("GET", "hands", None), ("PUT", "gesture", {"label": "victory"})):
                other = f"/streams/{bystander.ready.session_id}/{what}"
                assert (await teacher.call(method, other, body))[0] == 403
            path = f"/streams/{stream.ready.session_id}"
            assert await teacher.ok("PUT", f"{path}/gesture", {"label": "victory"}) == {"label": "victory"}
            # The label can be allowed at once, so that the frames of the recording are analysed.
            ada = await stream.join("ada", peace.codec, peace.extradata, allowed_labels=["victory"])
            ready = asyncio.Event()
            watching = asyncio.create_task(watch(teacher, stream.ready.session_id, ready, 15))
            async with asyncio.timeout(TIMEOUT_S):
                await ready.wait()
                await send_in_step(stream, ada, peace.packets)
                seen = await watching
            assert {line["participant"] for line in seen} == {"ada"}
            assert [len(line["hands"]) for line in seen] == [1] * 15
            assert {line["dropped"] for line in seen} == {0}
            hands = [{"landmarks": line["hands"][0]["landmarks"], "aspect": line["aspect"]} for line in seen]
            assert np.asarray(hands[0]["landmarks"]).shape == (21, 3)

            rng = np.random.default_rng(4)
            fists = [as_json(sample(FIST, rng)) for _ in range(20)]
            lesson: Json = {"label": "victory", "samples": hands, "others": fists}
            trained = await teacher.ok("POST", "/candidates", lesson)
            assert trained["report"]["samples"] == 15
            assert trained["report"]["samples_found"] > 10
            await teacher.ok(
                "PUT", f"{path}/gesture", {"label": "victory", "candidate": trained["candidate"]}
            )
            later = packets_from(peace, 10.0)
            await send_in_step(stream, ada, later)
            started = await stream_started(stream)
            assert (started.label, started.gif) == ("victory", None)

            # Nobody else sees the candidate, or its label.
            assert "victory" not in bystander.ready.reaction_labels
            async with opened(server) as stranger:
                assert "victory" not in stranger.ready.reaction_labels
            assert "victory" not in server.engine.model.labels

            keep = f"/candidates/{trained['candidate']}/keep"
            assert await teacher.ok("POST", keep, {"gif": "wave_1"}) == {"label": "victory", "stored": True}
        await kept(server, teacher, peace, other_hands)
    async with teaching(configured) as (server, teacher):
        await kept(server, teacher, peace, other_hands)
        assert await teacher.ok("DELETE", "/gestures/victory") == {"deleted": "victory"}
        assert not list(folder.iterdir())  # noqa: ASYNC240
        async with opened(server) as stream:
            assert "victory" not in stream.ready.reaction_labels


async def stream_started(stream: ReactionStream) -> Reaction:
    async with asyncio.timeout(TIMEOUT_S):
        async for event in stream.events():
            if isinstance(event, Reaction) and event.phase is Phase.STARTED:
                return event
    raise AssertionError("expected a reaction that starts, the stream ended")


async def kept(server: Server, teacher: Teacher, peace: EncodedClip, other_hands: EncodedClip) -> None:
    """The gesture is served to a new stream, with its GIF."""
    (listed,) = (await teacher.ok("GET", "/gestures"))["gestures"]
    assert (listed["label"], listed["gif"], listed["file"]) == ("victory", "wave_1", "victory.json")
    async with opened(server) as stream:
        assert stream.ready.reaction_labels[-1] == "victory"
        (started,) = await reactions(stream, peace, "victory")
        assert started.label == "victory"
        assert started.gif is not None
        assert started.gif.url == "/gifs/wave_1.gif"
    async with opened(server) as stream:
        assert await reactions(stream, other_hands, "victory") == []


async def test_a_reader_of_hands_that_does_not_read_is_cut_off(
    settings: Settings, peace: EncodedClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gifcue.server.http_teach._WRITE_S", 0.05)
    monkeypatch.setattr("gifcue.server.http_teach.MAX_WATCHED", 1)
    # More than the sockets of both ends hold.
    monkeypatch.setattr("gifcue.server.http_teach.line_of", lambda seen, dropped: bytes(128 << 20))
    async with (
        teaching(with_folder(settings, None)) as (server, teacher),
        opened(server, teaches=True) as stream,
    ):
        path = f"/streams/{stream.ready.session_id}"
        await teacher.ok("PUT", f"{path}/gesture", {"label": "victory"})
        ada = await stream.join("ada", peace.codec, peace.extradata, allowed_labels=["victory"])
        async with asyncio.timeout(TIMEOUT_S), teacher.session.get(f"{teacher.root}{path}/hands") as answer:
            assert await answer.content.readline() == b"\n"
            assert (await teacher.call("GET", f"{path}/hands"))[0] == 429
            await send_in_step(stream, ada, peace.packets[:1])
            status = 429
            while status == 429:
                async with teacher.session.get(f"{teacher.root}{path}/hands") as other:
                    status = other.status
        assert status == 200, "its place is free again"


async def test_a_reader_of_hands_is_cut_off_once_its_token_is_withdrawn(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gifcue.server.http_teach._SILENCE_S", 0.02)
    keys, streams, operates = tmp_path / "keys.toml", new_token(), new_token()
    of_stream = token_entry("mcu", token_digest(streams), [Scope.STREAM], ["*"], None)
    of_operator = token_entry("teacher", token_digest(operates), [Scope.OPERATE], None, None)
    keys.write_text(of_stream + of_operator)
    access = settings.access.model_copy(update={"keys": keys})
    configured = with_folder(settings.model_copy(update={"access": access}), None)
    async with (
        teaching(configured) as (server, teacher),
        ReactionClient(f"127.0.0.1:{server.listen_port}", ConnectionOptions(token=streams)) as client,
        client.open(
            StreamOptions(room_id="tests", send_decisions=True, send_detections=True, send_landmarks=True)
        ) as stream,
    ):
        url = f"{teacher.root}/streams/{stream.ready.session_id}/hands"
        headers = {"Authorization": f"Bearer {operates}"}
        async with asyncio.timeout(TIMEOUT_S), teacher.session.get(url, headers=headers) as answer:
            assert answer.status == 200
            assert await answer.content.readline() == b"\n"
            part = tmp_path / "part"
            part.write_text(of_stream)
            part.replace(keys)
            await server.access.look()
            await answer.content.read()
        assert server.engine.session(stream.ready.session_id) is not None, "the stream goes on"


async def test_workers_that_start_later_get_the_same_gestures(
    settings: Settings, folder: Path, peace: EncodedClip
) -> None:
    async with teaching(with_folder(settings, folder)) as (server, teacher):
        trained = await teacher.ok("POST", "/candidates", request())
        await teacher.ok("POST", f"/candidates/{trained['candidate']}/keep", {})
        for worker in server.engine.statistics().detect.workers:
            os.kill(worker.pid, signal.SIGKILL)
        await until(lambda: all(each.restarts for each in server.engine.statistics().detect.workers))
        await until(lambda: server.engine.is_ready)
        async with opened(server) as stream:
            (started,) = await reactions(stream, peace, "victory")
            assert started.label == "victory"


async def test_two_servers_share_a_folder(settings: Settings, folder: Path) -> None:
    configured = with_folder(settings, folder)
    async with teaching(configured) as (_, teacher), teaching(configured) as (other, other_teacher):
        trained = await teacher.ok("POST", "/candidates", request())
        await teacher.ok("POST", f"/candidates/{trained['candidate']}/keep", {})
        await until(lambda: "victory" in other.engine.model.labels)
        await other_teacher.ok("DELETE", "/gestures/victory")
        assert (await teacher.call("DELETE", "/gestures/victory"))[0] in (200, 404)


async def test_without_a_folder_a_gesture_is_served_until_the_server_stops(settings: Settings) -> None:
    async with teaching(with_folder(settings, None)) as (server, teacher):
        before = await teacher.ok("GET", "/gestures")
        assert before["folder"] == {"configured": False, "writable": False}
        trained = await teacher.ok("POST", "/candidates", request())
        kept = await teacher.ok("POST", f"/candidates/{trained['candidate']}/keep", {})
        assert kept == {"label": "victory", "stored": False}
        async with opened(server) as stream:
            assert "victory" in stream.ready.reaction_labels


async def test_a_damaged_file_is_reported_and_the_others_are_served(settings: Settings, folder: Path) -> None:
    (folder / "fan.json").write_bytes(gesture("fan").as_json())
    (folder / "bad.json").write_bytes(b"{")
    async with teaching(with_folder(settings, folder)) as (server, teacher):
        listed = await teacher.ok("GET", "/gestures")
        assert [each["label"] for each in listed["gestures"]] == ["fan"]
        assert [each["file"] for each in listed["problems"]] == ["bad.json"]
        (folder / "bad.json").write_bytes(gesture("horns").as_json())
        reloaded = await server.reload_gestures()
        assert set(reloaded.labels) == {"fan", "horns"}
        assert not reloaded.problems


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        (lambda body: {**body, "samples": body["samples"][:9]}, 400, "length >= 10"),
        (lambda body: {**body, "samples": body["samples"] * (1 + MAX_SAMPLES // 30)}, 400, "length <= 120"),
        (lambda body: {**body, "others": body["samples"] * (1 + MAX_OTHERS // 30)}, 400, "length <= 240"),
        (lambda body: {**body, "label": "Victory!"}, 400, "expected a label"),
        (lambda body: {**body, "label": "v" * 33}, 400, "at most 32"),
        (lambda body: {**body, "label": "V" * 9999}, 400, f"got '{'V' * 40}'"),
        (lambda body: {**body, "label": "smile"}, 400, "a label of the model"),
        (lambda body: {**body, "label": "none"}, 400, "a meaning already"),
        (lambda body: {**body, "samples": [{"landmarks": [[0, 0, 0]] * 20, "aspect": 1}] * 10}, 400, "21"),
        (
            lambda body: {**body, "samples": [{"landmarks": [[0, 0, 9e9]] * 21, "aspect": 1}] * 10},
            400,
            "<= 4.0",
        ),
        (lambda body: {**body, "samples": [{"landmarks": [[0, 0]] * 21, "aspect": 1}] * 10}, 400, "length 3"),
        (lambda body: {**body, "shell": "rm"}, 400, "unknown field"),
        (lambda body: [], 400, "object"),
    ],
)
async def test_requests_that_make_no_sense_are_refused(
    shared: Teacher, change: Callable[[Json], Any], status: int, says: str
) -> None:
    got, answer = await shared.call("POST", "/candidates", change(request()))
    assert got == status
    assert says in answer["error"]


@pytest.fixture
async def shared(settings: Settings) -> AsyncIterator[Teacher]:
    async with teaching(with_folder(settings, None)) as (_, teacher):
        yield teacher


async def test_bodies_are_bounded_and_need_their_type(shared: Teacher) -> None:
    url = f"{shared.root}/candidates"
    cases: list[tuple[dict[str, Any], int]] = [
        ({"data": json.dumps(request()), "headers": {"Content-Type": "text/plain"}}, 415),
        ({"data": b"{", "headers": {"Content-Type": "application/json"}}, 400),
        (
            {
                "data": io.BytesIO(b" " * (MAX_BODY_BYTES + 1)),
                "headers": {"Content-Type": "application/json"},
            },
            413,
        ),
        (
            {"data": b"{}", "headers": {"Content-Type": "application/json", "Content-Encoding": "gzip"}},
            415,
        ),
    ]
    for arguments, status in cases:
        async with shared.session.post(url, **arguments) as answer:
            assert answer.status == status, await answer.text()


async def test_names_of_nothing_are_not_found(shared: Teacher) -> None:
    for method, path, body in (
        ("DELETE", "/gestures/victory", None),
        ("DELETE", "/candidates/none", None),
        ("POST", "/candidates/none/keep", {}),
        ("PUT", "/streams/none/gesture", {"label": "victory"}),
        ("GET", "/streams/none/hands", None),
    ):
        assert (await shared.call(method, path, body))[0] == 404, path


async def test_a_label_in_service_is_replaced_only_when_asked(shared: Teacher) -> None:
    names = [(await shared.ok("POST", "/candidates", request()))["candidate"] for _ in range(2)]
    assert (await shared.call("POST", f"/candidates/{names[0]}/keep", {"gif": "no such"}))[0] == 400
    await shared.ok("POST", f"/candidates/{names[0]}/keep", {})
    assert (await shared.call("POST", f"/candidates/{names[1]}/keep", {}))[0] == 409
    await shared.ok("POST", f"/candidates/{names[1]}/keep", {"replace": True})
    assert len((await shared.ok("GET", "/gestures"))["gestures"]) == 1


async def test_what_is_kept_and_deleted_is_logged_as_actions_of_operators(shared: Teacher) -> None:
    trained = await shared.ok("POST", "/candidates", request())
    with capture_logs() as logs:
        await shared.ok("POST", f"/candidates/{trained['candidate']}/keep", {})
        await shared.ok("DELETE", "/gestures/victory")
        assert (await shared.call("DELETE", "/gestures/victory"))[0] == 404
    actions = [each for each in logs if each["event"] == "operator's action"]
    assert [(each["action"], each["label"]) for each in actions] == [
        ("keep gesture", "victory"),
        ("delete gesture", "victory"),
    ]
    assert {each["caller"] for each in actions} == {"peer 127.0.0.1"}


async def test_one_training_runs_at_a_time(shared: Teacher) -> None:
    answers = await asyncio.gather(*(shared.call("POST", "/candidates", request()) for _ in range(3)))
    assert sorted(status for status, _ in answers) == [200, 429, 429]
    assert (await shared.call("POST", "/candidates", request()))[0] == 200


async def test_a_training_that_dies_is_an_error_and_the_next_one_works(
    shared: Teacher, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("gifcue.gestures.training._ARGUMENTS", ("-c", "raise SystemExit(3)"))
        status, answer = await shared.call("POST", "/candidates", request())
    assert status == 503
    assert "exit status 3" in answer["error"]
    assert (await shared.call("POST", "/candidates", request()))[0] == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Host": "evil.example"}, 421),
        ({"X-Forwarded-For": "203.0.113.7"}, 403),
        ({"Forwarded": "for=203.0.113.7"}, 403),
        ({"X-Real-IP": "203.0.113.7"}, 403),
        ({"X-Forwarded-Host": "gifcue.example"}, 403),
        ({"X-Forwarded-Proto": "https"}, 403),
        ({}, 200),
    ],
)
async def test_other_sites_and_callers_behind_proxies_may_not_teach(
    shared: Teacher, headers: dict[str, str], status: int
) -> None:
    assert (await shared.call("GET", "/gestures", headers=headers))[0] == status


@pytest.mark.parametrize(
    ("server", "status"),
    [
        ({"http_listen": "0.0.0.0:0", "insecure": True}, 403),
        ({"http_listen": "0.0.0.0:0", "insecure": True, "teaching": "always"}, 200),
        ({"teaching": "never"}, 403),
    ],
)
async def test_an_exposed_port_without_tokens_teaches_only_where_it_is_set(
    settings: Settings, server: Json, status: int
) -> None:
    async with teaching(with_folder(settings, None, **server)) as (_, teacher):
        assert (await teacher.call("GET", "/gestures"))[0] == status
