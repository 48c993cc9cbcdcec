from __future__ import annotations

import json
from pathlib import Path

import pytest

from gifcue.cli.printing import ring
from gifcue.cli.streaming import jobs_of
from gifcue.protocol.codecs import Codec
from gifcue.sample_video.clips import write
from gifcue.sample_video.photo import photo_frames
from gifcue.testing import FakeServer
from gifcue.v1.reaction_service_pb2 import SUBJECT_POLICY_LARGEST

from .conftest import Gifcue

COUNT = 6


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write(photo_frames(0.6, 10, width=160, height=96), tmp_path / "clip.mp4", Codec.H264, 10)


def test_json_gives_the_events_and_a_summary(gifcue: Gifcue, server: FakeServer, clip: Path) -> None:
    result = gifcue("stream", clip, "--server", server.target, "--json", "--fast")
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["type"] for line in lines] == ["ready", "reaction", "reaction", "reaction", "summary"]
    assert [line["phase"] for line in lines[1:4]] == ["HOLDING", "STARTED", "ENDED"]
    started = lines[2]
    assert (started["participant_id"], started["label"], started["at_s"]) == ("clip", "smile", 0.0)
    assert started["gif"]["title"] == "A smile"
    summary = lines[-1]
    assert (summary["sent"], summary["not_sent"], summary["connections"]) == (COUNT, 0, 1)
    assert summary["started"] == {"smile": 1}
    assert summary["total"]["received"] == summary["total"]["analysed"] == COUNT
    assert summary["total"]["is_consistent"] is True
    assert summary["participants"][0]["participant_id"] == "clip"


def test_the_text_has_the_ring_the_gif_and_the_frame_accounting(
    gifcue: Gifcue, server: FakeServer, clip: Path
) -> None:
    result = gifcue(
        "stream",
        clip,
        "-s",
        server.target,
        "--fast",
        "--room",
        "weekly",
        "--preset",
        "careful",
        "--subject",
        "largest",
    )
    assert result.exit_code == 0, result.output
    assert "◑ smile HOLDING" in result.stdout
    assert "● smile STARTED score 0.97  “A smile” /gifs/smile-1.gif" in result.stdout
    assert "○ smile ENDED (left)" in result.stdout
    assert (
        f"frame accounting is consistent: received {COUNT} = analysed {COUNT} + in flight 0" in result.stdout
    )
    assert "reactions: smile × 1" in result.stdout
    config = server.service.streams[0].requests[0].config
    assert (config.room_id, config.preset, config.send_holding) == ("weekly", "careful", True)
    assert config.subject == SUBJECT_POLICY_LARGEST


def test_many_participants_share_a_stream(gifcue: Gifcue, server: FakeServer, clip: Path) -> None:
    result = gifcue(
        "stream", clip, "-s", server.target, "-n", "3", "--fast", "--labels", "wave, smile", "--json"
    )
    assert result.exit_code == 0, result.output
    (stream,) = server.service.streams
    assert sorted(stream.joins) == ["clip-1", "clip-2", "clip-3"]
    assert list(stream.joins["clip-1"].allowed_labels) == ["wave", "smile"]
    assert len(stream.frames) == 3 * COUNT
    assert [f.sequence for f in stream.frames if f.participant_id == "clip-2"] == list(range(COUNT))


def test_names_are_unique() -> None:
    jobs = jobs_of(["a/clip.mp4", "b/clip.mp4", "rtsp://host/room.sdp?user=x", "/dev/video0"], 1)
    assert [job.participant_id for job in jobs] == ["clip", "clip~2", "room", "video0"]
    assert [job.participant_id for job in jobs_of(["x.mp4"], 2)] == ["x-1", "x-2"]


def test_the_progress_ring_fills() -> None:
    assert [ring(progress) for progress in (0, 0.24, 0.25, 0.5, 0.99, 1, 2)] == list("○○◔◑◕●●")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--labels", "smlie"], 2, "--labels: expected some of smile, thumbs_up, wave, got 'smlie'"),
        (["-n", "0"], 2, "--participants"),
        (["--nope"], 2, "No such option"),
        (["--cert", "x.pem"], 2, "--cert, --key: expected both or none"),
    ],
)
def test_errors_are_reported_in_one_line(
    gifcue: Gifcue, server: FakeServer, clip: Path, arguments: list[str], code: int, message: str
) -> None:
    result = gifcue("stream", clip, "-s", server.target, "--fast", *arguments)
    assert result.exit_code == code
    assert result.stderr.startswith("error: ")
    assert message in result.stderr


def test_a_missing_file_is_named(gifcue: Gifcue, server: FakeServer, tmp_path: Path) -> None:
    missing = tmp_path / "missing.mp4"
    result = gifcue("stream", missing, "-s", server.target, "--json")
    assert result.exit_code == 1
    assert str(missing) in result.stderr
    assert "No such file" in result.stderr


def test_one_broken_source_ends_the_command(
    gifcue: Gifcue, server: FakeServer, clip: Path, tmp_path: Path
) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("not a video")
    result = gifcue("stream", clip, text, "-s", server.target)
    assert result.exit_code == 1
    assert str(text) in result.stderr


def test_no_source_is_usage(gifcue: Gifcue) -> None:
    result = gifcue("stream")
    assert result.exit_code == 2
    assert "Missing argument" in result.stderr


@pytest.mark.parametrize("where", ["localhost", "localhost:", ":50051", "localhost:http", "localhost:99999"])
def test_a_server_is_host_and_port(gifcue: Gifcue, clip: Path, where: str) -> None:
    result = gifcue("stream", clip, "--server", where)
    assert result.exit_code == 2
    assert "--server: expected HOST:PORT" in result.stderr


def test_a_missing_server_is_reported(gifcue: Gifcue, clip: Path) -> None:
    result = gifcue("stream", clip, "--server", "127.0.0.1:1")
    assert result.exit_code == 1
    assert "expected a gifcue server at 127.0.0.1:1" in result.stderr
    assert result.stdout == ""
