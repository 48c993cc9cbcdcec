from __future__ import annotations

import pytest

from gifcue_lab.evaluation.parts import read_parts
from gifcue_lab.evaluation.properties import read_tags
from tools.model_card.__main__ import BEGIN, CARD, END, with_figures

CARD_TEXT = f"# Card\n\n{BEGIN}; see below -->\nold\n{END}\nafter\n"


def test_figures_replace_those_between_the_markers() -> None:
    written = with_figures(CARD_TEXT, "\n| label | there |\n")
    assert written == f"# Card\n\n{BEGIN}; see below -->\n\n| label | there |\n\n{END}\nafter\n"
    assert with_figures(written, "| label | there |") == written


@pytest.mark.parametrize(
    ("card", "figures"),
    [
        ("# Card\n", "| label |"),
        (CARD_TEXT + END, "| label |"),
        (END + BEGIN, "| label |"),
        (CARD_TEXT, "Error: …"),
    ],
)
def test_a_card_without_markers_and_figures_without_tables_are_refused(card: str, figures: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        with_figures(card, figures)


def test_the_card_has_its_markers_and_the_files_can_be_read() -> None:
    assert "| label |" in with_figures(CARD.read_text(encoding="utf-8"), "| label |")
    folder = CARD.parents[1] / "tools" / "model_card"
    assert [part.name for part in read_parts(folder / "parts.toml")] == ["first", "webcams", "portraits"]
    tags = read_tags(folder / "tags.csv")
    assert {name: set(values.values()) for name, values in tags.values.items()} == {
        "glasses": {"yes", "no"},
        "beard": {"yes", "no"},
    }
