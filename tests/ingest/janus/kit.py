"""A real Janus with rooms of its own, publishers in it, and a relay that loses packets."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import aioice.ice
import aiortc.rtcrtpsender
import av
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.codecs import h264, vpx
from aiortc.mediastreams import VideoStreamTrack

from gifcue.ingest.janus.session import JanusSession
from gifcue.ingest.janus.videoroom import PLUGIN
from gifcue.protocol.codecs import RTP_CLOCK_HZ
from gifcue.sample_video.photo import photo_frames
from tests.support.programs import require
from tests.support.waiting import until

ROOM, LOCKED_ROOM = 1234, 5678
PIN, ROOM_SECRET, ADMIN_KEY, API_SECRET = "the-pin", "the-room-secret", "the-admin-key", "the-api-secret"
_LIBRARIES = ("plugins", "transports", "events", "loggers")
_TRANSPORT = "libjanus_websockets.so"
_PLUGIN = "libjanus_videoroom.so"


def media_address() -> str:
    """An address of this machine that is not loopback: neither Janus nor aiortc uses that. No packet leaves it."""
    addresses = aioice.ice.get_host_addresses(use_ipv4=True, use_ipv6=False)
    if not addresses:
        pytest.skip(
            "expected a network interface beside loopback, which Janus does not use for media, got none"
        )
    return str(addresses[0])


@dataclass(slots=True)
class RealJanus:
    """A running Janus. `url` is its WebSocket."""

    url: str
    folder: Path
    process: asyncio.subprocess.Process
    arguments: Sequence[str]

    async def restart(self) -> None:
        """Ends it as a crash does, and starts it again on the same port."""
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()
        self.process = await _start(self.arguments, self.folder)
        await _until_open(self)


@asynccontextmanager
async def running_janus(
    folder: Path, *, api_secret: str = "", lock_forwards: bool = False, string_ids: bool = False
) -> AsyncIterator[RealJanus]:
    """Janus with the VideoRoom plugin alone, on loopback, with the rooms `ROOM` and `LOCKED_ROOM`."""
    program = require("janus")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    _configure(folder, port, api_secret, lock_forwards, string_ids)
    arguments = [program, "-F", str(folder), "-C", str(folder / "janus.jcfg")]
    process = await _start(arguments, folder)
    janus = RealJanus(f"ws://127.0.0.1:{port}", folder, process, arguments)
    try:
        await _until_open(janus)
        yield janus
    finally:
        with contextlib.suppress(ProcessLookupError):
            janus.process.send_signal(signal.SIGKILL)
        await janus.process.wait()


async def _start(arguments: Sequence[str], folder: Path) -> asyncio.subprocess.Process:
    with (folder / "janus.log").open("ab") as log:
        return await asyncio.create_subprocess_exec(*arguments, stdout=log, stderr=log, cwd=folder)


async def _until_open(janus: RealJanus) -> None:
    port = int(janus.url.rpartition(":")[2])

    def is_open() -> bool:
        assert janus.process.returncode is None, (janus.folder / "janus.log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    await until(is_open)


def _configure(folder: Path, port: int, api_secret: str, lock_forwards: bool, string_ids: bool) -> None:
    library = _library()
    disabled = {
        kind: ",".join(
            each.name
            for each in sorted((library / kind).glob("*.so"))
            if each.name not in (_TRANSPORT, _PLUGIN)
        )
        for kind in _LIBRARIES
    }
    secret = f'api_secret = "{api_secret}"' if api_secret else ""
    (folder / "janus.jcfg").write_text(
        f"""general: {{
  configs_folder = "{folder}"
  debug_level = 4
  session_timeout = 60
  {secret}
}}
media: {{ ipv6 = false }}
nat: {{ ice_enforce_list = "{media_address()}" }}
plugins: {{ disable = "{disabled["plugins"]}" }}
transports: {{ disable = "{disabled["transports"]}" }}
loggers: {{ disable = "{disabled["loggers"]}" }}
events: {{ broadcast = false disable = "{disabled["events"]}" }}
""",
        encoding="utf-8",
    )
    (folder / "janus.transport.websockets.jcfg").write_text(
        f'general: {{ json = "plain" ws = true ws_port = {port} ws_ip = "127.0.0.1" wss = false }}\n',
        encoding="utf-8",
    )
    room = 'publishers = 20 bitrate = 1500000 fir_freq = 0 videocodec = "vp8,h264,vp9" notify_joining = false'
    (folder / "janus.plugin.videoroom.jcfg").write_text(
        f"""general: {{
  admin_key = "{ADMIN_KEY}"
  lock_rtp_forward = {str(lock_forwards).lower()}
  string_ids = {str(string_ids).lower()}
}}
room-{ROOM}: {{ description = "open" {room} }}
room-{LOCKED_ROOM}: {{ description = "locked" pin = "{PIN}" secret = "{ROOM_SECRET}" {room} }}
""",
        encoding="utf-8",
    )


def _library() -> Path:
    for folder in Path("/usr/lib").glob("*/janus"):
        if (folder / "plugins" / _PLUGIN).exists():
            return folder
    pytest.fail("expected Janus' plugins in /usr/lib/*/janus, got none")


class _Photograph(VideoStreamTrack):
    """The public photograph in motion."""

    def __init__(self, width: int, height: int, fps: float) -> None:
        super().__init__()
        self._frames = list(photo_frames(4.0, fps, width, height))
        self._fps = fps
        self._count = 0
        self._began_s: float | None = None

    async def recv(self) -> av.VideoFrame:
        loop = asyncio.get_running_loop()
        if self._began_s is None:
            self._began_s = loop.time()
        # A camera: a frame is due at its own time, however long the last one took.
        await asyncio.sleep(max(0.0, self._began_s + self._count / self._fps - loop.time()))
        frame = av.VideoFrame.from_ndarray(self._frames[self._count % len(self._frames)], format="rgb24")
        frame.pts = round(self._count * RTP_CLOCK_HZ / self._fps)
        frame.time_base = Fraction(1, RTP_CLOCK_HZ)
        self._count += 1
        return frame


class AiortcPublisher:
    """A participant of a room that publishes the photograph from this process. Use it with `async with`."""

    def __init__(
        self,
        janus: RealJanus,
        display: str,
        room: int | str = ROOM,
        *,
        codec: str = "VP8",
        pin: str | None = None,
        size: tuple[int, int] = (320, 180),
        fps: float = 10.0,
        description: str = "",
        number: int | str | None = None,
    ) -> None:
        self._session = JanusSession(janus.url, PLUGIN)
        self._join: dict[str, Any] = {
            "request": "join",
            "ptype": "publisher",
            "room": room,
            "display": display,
        }
        if pin is not None:
            self._join["pin"] = pin
        if number is not None:
            self._join["id"] = number
        self._codec = codec
        self._description = description
        self._track = (size, fps)
        self._peer: RTCPeerConnection | None = None
        self.id = 0

    async def __aenter__(self) -> AiortcPublisher:
        await self._session.__aenter__()
        joined = await self._session.ask(self._join, "joining")
        self.id = joined["id"]
        await self.publish()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._peer is not None:
            await self._peer.close()
        await self._session.__aexit__(None, None, None)

    async def publish(self) -> None:
        """Publishes, also once more after `unpublish`."""
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        (width, height), fps = self._track
        self._peer.addTrack(_Photograph(width, height, fps))
        for transceiver in self._peer.getTransceivers():
            known = aiortc.rtcrtpsender.RTCRtpSender.getCapabilities("video").codecs
            transceiver.setCodecPreferences([each for each in known if each.name == self._codec])
        await self._peer.setLocalDescription(await self._peer.createOffer())
        local = self._peer.localDescription
        body: dict[str, Any] = {"request": "publish", "video": True, "audio": False}
        if self._description:
            body["descriptions"] = [{"mid": "0", "description": self._description}]
        message = {"janus": "message", "body": body, "jsep": {"type": local.type, "sdp": local.sdp}}
        answer = await self._session._request(message, "publishing")
        jsep = answer["jsep"]
        await self._peer.setRemoteDescription(RTCSessionDescription(jsep["sdp"], jsep["type"]))

    async def unpublish(self) -> None:
        """Stops publishing and stays in the room."""
        await self._session.ask({"request": "unpublish"}, "unpublishing")
        assert self._peer is not None
        await self._peer.close()

    async def rename(self, display: str) -> None:
        """Takes another display name."""
        await self._session.ask({"request": "configure", "display": display}, "renaming")


class TcpRelay:
    """A way to Janus' WebSocket that can be cut. Use it with `async with`."""

    def __init__(self, url: str) -> None:
        self._port = int(url.rpartition(":")[2])
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None
        self.url = ""
        self.takes_new = True

    async def __aenter__(self) -> TcpRelay:
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.url = f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()

    def cut(self) -> None:
        """Ends all connections without a word. New ones are taken while `takes_new` is set."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.takes_new:
            writer.transport.abort()
            return
        there, to = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers += [writer, to]
        await asyncio.gather(_copy(reader, to), _copy(there, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.close()


@dataclass(slots=True)
class Relay:
    """Hands datagrams on to `to`, except those that it loses: each with the chance `loss`, by a seed."""

    to: tuple[str, int]
    loss: float
    seed: int = 1
    port: int = 0
    passed: int = 0
    lost: int = 0
    _socket: socket.socket = field(init=False)
    _random: random.Random = field(init=False)

    async def __aenter__(self) -> Relay:
        self._random = random.Random(self.seed)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024 * 1024)
        self._socket.setblocking(False)
        self._socket.bind(("127.0.0.1", self.port))
        self.port = self._socket.getsockname()[1]
        asyncio.get_running_loop().add_reader(self._socket, self._relay)
        return self

    async def __aexit__(self, *_: object) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def _relay(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                datagram = self._socket.recv(65536)
                # Janus' packets without content, before each forward, are no video.
                if len(datagram) > 12 and self._random.random() < self.loss:
                    self.lost += 1
                else:
                    self.passed += len(datagram) > 12
                    self._socket.sendto(datagram, self.to)


# aiortc starts with a bit rate of its own; 500 kbit/s is that of a camera in a meeting.
vpx.DEFAULT_BITRATE = h264.DEFAULT_BITRATE = 500_000
