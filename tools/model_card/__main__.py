"""Writes figures of the model into models/README.md (the model card) and README.md: `make model-card DATA=FOLDER`.

Reads the report of `gifcue-lab evaluate images … --json` from stdin, and writes between the markers of each document.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gifcue_lab.evaluation.tables import interval, percent, percent_interval, share
from gifcue_lab.evaluation.text import markdown

ROOT = Path(__file__).parents[2]
CARD, README = ROOT / "models" / "README.md", ROOT / "README.md"
BEGIN, END = "<!-- make model-card writes from here -->", "<!-- to here -->"


def between_markers(document: str, figures: str) -> str:
    """The document with these figures. Raises `ValueError` if it does not have both markers once, in their order."""
    if document.count(BEGIN) != 1 or document.count(END) != 1 or document.index(BEGIN) > document.index(END):
        raise ValueError(f"expected one line {BEGIN!r} and after it one line {END!r}")
    head, rest = document.split(BEGIN)
    return f"{head}{BEGIN}\n\n{figures.strip()}\n\n{END}{rest.split(END)[1]}"


def check(report: Mapping[str, Any]) -> None:
    """Raises `ValueError` if the thresholds are not known to be chosen on other people, as the documents say."""
    if report["thresholds_saw_these_pictures"] is not False:
        raise ValueError(
            "expected thresholds that were chosen on other pictures, got thresholds that were chosen on "
            f"{', '.join(report['thresholds_chosen_on'] or ['something unknown'])}"
        )


def summary(report: Mapping[str, Any]) -> str:
    """The short table of README.md."""
    labels = report["labels"]
    intervals = {label: found["intervals"] or {} for label, found in labels.items()}
    rows = [
        ("labelled", [f"{found['positives']:,}" for found in labels.values()]),
        ("AP50", [share(found["ap50"]) for found in labels.values()]),
        ("95 %", [interval(intervals[label].get("ap50")) for label in labels]),
        ("F1", [share(found["f1"]) for found in labels.values()]),
        ("95 %", [interval(intervals[label].get("f1")) for label in labels]),
    ]
    table = [["", *labels], ["---"] * (len(labels) + 1), *([name, *cells] for name, cells in rows)]
    lines = [f"| {' | '.join(row)} |" for row in table]
    frames, over = report["false_gestures"]["frames"], report["overlapping_hands"]
    false = f"{percent(frames['rate'])} ({percent_interval(frames['interval'])})"
    found = f"{percent(over['recall'])} ({percent_interval(over['interval'])})"
    lines += [
        "",
        f"{report['pictures']:,} photographs of {report['groups']} groups. A gesture is wrongly detected in {false} of "
        f"{frames['frames']:,} frames whose hands make none. Of {over['hands']:,} hands that lie over a face by "
        f"{100 * over['overlap']:.0f} % or more, {found} are found.",
    ]
    return "\n".join(lines)


def main() -> None:
    try:
        report = json.load(sys.stdin)
        check(report)
        written = {
            path: between_markers(path.read_text(encoding="utf-8"), figures)
            for path, figures in ((CARD, markdown(report)), (README, summary(report)))
        }
    except (ValueError, KeyError) as error:
        raise SystemExit(f"expected the report of gifcue-lab evaluate images --json: {error}") from None
    for path, text in written.items():
        path.write_text(text, encoding="utf-8")
        print(f"{path.relative_to(ROOT)}: figures written")


if __name__ == "__main__":
    main()
