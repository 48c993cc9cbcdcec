"""Runs a chain of stages in a folder, and makes only what is missing there.

Every stage has a folder with a note of what it is made of. A stage that was interrupted goes on where it stopped: a
training at its last epoch, anything else from its start.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from gifcue.detect.metadata import METADATA
from gifcue.errors import ConfigError
from gifcue_lab.reproduction.lineage import calibrated_on, heads_fitted_to
from gifcue_lab.reproduction.stages import HARD_NEGATIVES, Stage

NOTE = "stage.json"
Report = Callable[[str], None]


def reproduce(
    stages: Sequence[Stage], data_dir: Path, folder: Path, *, until: str | None = None, report: Report = print
) -> None:
    """Makes the results of all stages, or of those up to one.

    Args:
        stages: a chain, as of `read_stages`.
        data_dir: the folder of the splits.
        folder: where every stage gets a folder; it may hold stages that are done already.
        until: the last stage to make; None for all.
        report: receives lines of progress.

    Raises:
        ConfigError: there is no stage `until`; a stage in the folder was made with other settings; or one of the errors
            of training, packing and calibration.
    """
    chosen = up_to(stages, until)
    # Looked at before the first stage runs: a chain takes hours.
    finished = {stage.name: is_done(stage, folder) for stage in chosen}
    left = sum(stage.hours for stage in chosen if not finished[stage.name])
    report(
        f"{len(chosen)} stages, {sum(finished.values())} of them done; about {left:.1f} hours on two cores are left"
    )
    for number, stage in enumerate(chosen, 1):
        title = f"stage {number} of {len(chosen)}, {stage.name}"
        if finished[stage.name]:
            report(f"{title}: done")
            continue
        report(f"{title}: {stage.describe()}; about {stage.hours:.2f} hours")
        started = time.monotonic()
        _note(stage, folder, done=False)
        _run(stage, {each.name: each for each in stages}, data_dir, folder, report)
        _note(stage, folder, done=True)
        report(f"{title}: done in {(time.monotonic() - started) / 3600:.2f} hours")
    report(f"{folder / chosen[-1].name}: {chosen[-1].describe()}")


def up_to(stages: Sequence[Stage], until: str | None) -> Sequence[Stage]:
    """The stages up to and with one; all without one.

    Raises:
        ConfigError: there is no such stage.
    """
    names = [stage.name for stage in stages]
    if until is None:
        return stages
    if until not in names:
        raise ConfigError(f"--until: expected one of {', '.join(names)}, got {until}")
    return stages[: names.index(until) + 1]


def is_done(stage: Stage, folder: Path) -> bool:
    """Whether a folder holds the result of a stage.

    Raises:
        ConfigError: it holds a stage of this name with other settings.
    """
    path = folder / stage.name / NOTE
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
        known, done = note["fingerprint"], note["done"]
    except FileNotFoundError:
        return False
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: expected the note of a stage, got {error!r}") from error
    if known != stage.fingerprint:
        raise ConfigError(
            f"{path.parent}: expected {stage.name} of the same recipes, got one that was made with other settings; "
            "choose another folder, or remove this one and those of the stages that build on it"
        )
    return bool(done)


def _note(stage: Stage, folder: Path, *, done: bool) -> None:
    place = folder / stage.name
    place.mkdir(parents=True, exist_ok=True)
    part = place / f"part-{NOTE}"
    part.write_text(json.dumps({"fingerprint": stage.fingerprint, "done": done}), encoding="utf-8")
    part.replace(place / NOTE)


def _run(stage: Stage, stages: dict[str, Stage], data_dir: Path, folder: Path, report: Report) -> None:
    # Imported here: TensorFlow takes seconds, and a list of the stages needs none of it.
    from gifcue_lab.export.calibration import calibrate
    from gifcue_lab.export.heads.fit import fit_heads
    from gifcue_lab.export.pack import pack
    from gifcue_lab.training.hard_negatives import find_hard_negatives
    from gifcue_lab.training.loop import train
    from gifcue_lab.training.weights import average_runs

    place = folder / stage.name
    if stage.trains and stage.recipe is not None:
        train(stage.recipe, data_dir, folder, report=report)
    elif stage.average and stage.recipe is not None:
        average_runs(stage.recipe, [folder / name for name in stage.average], place)
    elif stage.hard_negatives:
        counts = find_hard_negatives(folder / stage.hard_negatives, data_dir, folder / HARD_NEGATIVES)
        report(", ".join(f"{count} {kind}s" for kind, count in counts.items()))
    else:
        recipes = [recipe for name in stage.pack.values() if (recipe := stages[name].recipe) is not None]
        run_dirs = {task: folder / name for task, name in stage.pack.items()}
        if stage.scores:
            # `pack` keeps the calibration that it finds.
            shutil.copyfile(folder / stage.scores / METADATA, place / METADATA)
        base = folder / stage.base if stage.base else None
        pack(recipes, run_dirs, data_dir, place, base=base, report=report)
        is_new = calibrated_on(stage, stages, data_dir)
        keeps = bool(stage.scores or stage.base)
        calibrate(place, data_dir, is_new, keep_scores=keeps, tasks=list(stage.pack), report=report)
        if stage.heads:
            fit_heads(
                place,
                data_dir,
                heads_fitted_to(stage, stages, data_dir),
                keep_network=stage.keep_network,
                scale_of=folder / stage.scale_of if stage.scale_of else None,
                report=report,
            )
