from __future__ import annotations

from typing import Any

import pytest

from gifcue_lab.evaluation.parts import read_parts
from tools.model_card.__main__ import BEGIN, CARD, END, README, ROOT, between_markers, check, summary

DOCUMENT = f"# Card\n\n{BEGIN}\nold\n{END}\nafter\n"


def report(**more: Any) -> dict[str, Any]:
    face = {"positives": 1200, "ap50": 0.9391, "f1": 0.925, "intervals": {"ap50": [0.89, 0.98], "f1": None}}
    return {
        "pictures": 2315,
        "groups": 89,
        "labels": {"face": face, "smile": {**face, "positives": 3, "ap50": None, "intervals": None}},
        "false_gestures": {"frames": {"frames": 1171, "rate": 0.006, "interval": [0.002, 0.012]}},
        "overlapping_hands": {"hands": 816, "overlap": 0.1, "recall": 0.8, "interval": [0.711, 0.883]},
        "thresholds_saw_these_pictures": False,
        "thresholds_chosen_on": ["people of train"],
        **more,
    }


def test_figures_replace_those_between_the_markers() -> None:
    written = between_markers(DOCUMENT, "\n| label | there |\n")
    assert written == f"# Card\n\n{BEGIN}\n\n| label | there |\n\n{END}\nafter\n"
    assert between_markers(written, "| label | there |") == written


@pytest.mark.parametrize("document", ["# Card\n", DOCUMENT + END, END + BEGIN])
def test_a_document_without_its_markers_is_refused(document: str) -> None:
    with pytest.raises(ValueError, match="expected one line"):
        between_markers(document, "| label |")


def test_the_summary_has_a_column_for_each_label() -> None:
    lines = summary(report()).splitlines()
    assert lines[0] == "|  | face | smile |"
    assert lines[2:7] == [
        "| labelled | 1,200 | 3 |",
        "| AP50 | 0.939 | – |",
        "| 95 % | 0.89–0.98 | – |",
        "| F1 | 0.925 | 0.925 |",
        "| 95 % | – | – |",
    ]
    assert "in 0.6 % (0.2–1.2 %) of 1,171 frames" in lines[-1]
    assert "Of 816 hands that lie over a face by 10 % or more, 80.0 % (71.1–88.3 %) are found." in lines[-1]


@pytest.mark.parametrize("saw", [True, None])
def test_thresholds_that_saw_the_pictures_are_refused(saw: bool | None) -> None:
    check(report())
    with pytest.raises(ValueError, match="chosen on dev"):
        check(report(thresholds_saw_these_pictures=saw, thresholds_chosen_on=["dev"]))


def test_the_documents_have_their_markers_and_the_parts_can_be_read() -> None:
    for path in (CARD, README):
        assert "| label |" in between_markers(path.read_text(encoding="utf-8"), "| label |")
    folder = ROOT / "tools" / "model_card"
    assert [part.name for part in read_parts(folder / "parts.toml")] == ["first", "webcams", "portraits"]
