"""The stages of a chain of trainings, read from a TOML file and checked before anything runs."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

from gifcue.errors import ConfigError
from gifcue_lab.training.recipe import SHIPPED, Recipe, read_recipe
from gifcue_lab.training.shapes import NETWORKS

# The keys that say what a stage does. Each stage has exactly one.
ACTIONS = ("train", "average", "hard_negatives", "pack")
_KEYS = {
    "name",
    "hours",
    "start_from",
    "groups",
    "heads",
    "keep_network",
    "scale_of",
    "scores",
    "base",
    *ACTIONS,
}
# Keys that gifcue got later, of recipes and of stages. Where they are not used, a fingerprint is as it was without
# them: a chain takes hours, and a folder of stages outlives an upgrade.
_LATER_KEYS = ("heldout_photos", "keep_network", "base", "scale_of")
# The file that all stages of hard negatives add to, and that recipes name.
HARD_NEGATIVES = "hard-negatives.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One step of a chain. Its result is the folder `name`.

    Attributes:
        name: no other stage has it.
        hours: how long it takes on two cores, about.
        recipe: what is trained; for a mean, what was trained last of it; None for other stages.
        trains: whether it is a training.
        average: the stages whose mean this is.
        hard_negatives: the model whose mistakes are collected, "" for none.
        pack: the stage that gives each network of a model.
        groups: patterns of the groups that a model is calibrated on; empty for those that all its recipes hold out.
        scores: the model whose calibration and rescoring a model keeps, "" for its own. Thresholds are chosen anyway.
        base: the model that gives the networks that `pack` does not name, with their scores and thresholds, and the
            calibration and rescoring of the others; "" where `pack` names all.
        heads: patterns of the groups that the labels of faces are then fitted to (`gifcue_lab.export.heads`); empty for
            a model without that.
        keep_network: whether that leaves the face network as it is (`fit-heads --keep-network`).
        scale_of: the model whose scale of scores that keeps (`fit-heads --scale-of`), "" for that of the network.
        fingerprint: changes with everything that the result depends on, except the photographs.
    """

    name: str
    hours: float = 0.0
    recipe: Recipe | None = None
    trains: bool = False
    average: tuple[str, ...] = ()
    hard_negatives: str = ""
    pack: Mapping[str, str]
    groups: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()
    keep_network: bool = False
    scale_of: str = ""
    scores: str = ""
    base: str = ""
    fingerprint: str = ""

    def describe(self) -> str:
        """What it does, in a few words."""
        if self.trains and self.recipe is not None:
            start = f" from {self.recipe.start_from}" if self.recipe.start_from else ""
            return f"trains {self.recipe.task}{start}, seed {self.recipe.seed}, {self.recipe.epochs} epochs"
        if self.average:
            return f"mean of {', '.join(self.average)}"
        if self.hard_negatives:
            return f"hard negatives of {self.hard_negatives}"
        return f"model of {', '.join([*self.pack.values(), *([self.base] if self.base else [])])}"


def read_stages(path: Path | None = None) -> list[Stage]:
    """The chain of a TOML file; without one, the chain of the shipped weights.

    Raises:
        ConfigError: the file cannot be read, or a stage is wrong; the message names it.
    """
    file = path or resources.files("gifcue_lab.reproduction") / "shipped.toml"
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: expected a TOML file of stages, got {error}") from error
    tables = content.get("stages")
    if not isinstance(tables, list) or not tables or set(content) != {"stages"}:
        raise ConfigError(
            f"{file}: expected tables [[stages]] and nothing else, got {', '.join(content) or 'none'}"
        )
    known: dict[str, Stage] = {}
    for table in tables:
        stage = _stage(table, known, None if path is None else path.parent)
        known[stage.name] = stage
    return list(known.values())


def _stage(table: Mapping[str, Any], known: Mapping[str, Stage], folder: Path | None) -> Stage:
    """One stage, which may use the stages before it."""
    name = table.get("name")
    if not isinstance(name, str) or not name or Path(name).name != name or name in known:
        raise ConfigError(f"stages: expected a name of its own for each stage, got {name!r}")
    if unknown := sorted(set(table) - _KEYS):
        raise ConfigError(
            f"stage {name}: expected the keys {', '.join(sorted(_KEYS))}, got {', '.join(unknown)}"
        )
    actions = [key for key in ACTIONS if key in table]
    if len(actions) != 1:
        raise ConfigError(
            f"stage {name}: expected one of {', '.join(ACTIONS)}, got {', '.join(actions) or 'none'}"
        )
    stage = Stage(
        name=name,
        hours=float(table.get("hours", 0.0)),
        recipe=_recipe(name, table, known, folder),
        trains="train" in table,
        average=tuple(table.get("average", ())),
        hard_negatives=table.get("hard_negatives", ""),
        pack=dict(table.get("pack", {})),
        groups=tuple(table.get("groups", ())),
        heads=tuple(table.get("heads", ())),
        keep_network=_flag(name, table, "keep_network"),
        scale_of=table.get("scale_of", ""),
        scores=table.get("scores", ""),
        base=table.get("base", ""),
    )
    _check_pack(stage, known)
    if stage.keep_network and not stage.heads:
        raise ConfigError(f"stage {name}: expected heads beside keep_network, got none")
    if stage.scale_of and not stage.heads:
        raise ConfigError(f"stage {name}: expected heads beside scale_of, got none")
    for model in filter(None, (stage.hard_negatives, stage.scores, stage.base, stage.scale_of)):
        if not _earlier(name, model, known).pack:
            raise ConfigError(f"stage {name}: expected a model, got {model}")
    return _with_fingerprint(stage, known)


def _flag(name: str, table: Mapping[str, Any], key: str) -> bool:
    value = table.get(key, False)
    if not isinstance(value, bool):
        raise ConfigError(f"stage {name}: {key}: expected true or false, got {value!r}")
    return value


def _recipe(
    name: str, table: Mapping[str, Any], known: Mapping[str, Stage], folder: Path | None
) -> Recipe | None:
    """The recipe of a training, or of the last training in a mean."""
    if "average" in table:
        parts = [_earlier(name, part, known) for part in table["average"]]
        recipes = [part.recipe for part in parts if part.recipe is not None]
        if len(parts) < 2 or len(recipes) < len(parts) or len({recipe.task for recipe in recipes}) > 1:
            raise ConfigError(
                f"stage {name}: expected two or more runs of one network, got {table['average']}"
            )
        return recipes[-1]
    if "train" not in table:
        return None
    source = table["train"]
    if folder is not None and (folder / source).is_file():
        source = str(folder / source)
    recipe = read_recipe(source, name=name, start_from=table.get("start_from"))
    if recipe.start_from not in (None, SHIPPED):
        before = _earlier(name, str(recipe.start_from), known).recipe
        if before is None or before.task != recipe.task:
            raise ConfigError(
                f"stage {name}: expected to start from a run of {recipe.task}, got {recipe.start_from}"
            )
    if recipe.hard_negatives is not None and not any(stage.hard_negatives for stage in known.values()):
        raise ConfigError(f"stage {name}: expected a stage of hard negatives before it, got none")
    return recipe


def _check_pack(stage: Stage, known: Mapping[str, Stage]) -> None:
    if not stage.pack:
        return
    if not set(stage.pack) <= set(NETWORKS) or (not stage.base and len(stage.pack) < len(NETWORKS)):
        raise ConfigError(
            f"stage {stage.name}: expected {', '.join(NETWORKS)}, or some of them and a base, got "
            f"{', '.join(stage.pack)}"
        )
    if stage.base and (stage.scores or (stage.heads and "face" not in stage.pack)):
        raise ConfigError(
            f"stage {stage.name}: expected no scores beside a base, and heads only with a face network"
        )
    for task, part in stage.pack.items():
        recipe = _earlier(stage.name, part, known).recipe
        if recipe is None or recipe.task != task:
            raise ConfigError(f"stage {stage.name}: expected a run of {task}, got {part}")


def _earlier(name: str, wanted: str, known: Mapping[str, Stage]) -> Stage:
    try:
        return known[wanted]
    except KeyError:
        raise ConfigError(f"stage {name}: expected a stage before it, got {wanted!r}") from None


def _with_fingerprint(stage: Stage, known: Mapping[str, Stage]) -> Stage:
    settings = asdict(stage)
    recipe = settings.pop("recipe")
    del settings["hours"]
    if recipe is not None:
        del recipe["folder"]
    for values in (settings, recipe or {}):
        for key in _LATER_KEYS:
            if not values.get(key, True):
                del values[key]
    start = (stage.recipe.start_from or "") if stage.recipe else ""
    inputs: Sequence[str] = (
        *stage.average,
        *stage.pack.values(),
        *([stage.hard_negatives] if stage.hard_negatives else []),
        *(name for name in (start, stage.scores, stage.base, stage.scale_of) if name in known),
    )
    # Hard negatives gather in one file, so a training depends on every stage of them before it.
    gathered = [each.name for each in known.values() if each.hard_negatives]
    if stage.hard_negatives or (stage.recipe is not None and stage.recipe.hard_negatives):
        inputs = (*inputs, *gathered)
    content = [settings, recipe, [known[name].fingerprint for name in inputs]]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
    return replace(stage, fingerprint=digest)
