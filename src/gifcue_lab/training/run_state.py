"""What the folder of a run says: how far it is, and what it was made of. Imports no Keras.

A run is resumed by the command that started it. So a command with other settings or other pictures must be told from
one that goes on: it would otherwise find the finished run, and train nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, fields
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from gifcue.errors import ConfigError
from gifcue.media.files import PICTURE_SUFFIXES
from gifcue_lab.training.recipe import Recipe
from gifcue_lab.training.shapes import SHAPE_KEYS, WEIGHTS

STATE = "state.json"
CHECKPOINTS = "checkpoint-[0-9]*"
# Of a run's state: what it was made of. States that were written without it are resumed unchecked.
MADE_OF = "made_of"
# Of a run's state: the epochs that it was to have. States that were written without it have those of the recipe.
EPOCHS = "epochs"
# Keys that a run and the recipe that it is packed by have in common: the network, what metadata says of it, and what
# it was trained on. What is held out is compared by itself.
_PACKED = ("task", "width", "height", "own_units", *SHAPE_KEYS, "margin", "trained_groups", "new_labels_only")
# Keys of a recipe that may change between two parts of a run. `name` is the name of its folder.
_FREE = ("name", "folder", "epochs", "evaluate_every", "early_stopping_patience", "loader_threads")
# Files that a recipe names and that training reads.
_NAMED_FILES = ("hard_negatives", "label_overrides")
# What of the train split training reads. Other files, such as those of an editor, make no difference.
_READ = (*PICTURE_SUFFIXES, ".xml", ".npz")


def made_of(recipe: Recipe, data_dir: Path, runs_dir: Path) -> dict[str, Any]:
    """What a run is made of, as a JSON object: the settings that are not the default, and a digest of what it reads.

    The digest is of the names and the contents of pictures and labels in the train split, and of the files that the
    recipe names. A run that starts from other weights has left them behind with its first checkpoint, so these count
    only where a part of them is kept (`new_labels_only`).

    Raises:
        ConfigError: there are no pictures, or a file that the recipe names is missing.
    """
    root = data_dir / "train"
    pictures = sorted(path for path in root.rglob("*") if path.suffix.lower() in _READ and path.is_file())
    if not pictures:
        raise ConfigError(f"{root}: expected photographs with labels, got none")
    contents: list[tuple[str, Path | Traversable]] = [
        (path.relative_to(root).as_posix(), path) for path in pictures
    ]
    contents += [(key, found) for key in _NAMED_FILES if (found := recipe.find(key, runs_dir)) is not None]
    start = recipe.start(runs_dir) if recipe.new_labels_only else None
    if start is not None and (start / WEIGHTS).is_file():
        contents.append(("start_from", start / WEIGHTS))
    return {"settings": _settings(recipe), "files": _digest(contents)}


def read_state(run_dir: Path) -> dict[str, Any] | None:
    """The state of the latest checkpoint; None without one.

    Raises:
        ConfigError: it is damaged.
    """
    folder = latest_checkpoint(run_dir)
    if folder is None:
        return None
    try:
        state: dict[str, Any] = json.loads((folder / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{folder}: expected the state of a training, got {error}") from error
    return state


def latest_checkpoint(run_dir: Path) -> Path | None:
    """The folder of the latest checkpoint; None without one."""
    return max(run_dir.glob(CHECKPOINTS), default=None)


def check_same(run_dir: Path, made: Mapping[str, Any]) -> None:
    """Refuses to resume a run that is made of something else than `made`.

    Raises:
        ConfigError: the run has other settings or other pictures, or its state is damaged.
    """
    state = read_state(run_dir)
    before = None if state is None else state.get(MADE_OF)
    if before is None:
        return
    keys = _differences(before["settings"], made["settings"])
    others = [f"other settings ({', '.join(keys)})"] if keys else []
    if before["files"] != made["files"]:
        others.append("other pictures, labels or files that the recipe names")
    if others:
        raise ConfigError(
            f"{run_dir}: expected a run of this recipe and of these pictures, got one with {' and '.join(others)}; "
            "remove the folder, or give the new run another name"
        )


def check_packable(recipe: Recipe, run_dir: Path) -> str:
    """What is to be said of a run whose weights are taken; empty if it is finished.

    A folder without a checkpoint, such as a mean of several runs, says nothing.

    Raises:
        ConfigError: the run was trained for other labels or another network, or on what the recipe holds out; or its
            state is damaged.
    """
    state = read_state(run_dir)
    if state is None:
        return ""
    before = state.get(MADE_OF)
    if before is not None:
        keys = _differences(before["settings"], _settings(recipe))
        wrong = [key for key in keys if key in _PACKED]
        if wrong := wrong + _trained_on_held_out(recipe, before["settings"]):
            raise ConfigError(
                f"{run_dir}: expected a run of this recipe, got one with other settings ({', '.join(wrong)}); "
                "train first"
            )
    idle = int(state.get("evaluations_without_progress", 0))
    epochs = int(state.get(EPOCHS, recipe.epochs))
    if int(state["epoch"]) >= epochs or 0 < recipe.early_stopping_patience <= idle:
        return ""
    return (
        f"warning: {run_dir} is not finished: it has {state['epoch']} of {epochs} epochs, and its weights are "
        "those of its last evaluation; `gifcue-lab train` goes on with it"
    )


def _trained_on_held_out(recipe: Recipe, run: Mapping[str, Any]) -> list[str]:
    """The keys by which a recipe holds out what a run with these settings did not. A run may hold out more."""
    shares = run.get("heldout_photos", {})
    return [
        key
        for key, is_held_out in (
            ("heldout_groups", set(recipe.heldout_groups) <= set(run.get("heldout_groups", ()))),
            (
                "heldout_photos",
                all(share <= shares.get(pattern, 0.0) for pattern, share in recipe.heldout_photos.items()),
            ),
        )
        if not is_held_out
    ]


def _settings(recipe: Recipe) -> dict[str, Any]:
    """The settings that are not the default, so that a key that gifcue gets later changes no run."""
    values = asdict(recipe)
    chosen = {}
    for field in fields(recipe):
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        if field.name not in _FREE and getattr(recipe, field.name) != default:
            chosen[field.name] = values[field.name]
    settings: dict[str, Any] = json.loads(json.dumps(chosen))
    return settings


def _differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    return sorted(key for key in {*one, *other} if one.get(key) != other.get(key))


def _digest(contents: Sequence[tuple[str, Path | Traversable]]) -> str:
    digest = hashlib.sha256()
    for name, path in contents:
        digest.update(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()
