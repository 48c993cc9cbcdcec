"""The example in docs/websocket.md runs."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from gifcue.client import Codec
from gifcue.sample_video.clips import encode
from gifcue.server.lifecycle import Server
from gifcue.v1 import reaction_service_pb2 as pb
from tests.support.colour_detector import RED, colour_frames
from tests.support.waiting import until

PAGE = Path(__file__).parents[2] / "docs" / "websocket.md"


async def test_the_python_example_sees_a_reaction_and_the_status(server: Server) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    example: dict[str, Any] = {}
    exec(compile(code, str(PAGE), "exec"), example)
    clip = encode(colour_frames(RED, 12), Codec.VP8, 5.0)
    sent = 0

    async def sleep(seconds: float) -> None:
        """In place of the frame interval: until the frame has its outcome."""
        nonlocal sent
        sent += 1
        assert seconds == 1 / 5
        frames = server.engine.statistics
        await until(lambda: frames().frames.received == sent and not frames().frames.in_flight)

    asyncio = example["asyncio"]
    example["asyncio"] = SimpleNamespace(create_task=asyncio.create_task, sleep=sleep)
    url = f"ws://127.0.0.1:{server.http_port}/stream"
    seen, close_code = await example["reactions"](url, [each.payload for each in clip.packets], 5)
    assert seen == [("smile", pb.PHASE_STARTED), ("smile", pb.PHASE_ENDED)]
    assert close_code == 4000
