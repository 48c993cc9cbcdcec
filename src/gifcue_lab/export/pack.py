"""A model folder from finished runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gifcue.detect.metadata import METADATA
from gifcue.errors import ConfigError
from gifcue_lab.export.litert import Report, export_litert
from gifcue_lab.export.metadata import read_raw, update_metadata, write_metadata
from gifcue_lab.export.quantise import add_int8
from gifcue_lab.training.recipe import Recipe
from gifcue_lab.training.run_state import check_packable
from gifcue_lab.training.shapes import NETWORKS
from gifcue_lab.training.weights import load_networks, load_run, save_networks


def pack(
    recipes: Sequence[Recipe],
    run_dirs: Mapping[str, Path],
    data_dir: Path,
    model_dir: Path,
    *,
    base: Path | None = None,
    report: Report = print,
) -> None:
    """Writes a model folder: weights, LiteRT files in float and int8, label map and metadata.

    Calibration and thresholds are those of `write_metadata`, with neutral ones for labels that no model has. The
    networks of `base` keep their files: the ranges of int8 come from
    more pictures there than somebody has who trains one network.

    Args:
        recipes: one for each network that was trained.
        run_dirs: the folders of the finished runs by task.
        data_dir: labelled photographs, for the ranges of int8.
        model_dir: the folder to write.
        base: the model that gives the networks without a recipe.
        report: receives the sizes of the files, and a warning of each run that is not finished.

    Raises:
        ConfigError: a run or the photographs are missing, or without `base` a recipe.
    """
    by_task: dict[str, Recipe] = {recipe.task: recipe for recipe in recipes}
    if len(by_task) < len(recipes):
        tasks = ", ".join(recipe.task for recipe in recipes)
        raise ConfigError(f"recipes: expected one for each network, got several for one: {tasks}")
    missing = [name for name in NETWORKS if name not in by_task]
    if missing and base is None:
        raise ConfigError(
            f"recipes: expected one each for {', '.join(NETWORKS)}, got none for {', '.join(missing)}; --base shipped "
            "takes these from gifcue's model, --base DIR from another"
        )
    for name, recipe in by_task.items():
        if said := check_packable(recipe, run_dirs[name]):
            report(said)
    networks = {name: load_run(by_task[name], run_dirs[name]) for name in by_task}
    if missing and base is not None:
        networks |= {name: network for name, network in load_networks(base).items() if name in missing}
    # Read before anything is written: `base` may be the folder itself.
    taken = _read_files(base, missing) if base is not None else {}
    model_dir.mkdir(parents=True, exist_ok=True)
    # First, because it reads what must be there.
    write_metadata(model_dir, by_task, base)
    save_networks(model_dir, networks)
    _write_files(model_dir, taken)
    made = [name for name in NETWORKS if name not in taken]
    export_litert(model_dir, only=made, report=report)
    add_int8(model_dir, data_dir, only=made, report=report)


# The entry of a network's files in the metadata, and their contents by name.
_Files = tuple[dict[str, Any], dict[str, bytes]]


def _read_files(model_dir: Path, names: Sequence[str]) -> dict[str, _Files]:
    """The LiteRT files of these networks, of those that the folder has in int8."""
    listed = read_raw(model_dir / METADATA)["files"]
    files = {}
    for name in names:
        entry = listed[name]
        if "int8" in entry:
            paths = [each["path"] for each in (entry, entry["int8"])]
            files[name] = (entry, {path: (model_dir / path).read_bytes() for path in paths})
    return files


def _write_files(model_dir: Path, files: Mapping[str, _Files]) -> None:
    for _, contents in files.values():
        for path, content in contents.items():
            (model_dir / path).write_bytes(content)

    def change(metadata: dict[str, Any]) -> None:
        metadata["files"].update({name: entry for name, (entry, _) in files.items()})

    update_metadata(model_dir, change)
