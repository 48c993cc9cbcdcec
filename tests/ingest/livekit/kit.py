"""A real livekit-server, and tokens for who takes part in its rooms."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest

from gifcue.ingest.livekit.access import LiveKitAccess, Tokens
from tests.ingest.janus.kit import media_address
from tests.support.waiting import until

ROOM = "meeting"
KEY, SECRET = "the-key", "a-secret-of-more-than-thirty-two-bytes"
_SERVER, _CLIENT = "livekit-server-1.13.5", "livekit-client-2.23.0/dist/livekit-client.umd.js"


def peer_file(name: str) -> Path:
    """What tools/setup_peers.sh has put into its cache. Skips the test where it is missing, and fails it in CI."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    found = Path(os.environ.get("GIFCUE_PEERS_CACHE") or caches / "gifcue/peers") / name
    if not found.exists():
        message = f"expected {found} (make setup-peers), got none"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found


def browser_library() -> Path:
    """livekit-client, as one script for a page."""
    return peer_file(_CLIENT)


def access() -> LiveKitAccess:
    """The server's key."""
    return LiveKitAccess(KEY, SECRET)


def tokens(identity: str = "gifcue", room: str = ROOM) -> Tokens:
    """For the adapter."""
    return Tokens(access(), room, identity)


def join_token(
    identity: str, attributes: Mapping[str, str] | None = None, room: str = ROOM, name: str = ""
) -> str:
    """For a participant that publishes."""
    now = int(time.time())
    claims = {
        "iss": KEY,
        "sub": identity,
        "name": name,
        "nbf": now - 10,
        "exp": now + 3600,
        "attributes": dict(attributes or {}),
        "video": {"roomJoin": True, "room": room, "canUpdateOwnMetadata": True},
    }
    return jwt.encode(claims, SECRET, algorithm="HS256")


@dataclass(slots=True)
class RealLiveKit:
    """A running server. `url` is the address for signalling."""

    url: str
    folder: Path
    process: asyncio.subprocess.Process
    arguments: Sequence[str]

    @property
    def log(self) -> str:
        """What it has printed so far."""
        return (self.folder / "livekit.log").read_text(errors="replace")

    async def restart(self) -> None:
        """Ends it as a crash does, and starts it again on the same ports."""
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()
        self.process = await _start(self.arguments, self.folder)
        await _until_open(self)

    async def ask(self, method: str, room: str = ROOM, **fields: Any) -> dict[str, Any]:
        """A call of LiveKit's API for servers."""
        now = int(time.time())
        video = {"roomAdmin": True, "room": room, "roomCreate": True, "roomList": True}
        claims = {"iss": KEY, "sub": "test", "nbf": now - 10, "exp": now + 600, "video": video}
        headers = {"Authorization": f"Bearer {jwt.encode(claims, SECRET, algorithm='HS256')}"}
        address = self.url.replace("ws://", "http://") + f"/twirp/livekit.RoomService/{method}"
        async with (
            aiohttp.ClientSession() as http,
            http.post(address, json={"room": room, **fields}, headers=headers) as answer,
        ):
            body: dict[str, Any] = await answer.json()
            assert answer.status == 200, body
            return body


@asynccontextmanager
async def running_livekit(folder: Path, *, ice_lite: bool = False) -> AsyncIterator[RealLiveKit]:
    """A server with ports of its own."""
    program = peer_file(_SERVER)
    port, udp_port = _free_port(socket.SOCK_STREAM), _free_port(socket.SOCK_DGRAM)
    config = folder / "livekit.yaml"
    config.write_text(
        f"""port: {port}
bind_addresses: ["127.0.0.1"]
rtc:
  udp_port: {udp_port}
  tcp_port: 0
  use_external_ip: false
  node_ip: "{media_address()}"
  use_mdns: false
  use_ice_lite: {str(ice_lite).lower()}
room: {{ empty_timeout: 300, departure_timeout: 2 }}
keys: {{ {KEY}: {SECRET} }}
logging: {{ level: info, json: true }}
""",
        encoding="utf-8",
    )
    arguments = [str(program), "--config", str(config)]
    server = RealLiveKit(f"ws://127.0.0.1:{port}", folder, await _start(arguments, folder), arguments)
    try:
        await _until_open(server)
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            server.process.send_signal(signal.SIGKILL)
        await server.process.wait()


async def _start(arguments: Sequence[str], folder: Path) -> asyncio.subprocess.Process:
    with (folder / "livekit.log").open("ab") as log:
        return await asyncio.create_subprocess_exec(*arguments, stdout=log, stderr=log, cwd=folder)


async def _until_open(server: RealLiveKit) -> None:
    port = int(server.url.rpartition(":")[2])

    def is_open() -> bool:
        assert server.process.returncode is None, server.log
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    await until(is_open)


def _free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
