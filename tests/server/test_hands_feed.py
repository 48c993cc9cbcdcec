"""The frames that wait for one reader of a stream's hands."""

from __future__ import annotations

import json

from gifcue.engine.teaching import SeenHands
from gifcue.server.hands_feed import MAX_WAITING, HandsFeed
from gifcue.server.teach_messages import line_of


async def test_a_slow_reader_loses_the_oldest_frames_and_learns_how_many() -> None:
    feed = HandsFeed()
    for number in range(MAX_WAITING + 3):
        feed.add(SeenHands("ada", number, 1.5, ()))
    lines = [json.loads(line_of(await feed.take(), feed.dropped)) for _ in range(MAX_WAITING)]
    assert [line["sequence"] for line in lines] == list(range(3, MAX_WAITING + 3))
    assert {line["dropped"] for line in lines} == {3}
