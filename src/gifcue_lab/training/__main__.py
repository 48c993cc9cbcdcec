"""`python -m gifcue_lab.training`: train, average, pack, calibrate, export. `gifcue train` and `gifcue export` do
the same.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from gifcue.errors import ConfigError, GifcueError

report = partial(print, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m gifcue_lab.training", description=__doc__)
    commands = parser.add_subparsers(required=True, dest="command")

    train = commands.add_parser("train", help="train a network, or resume it")
    train.add_argument("config", type=Path)
    train.add_argument("--data-dir", type=Path)
    train.add_argument("--run-dir", type=Path)
    train.add_argument("--epochs", type=int)
    train.add_argument("--start-from", type=Path)

    mistakes = commands.add_parser(
        "mistakes", help="what a model takes for faces and hands on train's photographs"
    )
    mistakes.add_argument("out", type=Path, help="a JSON file, for `mistakes` in a configuration")
    mistakes.add_argument("--model-dir", type=Path, default=Path("models"))
    mistakes.add_argument("--data-dir", type=Path, default=Path("../shared/data"))

    average = commands.add_parser("average", help="the mean of several runs' weights, as a run of its own")
    average.add_argument("config", type=Path, help="describes the network")
    average.add_argument("out", type=Path, help="the folder of the new run")
    average.add_argument("runs", type=Path, nargs="+", help="folders of finished runs of that network")

    pack = commands.add_parser("pack", help="make a model folder from three finished runs, and calibrate it")
    pack.add_argument("configs", type=Path, nargs=3, help="those of the detector, the hand and the face")
    pack.add_argument("--model-dir", type=Path, default=Path("models"))
    pack.add_argument(
        "--run",
        type=_run,
        action="append",
        default=[],
        metavar="NETWORK=DIR",
        help="another run than the configuration's, an average say",
    )

    calibrate = commands.add_parser("calibrate", help="fit scores and thresholds to the people held out")
    calibrate.add_argument("configs", type=Path, nargs=3, help="those of the detector, the hand and the face")
    calibrate.add_argument("--model-dir", type=Path, default=Path("models"))

    for one in (pack, calibrate):
        one.add_argument("--also", help="a split whose people help to choose thresholds, dev say")
        one.add_argument(
            "--keep-scores", action="store_true", help="choose thresholds only, for the scores that are there"
        )

    export = commands.add_parser("export", help="make LiteRT and SavedModel folders, and measure them")
    export.add_argument("out", type=Path)
    export.add_argument("--model-dir", type=Path, default=Path("models"))
    export.add_argument("--data-dir", type=Path, default=Path("../shared/data"))
    given = vars(parser.parse_args())
    try:
        _run_command(given.pop("command"), given)
    except GifcueError as error:
        parser.exit(2, f"{error}\n")


def _run_command(command: str, given: dict[str, Any]) -> None:
    if command == "train":
        from gifcue_lab.training.loop import train as run_training

        run_training(given.pop("config"), report=report, **given)
    elif command == "mistakes":
        from gifcue.cli.progress import rich_track
        from gifcue_lab.training.hard_negatives import find_mistakes

        counts = find_mistakes(given["model_dir"], given["data_dir"], given["out"], track=rich_track)
        report(f"{given['out']}: " + ", ".join(f"{count} {kind}s" for kind, count in counts.items()))
    elif command == "average":
        from gifcue_lab.export.artifacts import average_runs

        average_runs(given["config"], given["runs"], given["out"])
        report(f"{given['out']}: the mean of {len(given['runs'])} runs")
    elif command == "pack":
        from gifcue_lab.export.artifacts import pack as make_folder

        run_dirs = dict(given.pop("run"))
        make_folder(given["configs"], given["model_dir"], run_dirs=run_dirs, report=report)
        _calibrate(**given)
    elif command == "calibrate":
        _calibrate(**given)
    else:
        from gifcue_lab.export.artifacts import export as export_all

        export_all(given["model_dir"], given["out"], data_dir=given["data_dir"], report=report)


def _run(text: str) -> tuple[str, Path]:
    network, separator, folder = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"expected a network and a folder like face=runs/mean, got {text!r}")
    return network, Path(folder)


def _calibrate(configs: Sequence[Path], model_dir: Path, also: str | None, keep_scores: bool) -> None:
    from gifcue_lab.export.calibration import calibrate
    from gifcue_lab.training.config import read_config

    read = [read_config(path) for path in configs]
    strangers = set.intersection(*(set(config.heldout_groups) for config in read))
    if not strangers:
        raise ConfigError("heldout_groups: expected a group that none of the three learned from, got none")
    calibrate(
        model_dir, read[0].data_dir, sorted(strangers), also=also, keep_scores=keep_scores, report=report
    )


if __name__ == "__main__":
    main()
