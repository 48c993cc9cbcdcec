from __future__ import annotations

import json

import pytest

from gifcue.cli.room_report import report_room, teller
from gifcue.ingest.report import Notice, PublisherTotals

NOTICE = Notice("subscribed", "ada", "Ada \x1b[2J\r", "vp8")
TOTALS = {"a\x07da": PublisherTotals(5, 4, 3, 1, 2, {"late": 1, "ended": 2})}


def test_a_name_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    teller("livekit", as_json=False)(NOTICE)
    report_room(TOTALS, {"unknown_source": 7}, "packets", as_json=False)
    out = capsys.readouterr().out
    assert out == (
        "ada (Ada �[2J�): subscribed vp8\n"
        "a�da: 5 packets, 4 frames, 3 sent, 1 not sent, 2 keyframes requested; dropped: 2 ended, 1 late\n"
        "packets of no publisher: 7 unknown_source\n"
    )


def test_problems_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    teller("livekit", as_json=False)(Notice("refused", "ada", "", "why"))
    assert capsys.readouterr() == ("", "ada: refused why\n")


def test_programs_get_the_whole_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    teller("livekit", as_json=True)(NOTICE)
    report_room(TOTALS, {}, "packets", as_json=True)
    notice, ada, nobody = map(json.loads, capsys.readouterr().out.splitlines())
    assert (notice["type"], notice["display"]) == ("livekit", "Ada \x1b[2J\r")
    assert (ada["participant"], ada["frames"], ada["dropped"]) == ("a\x07da", 4, {"ended": 2, "late": 1})
    assert nobody == {"type": "summary", "participant": None, "dropped": {}}
