"""What the client of the pages sends, and what it leaves out, as docs/integrating.md asks. Node runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.node import run_with_static

SCRIPT = Path(__file__).with_name("stream.mjs")


@pytest.mark.parametrize("wire", ["js/wire.js", "tap/wire.js"])
def test_a_page_keeps_the_contract_of_the_wire(wire: str) -> None:
    assert run_with_static(SCRIPT, wire) == {
        "unheard": {"isSent": [True, False, True, False], "updates": ["join ada", "join ada"]},
        "final": {
            "isSent": [False, False, True, True],
            "updates": ["join ada", "join ada", "join bob", "join bob"],
        },
        "late": {"isSent": [False, True, False, False], "sent": [3, 3]},
        "waiting": [1, ["ENDED", "r1", "refused"]],
        "numbers": "1",
        "closed": [[], []],
        "refused": {
            "updates": ["join ada"],
            "events": [["STARTED", "r1", ""], ["ENDED", "r1", "refused"]],
        },
        "second": {
            "isSent": False,
            "updates": ["join ada", "join ada", "allowed ada", "dismiss ada", "leave ada"],
            "events": [["STARTED", "r1", ""], ["ENDED", "r1", "stream_lost"]],
        },
        "dismissals": ["join ada"],
        "drain": [["STARTED", "r1", ""], ["ENDED", "r1", "stream_lost"]],
        "alive": True,
        "still": ["config", "participant"],
        "page": [[False], [False], [True]],
        "latency": [250, 50],
        "speaking": [
            ["join ada", "speaking ada", "leave ada"],
            ["join ada", "speaking ada", "leave ada"],
            ["join ada", "leave ada"],
        ],
        "codecs": [[3, 1, 2, ["join ada"]], [3, 2, 1, ["join ada", "join ada", "leave ada"]]],
    }
