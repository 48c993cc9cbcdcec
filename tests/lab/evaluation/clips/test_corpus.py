"""From the list of events of a corpus to events.json."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gifcue_lab.cli.app import app
from gifcue_lab.datasets.annotation import DatasetError
from gifcue_lab.evaluation.clips.corpus import Columns, Meaning, convert_events
from gifcue_lab.evaluation.clips.truth import Expected, read_clips

# As IPN Hand writes it: frames from 1, the last one included, and videos without a suffix.
LIST = """video,label,id,t_start,t_end,frames
one,D0X,1,1,90,90
one,G07,11,91,120,30
two,G05,9,1,60,60
"""
NOTHING = Meaning({}, {})


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    (tmp_path / "list.txt").write_text(LIST, encoding="utf-8")
    (tmp_path / "videos").mkdir()
    for name in ("one.avi", "other.avi"):
        (tmp_path / "videos" / name).write_bytes(b"")
    return tmp_path


def test_a_corpus_becomes_what_the_evaluation_reads(corpus: Path) -> None:
    videos = corpus / "videos"
    args = ["--expect", "G07=wave", "--allow", "smile", "--allow", "D0X=thinking"]
    ran = CliRunner().invoke(app, ["dataset", "events", str(corpus / "list.txt"), str(videos), *args])
    assert ran.exit_code == 0, ran.output
    assert "1 videos; events: 1 D0X, 1 G05, 1 G07" in ran.stdout.replace("\n", "")
    assert "left out" in ran.stderr
    assert "two" in ran.stderr
    (clip,) = read_clips(videos)
    assert clip.name == "one.avi"
    assert clip.expect == (Expected(label="wave", start_s=3.0, end_s=4.0),)
    assert clip.allow == {"smile"}
    assert clip.allow_spans == (Expected(label="thinking", start_s=0.0, end_s=3.0),)
    assert [(part.kind, part.start_s, part.end_s) for part in clip.segments] == [
        ("D0X", 0.0, 3.0),
        ("G07", 3.0, 4.0),
    ]


def test_an_existing_file_is_kept_unless_it_is_to_be_replaced(corpus: Path) -> None:
    (corpus / "videos" / "events.json").write_text("mine", encoding="utf-8")
    args = ["dataset", "events", str(corpus / "list.txt"), str(corpus / "videos")]
    ran = CliRunner().invoke(app, args)
    assert ran.exit_code == 2
    assert "--force" in ran.stderr
    assert (corpus / "videos" / "events.json").read_text(encoding="utf-8") == "mine"
    assert CliRunner().invoke(app, [*args, "--force"]).exit_code == 0
    assert len(read_clips(corpus / "videos")) == 1


def test_a_list_without_names_has_the_columns_of_ipn_hand(corpus: Path) -> None:
    path, videos = corpus / "list.txt", corpus / "videos"
    named = convert_events(path, videos, fps=30.0, meaning=NOTHING)
    path.write_text(LIST.split("\n", 1)[1], encoding="utf-8")
    assert convert_events(path, videos, fps=30.0, meaning=NOTHING).content == named.content


def test_other_columns_and_rates(corpus: Path) -> None:
    path = corpus / "list.txt"
    path.write_text("clip,from,to,what\none.avi,1,25,nod\n", encoding="utf-8")
    columns = Columns("clip", "what", "from", "to")
    done = convert_events(path, corpus / "videos", fps=25.0, meaning=NOTHING, columns=columns)
    (nod,) = json.loads(json.dumps(done.content))["clips"]["one.avi"]["segments"]
    assert nod == {"kind": "nod", "start_s": 0.0, "end_s": 1.0}


@pytest.mark.parametrize(
    ("text", "meaning", "message"),
    [
        ("", NOTHING, "expected a list of events, got an empty file"),
        ("a,b\n", NOTHING, "expected the columns video, label, t_start, t_end in the first line, got a,"),
        (LIST + "one,G07,11,x,7,3\n", NOTHING, "line 5: expected whole numbers"),
        (LIST + "one,G07\n", NOTHING, "line 5: expected whole numbers"),
        (LIST + "one,G07,11,9,7,3\n", NOTHING, "line 5: expected frames from 1 up, got 9 to 7"),
        (LIST, Meaning({"G99": "wave"}, {}), "expected one of its classes D0X, G05, G07, got 'G99'"),
        (LIST.replace("one", "none"), NOTHING, "expected videos such as none"),
    ],
)
def test_mistakes_are_named(corpus: Path, text: str, meaning: Meaning, message: str) -> None:
    (corpus / "list.txt").write_text(text, encoding="utf-8")
    with pytest.raises(DatasetError, match=message):
        convert_events(corpus / "list.txt", corpus / "videos", fps=30.0, meaning=meaning)
