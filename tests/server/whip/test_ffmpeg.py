"""FFmpeg, in the version that PyAV brings, sends by its WHIP muxer: one smile, and every frame is counted."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import av
import pytest
from aiortc import RTCCertificate
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gifcue.access.files import add_entry
from gifcue.access.grants import Scope
from gifcue.access.issue import issue_token, new_key
from tests.server.whip.kit import base, whip_server
from tests.support.waiting import until

FRAMES = 45


@pytest.mark.skipif(
    "whip" not in av.formats_available, reason="expected FFmpeg 8 with WHIP in PyAV, got none"
)
async def test_ffmpeg_sends_with_a_token(tmp_path: Path) -> None:
    # FFmpeg makes a certificate on a curve that OpenSSL refuses (secp224r1), so it is given one (docs/ingest.md).
    made = RTCCertificate.generateCertificate()
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    certificate.write_bytes(made._cert.public_bytes(Encoding.PEM))
    key.write_bytes(made._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    keys, signing = tmp_path / "keys.toml", new_key("one", "EdDSA")
    add_entry(keys, signing.entry)
    token = issue_token(
        signing.signing, key_name="one", scopes=[Scope.STREAM], now_s=time.time(), lifetime_s=60.0,
        rooms=["studio"], labels=["smile"],
    )  # fmt: skip
    async with whip_server(access={"keys": keys}) as server:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.server.whip.ffmpeg", f"{base(server)}/whip/studio/encoder"),
            *(str(certificate), str(key), str(FRAMES), token),
        )
        try:
            async with asyncio.timeout(60):
                assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        figures = server.engine.statistics
        # FFmpeg ends its session, too.
        await until(lambda: figures().sessions == 0)
        await until(lambda: figures().frames.in_flight == 0)
        assert figures().frames.received == FRAMES
        assert figures().reactions == {"smile": 1}
        assert server._whip is not None
        assert server._whip.sessions.ended == {"deleted": 1}
