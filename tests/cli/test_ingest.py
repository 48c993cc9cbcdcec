from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path

import pytest

from gifcue.testing import FakeServer
from tests.ingest.rtp.kit import rtp
from tests.ingest.rtp.test_receiver import KEY

from .conftest import Gifcue


def free_port() -> int:
    """A UDP port that is free together with the one above it."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as first:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as second:
                try:
                    second.bind(("127.0.0.1", port + 1))
                except OSError:
                    continue
                return port


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--listen: expected HOST:PORT"),
        (("--listen", "5004"), "--listen: expected HOST:PORT"),
        (("--listen", "127.0.0.1:5004"), "--payload: expected at least one"),
        (("--listen", "127.0.0.1:5004", "--payload", "96=theora"), "a codec of h264, h265, vp8, vp9, av1"),
        (("--listen", "127.0.0.1:5004", "--payload", "200=vp8"), "a type of 0 to 127"),
        (("--listen", "127.0.0.1:5004", "--payload", "96=vp8", "--from", "here"), "--from: expected an IP"),
        (("missing.sdp",), "a readable session description"),
        (("missing.sdp", "--payload", "96=vp8"), "got both"),
    ],
)
def test_options_that_cannot_work_say_why(gifcue: Gifcue, arguments: tuple[str, ...], message: str) -> None:
    result = gifcue("ingest", "rtp", *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


@pytest.mark.parametrize("with_file", [False, True])
def test_what_is_received_is_sent_on_until_ctrl_c(
    gifcue: Gifcue, server: FakeServer, tmp_path: Path, with_file: bool
) -> None:
    port = free_port()
    where = ["--listen", f"127.0.0.1:{port}", "--payload", "96=vp8"]
    if with_file:
        sdp = tmp_path / "a.sdp"
        sdp.write_text(f"v=0\r\nc=IN IP4 127.0.0.1\r\nm=video {port} RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n")
        where = [str(sdp)]
    done = threading.Event()

    def send() -> None:
        # Repeated until a frame is analysed, because nothing tells when the port is open.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sequence = 0
            while not done.is_set() and not any(stream.frames for stream in server.service.streams):
                sender.sendto(rtp(sequence, KEY, timestamp=3000 * sequence, marker=True), ("127.0.0.1", port))
                sequence += 1
                done.wait(0.01)
            os.kill(os.getpid(), signal.SIGINT)

    sending = threading.Thread(target=send)
    sending.start()
    try:
        result = gifcue("ingest", "rtp", *where, "-s", server.target, "--json", "-p", "ada")
    finally:
        done.set()
        sending.join()
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert {"ready", "reaction", "summary"} <= {line["type"] for line in lines}
    summary = next(line for line in lines if line["type"] == "summary")
    assert summary["participant"] == "ada"
    assert summary["sent"] >= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Missing argument"),
        (("ws://127.0.0.1:9", "1"), "--consent"),
        (("http://127.0.0.1:9", "1", "--consent", "id=*"), "the address of Janus' WebSocket"),
        (("ws://127.0.0.1:9", "1", "--consent", "name=ada"), "--consent: expected ATTRIBUTE=PATTERN"),
        (
            ("ws://127.0.0.1:9", "1", "--consent", "id=*", "--listen", "here:1"),
            "--listen: expected an IP address",
        ),
        (
            ("ws://127.0.0.1:9", "1", "--consent", "id=*", "--listen", "127.0.0.1"),
            "--listen: expected IP:PORT",
        ),
        (("ws://127.0.0.1:9", "1", "--consent", "id=*", "--listen", "0.0.0.0:5004"), "--advertise: expected"),
        (("ws://127.0.0.1:9", "1", "--consent", "id=*", "--from", "here"), "--from: expected an IP address"),
    ],
)
def test_options_of_janus_that_cannot_work_say_why(
    gifcue: Gifcue, arguments: tuple[str, ...], message: str
) -> None:
    result = gifcue("ingest", "janus", *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


def test_a_janus_that_is_not_there_is_named(gifcue: Gifcue, server: FakeServer) -> None:
    result = gifcue("ingest", "janus", "ws://127.0.0.1:9", "1", "--consent", "id=*", "-s", server.target)
    assert result.exit_code == 1
    assert "expected Janus at ws://127.0.0.1:9" in " ".join(result.stderr.split())


@pytest.fixture
def livekit_access(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIFCUE_LIVEKIT_API_KEY", "key")
    monkeypatch.setenv("GIFCUE_LIVEKIT_API_SECRET", "secret")


LIVEKIT = ("ws://127.0.0.1:9", "--room", "standup", "--consent", "identity=*")


@pytest.mark.usefixtures("livekit_access")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("127.0.0.1:7880", *LIVEKIT[1:]), "expected the address of LiveKit"),
        ((*LIVEKIT[:3], "--consent", "display=ada"), "--consent: expected ATTRIBUTE=PATTERN"),
        ((*LIVEKIT, "--size", "wide"), "--size: expected WIDTHxHEIGHT such as 640x360, got 'wide'"),
        ((*LIVEKIT, "--size", "640x0"), "--size: expected WIDTHxHEIGHT such as 640x360, got '640x0'"),
        (LIVEKIT[:1], "--room"),
        (LIVEKIT[:3], "--consent"),
    ],
)
def test_options_of_livekit_that_cannot_work_say_why(
    gifcue: Gifcue, arguments: tuple[str, ...], message: str
) -> None:
    result = gifcue("ingest", "livekit", *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


def test_livekit_needs_a_key_before_any_server_is_asked(gifcue: Gifcue) -> None:
    result = gifcue("ingest", "livekit", *LIVEKIT, "-s", "127.0.0.1:9")
    assert result.exit_code == 2
    assert "expected a token, or an API key and its secret of LiveKit, got none" in " ".join(
        result.stderr.split()
    )


@pytest.mark.usefixtures("livekit_access")
def test_a_livekit_that_is_not_there_is_named(gifcue: Gifcue, server: FakeServer) -> None:
    result = gifcue("ingest", "livekit", *LIVEKIT, "-s", server.target)
    assert result.exit_code == 1
    assert "expected LiveKit at http://127.0.0.1:9, got:" in " ".join(result.stderr.split())


def test_livekit_without_its_extra_names_what_to_install(
    gifcue: Gifcue, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [
        each
        for each in sys.modules
        if each.startswith(("gifcue.ingest.livekit", "gifcue.cli.ingest_livekit"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "livekit.protocol", None)
    result = gifcue("ingest", "livekit", *LIVEKIT)
    assert result.exit_code == 2
    assert "expected the extra webrtc (pip install 'gifcue[webrtc]')" in " ".join(result.stderr.split())
