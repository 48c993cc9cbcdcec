"""Writes the figures of the model card, models/README.md, between its markers: `make model-card DATA=FOLDER`.

Reads the tables as Markdown from stdin, as `gifcue-lab evaluate images … --markdown` prints them.
"""

from __future__ import annotations

import sys
from pathlib import Path

CARD = Path(__file__).parents[2] / "models" / "README.md"
BEGIN, END = "<!-- make model-card writes from here", "<!-- to here -->"


def with_figures(card: str, figures: str) -> str:
    """The card with these figures. Raises `ValueError` if it does not have both markers once, or there is no table."""
    if card.count(BEGIN) != 1 or card.count(END) != 1 or card.index(BEGIN) > card.index(END):
        raise ValueError(f"{CARD}: expected one line {BEGIN!r} and after it one line {END!r}")
    if "| label |" not in figures:
        raise ValueError(
            f"expected the tables of gifcue-lab evaluate images --markdown, got {figures[:80]!r}"
        )
    head, rest = card.split(BEGIN)
    marker = BEGIN + rest[: rest.index("\n")]
    return f"{head}{marker}\n\n{figures.strip()}\n\n{END}{rest.split(END)[1]}"


def main() -> None:
    try:
        text = with_figures(CARD.read_text(encoding="utf-8"), sys.stdin.read())
    except ValueError as error:
        raise SystemExit(str(error)) from None
    CARD.write_text(text, encoding="utf-8")
    print(f"{CARD}: figures written")


if __name__ == "__main__":
    main()
