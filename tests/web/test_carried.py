"""The client of the pages carries reactions and cooldowns from server to server. Node runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.node import run_with_static

SCRIPT = Path(__file__).with_name("carried.mjs")


@pytest.mark.parametrize("wire", ["js/wire.js", "tap/wire.js"])
def test_a_page_carries_what_is_under_way_to_the_next_server(wire: str) -> None:
    assert run_with_static(SCRIPT, wire) == {
        "room": ["bears"],
        "running": [["r1", "smile"]],
        "rules": ["bears"],
        "speaking": True,
        "events": [
            ["STARTED", "r1", ""],
            ["HOLDING", "h1", ""],
            ["CANCELLED", "h1", "stream_lost"],
            ["ENDED", "r1", "released"],
            ["STARTED", "r2", ""],
            ["STARTED", "w1", ""],
            ["ENDED", "w1", "not_allowed"],
            ["ENDED", "r2", "stream_lost"],
        ],
        "drain": {
            "before": ["ada"],
            "isTaken": False,
            "after": ["ada", "bob"],
            "events": [
                ["STARTED", "d1", ""],
                ["ENDED", "d1", "released"],
                ["STARTED", "d2", ""],
                ["ENDED", "d2", "stream_lost"],
            ],
        },
        "full": {
            "joins": ["ada", "ada", "ada"],
            "isSent": [False, True, False, True],
            "events": [["STARTED", "c1", ""], ["ENDED", "c1", "refused"]],
        },
        "pauses": [True, True, True, False],
        "uncarried": {
            "state": {"running": [], "cooldowns": [], "gifCooldowns": []},
            "room": {"gifCooldowns": []},
            "lost": ["stream_lost"],
            "twice": [],
        },
        "cooldowns": [[], [{"label": "smile", "remainingMs": 501}]],
        "crowded": [
            [["ENDED", "r0", "stream_lost"], ["STARTED", "r256", ""]],
            [["ENDED", "r0", "stream_lost"], ["STARTED", "r4096", ""]],
            [["CANCELLED", "r0", "stream_lost"], ["HOLDING", "r4096", ""]],
        ],
    }
