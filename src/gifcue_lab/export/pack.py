"""A model folder from finished runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from gifcue.errors import ConfigError
from gifcue_lab.export.litert import Report, export_litert
from gifcue_lab.export.metadata import write_metadata
from gifcue_lab.export.quantise import add_int8
from gifcue_lab.training.recipe import Recipe
from gifcue_lab.training.weights import NETWORKS, load_run, save_networks


def pack(
    recipes: Sequence[Recipe],
    run_dirs: Mapping[str, Path],
    data_dir: Path,
    model_dir: Path,
    *,
    report: Report = print,
) -> None:
    """Writes a model folder: weights, LiteRT files in float and int8, and metadata.

    Calibration and thresholds that the folder already holds are kept; a new folder gets neutral ones. The label map
    is not written.

    Args:
        recipes: one each for the detector, the hand and the face network, in any order.
        run_dirs: the folders of the finished runs by task.
        data_dir: labelled photographs, for the ranges of int8.
        model_dir: the folder to write.
        report: receives the sizes of the files.

    Raises:
        ConfigError: a recipe, a run or the photographs are missing.
    """
    by_task: dict[str, Recipe] = {recipe.task: recipe for recipe in recipes}
    for what, given in (("recipes", by_task), ("run_dirs", run_dirs)):
        if missing := [name for name in NETWORKS if name not in given]:
            raise ConfigError(
                f"{what}: expected one each for {', '.join(NETWORKS)}, none for {', '.join(missing)}"
            )
    networks = {name: load_run(by_task[name], run_dirs[name]) for name in NETWORKS}
    model_dir.mkdir(parents=True, exist_ok=True)
    save_networks(model_dir, networks)
    write_metadata(model_dir, by_task)
    export_litert(model_dir, report=report)
    add_int8(model_dir, data_dir, report=report)
