"""`python -m gifcue.training CONFIG`: trains what the file describes, or resumes it."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m gifcue.training", description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--run-dir", type=Path)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--start-from", type=Path)
    parser.add_argument("--learning-rate", type=float)
    given = parser.parse_args()
    from gifcue.training.loop import train

    settings = {name: value for name, value in vars(given).items() if name != "config"}
    train(given.config, report=partial(print, flush=True), **settings)


if __name__ == "__main__":
    main()
