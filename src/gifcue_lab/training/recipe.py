"""Training recipes: every hyperparameter of a run, read from a TOML file.

A recipe holds no absolute path: the photographs and the folder of runs are arguments of `train`. It names other runs
and files, which `Recipe.find` looks up.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal, get_args

from gifcue.detect.settings import default_model_dir
from gifcue.errors import ConfigError
from gifcue_lab.training.degrade import Degradation
from gifcue_lab.training.recipe_values import typed

Task = Literal["detector", "hand", "face"]
Precision = Literal["float32", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16"]
# The name of gifcue's own model as a start.
SHIPPED = "shipped"

# What replaces the keys of older recipes, for the error message.
REPLACED_KEYS: Mapping[str, str] = {
    "data_dir": "the argument data_dir (--data)",
    "run_dir": "the argument runs_dir (--runs) and the key name",
    "batch": "batch_size",
    "final_rate": "final_learning_rate",
    "ema": "ema_momentum",
    "repeat": "label_repeats",
    "repeat_touched": "hand_at_face_repeats",
    "denied": "assumed_absent",
    "angle_deg": "rotation_deg",
    "compose": "compositing",
    "bend": "finger_bend",
    "cut": "truncation",
    "photos": "max_photos",
    "workers": "loader_threads",
    "patience": "early_stopping_patience",
    "mistakes": "hard_negatives",
    "corrections": "label_overrides",
    "pixels": "degrade",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkShape:
    """What defines a network's layers.

    Attributes:
        task: what the network does: `detector` finds faces and hands, `hand` and `face` analyse a crop of one.
        width, height: size of the input in pixels.
        classes: the labels that a crop network tells apart; class 0, "none of them", comes before these.
        points: the indices in MediaPipe's face mesh of the landmarks that the face network predicts.
        channels, blocks: feature channels and residual blocks of each level; empty for the network's defaults.
        own_units: units that each hidden layer of a crop network's classifiers has in addition, for labels of one's
            own; see `new_labels_only`.
    """

    task: Task
    width: int
    height: int
    classes: tuple[str, ...] = ()
    points: tuple[int, ...] = ()
    channels: tuple[int, ...] = ()
    blocks: tuple[int, ...] = ()
    own_units: int = 0

    def __post_init__(self) -> None:
        if self.task not in get_args(Task):
            raise ConfigError(f"task: expected one of {', '.join(get_args(Task))}, got {self.task!r}")
        for name in ("width", "height"):
            _at_least_one(name, getattr(self, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe(NetworkShape):
    """A network and how it is trained. Shares are 0..1.

    Attributes:
        name: names the run and its folder in the folder of runs; a recipe file's stem.
        folder: where the recipe's file lies, for the files that it names; None for a recipe made in memory.
        epochs, batch_size, seed: as usual in training.
        learning_rate, final_learning_rate: the rate after the warm-up and at the end of the half cosine.
        weight_decay: of AdamW.
        warmup_steps: steps of the linear warm-up.
        ema_momentum: of the moving average of the weights; 0 for no average.
        precision: a Keras dtype policy.
        trained_groups: patterns of the groups of photographs that are trained on, `p0*` say; empty for all.
        heads_only: train only the dense layers of a crop network: its classifiers, presence and depth. Its features and
            landmarks stay as they are, and a step costs a third.
        heldout_groups: groups of photographs kept out of training. Calibration and thresholds are fitted to them, so
            that the dev split stays untouched.
        heldout_photos: the share of the photographs that is kept out as well, by pattern of groups, `p5*` say. It is
            for groups that mix many people, and may hold most of a label's examples; see
            `gifcue_lab.training.heldout`.
        label_repeats: how often an epoch shows a sample of a label; the keys `none` and `?` stand for samples without
            a label and of unknown label.
        hand_at_face_repeats: multiplies `label_repeats` for faces at which a hand is; for the detector, how often an
            epoch shows a photograph with such a face.
        assumed_absent: a label that samples of unknown label are taken not to show, except in groups where somebody
            shows it.
        margin: side of a crop, in longer sides of the box.
        rotation_deg: largest rotation of a crop.
        shift: largest displacement of a crop's centre, in shares of the box.
        stretch: standard deviation of a crop's stretch and shear.
        negatives: share of crops that show no face or hand.
        compositing: share of crops on which a hand is pasted (faces) or whose background is replaced (hands); share of
            photographs over whose face a hand is pasted (detector).
        mosaic: share of scenes made of four photographs.
        finger_bend: standard deviation of the fingertips' displacement, in shares of the hand.
        truncation: share of crops that the edge of a frame cuts off.
        epoch_samples: samples an epoch, 0 for all.
        max_photos: photographs that are read, 0 for all.
        loader_threads: threads that prepare batches.
        early_stopping_patience: evaluations without progress after which training stops, 0 for never.
        evaluate_every: epochs between evaluations.
        start_from: the run whose averaged weights training starts from, as a folder in the folder of runs; or a model
            folder; `shipped` is gifcue's own model.
        new_labels_only: train only the outputs and hidden units that `start_from`, a model folder, does not have. All
            else stays as it is there: landmarks, and what the other labels depend on.
        hard_negatives: a JSON file of `gifcue_lab.training.hard_negatives`.
        label_overrides: a JSON file of `gifcue_lab.training.label_overrides`.
        deterministic: makes TensorFlow's operations repeatable, which is slower.
        degrade: how often pictures are degraded.
    """

    name: str = "run"
    folder: Traversable | None = None
    epochs: int
    batch_size: int = 64
    seed: int = 1
    learning_rate: float = 2e-3
    final_learning_rate: float = 1e-5
    weight_decay: float = 2e-2
    warmup_steps: int = 200
    ema_momentum: float = 0.998
    precision: Precision = "mixed_bfloat16"
    trained_groups: tuple[str, ...] = ()
    heads_only: bool = False
    heldout_groups: tuple[str, ...] = ()
    heldout_photos: dict[str, float] = field(default_factory=dict)
    label_repeats: dict[str, float] = field(default_factory=dict)
    hand_at_face_repeats: float = 1.0
    assumed_absent: str = ""
    margin: float = 1.3
    rotation_deg: float = 25.0
    shift: float = 0.12
    stretch: float = 0.0
    negatives: float = 0.1
    compositing: float = 0.0
    mosaic: float = 0.0
    finger_bend: float = 0.0
    truncation: float = 0.0
    epoch_samples: int = 0
    max_photos: int = 0
    loader_threads: int = 1
    early_stopping_patience: int = 0
    evaluate_every: int = 2
    start_from: str | None = None
    new_labels_only: bool = False
    hard_negatives: str | None = None
    label_overrides: str | None = None
    deterministic: bool = False
    degrade: Degradation = field(default_factory=Degradation)

    def __post_init__(self) -> None:
        # A dataclass with slots is made anew by its decorator, which super() without arguments does not see.
        NetworkShape.__post_init__(self)
        for name in ("epochs", "batch_size", "loader_threads", "evaluate_every"):
            _at_least_one(name, getattr(self, name))
        if self.assumed_absent and self.assumed_absent not in self.classes:
            raise ConfigError(
                f"assumed_absent: expected one of {', '.join(self.classes)}, got {self.assumed_absent!r}"
            )
        if self.heads_only and self.task == "detector":
            raise ConfigError("heads_only: expected a network of crops, hand or face, got detector")
        if not 0.0 <= self.ema_momentum < 1.0:
            raise ConfigError(f"ema_momentum: expected 0 or more and less than 1, got {self.ema_momentum}")
        if any(not 0.0 <= share < 1.0 for share in self.heldout_photos.values()):
            raise ConfigError(
                f"heldout_photos: expected shares of 0 or more and less than 1, got {self.heldout_photos}"
            )
        if self.new_labels_only and self.heads_only:
            raise ConfigError("heads_only, new_labels_only: expected one of them, got both")
        if self.new_labels_only and (self.start_from is None or self.ema_momentum):
            # An average over steps would take in what each step changes before it is put back.
            raise ConfigError(
                "new_labels_only: expected start_from and an ema_momentum of 0, got "
                f"{self.start_from} and {self.ema_momentum}"
            )

    def start(self, runs_dir: Path) -> Path | None:
        """The folder of the weights that training starts from, None where it starts from fresh ones.

        Raises:
            ConfigError: there is no such folder.
        """
        if self.start_from == SHIPPED:
            return default_model_dir()
        found = self.find("start_from", runs_dir)
        return None if found is None else Path(str(found))

    def find(self, key: str, runs_dir: Path) -> Traversable | None:
        """The file or folder that the key `start_from`, `hard_negatives` or `label_overrides` names, None without one.

        It is looked up in `runs_dir`, beside the recipe and in the working directory, in this order.

        Raises:
            ConfigError: it is in none of them.
        """
        name: str | None = getattr(self, key)
        if name is None:
            return None
        folders: list[Traversable] = [runs_dir, *([self.folder] if self.folder else []), Path()]
        for folder in folders:
            found = folder / name
            if found.is_file() or found.is_dir():
                return found
        raise ConfigError(
            f"{key}: expected {name} in {runs_dir}, beside the recipe or in the working directory, got no such file"
        )


def recipe_names() -> list[str]:
    """The names of the recipes that are part of this package."""
    return sorted(item.name.removesuffix(".toml") for item in _packaged() if item.name.endswith(".toml"))


def read_recipe(recipe: str | Path, **overrides: Any) -> Recipe:
    """Reads a recipe of this package by its name, or a TOML file by its path.

    Args:
        recipe: a name of `recipe_names()`, or a path that ends in `.toml`.
        overrides: keys that replace the file's; None leaves the file's.

    Raises:
        ConfigError: there is no such recipe, or a key is unknown or wrong; the message names it.
    """
    file = _locate(recipe)
    try:
        settings = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{recipe}: expected a TOML file, got {error}") from error
    settings.update({key: value for key, value in overrides.items() if value is not None})
    _check_keys(settings, recipe)
    try:
        name = file.name.removesuffix(".toml")
        return Recipe(**{"name": name, "folder": _folder(file), **typed(Recipe, settings)})
    except TypeError as error:
        raise ConfigError(f"{recipe}: expected the keys of a training recipe, got {error}") from error


def _packaged() -> list[Traversable]:
    return list(resources.files("gifcue_lab.training").joinpath("recipes").iterdir())


def _locate(recipe: str | Path) -> Traversable:
    if str(recipe).endswith(".toml"):
        return Path(recipe)
    for item in _packaged():
        if item.name == f"{recipe}.toml":
            return item
    raise ConfigError(f"recipe: expected a .toml file or one of {', '.join(recipe_names())}, got {recipe}")


def _folder(file: Traversable) -> Traversable:
    return file.parent if isinstance(file, Path) else resources.files("gifcue_lab.training") / "recipes"


def _check_keys(settings: Mapping[str, Any], recipe: str | Path) -> None:
    replaced = [
        f"{key}: replaced by {REPLACED_KEYS[key]}" for key in sorted(settings) if key in REPLACED_KEYS
    ]
    if replaced:
        raise ConfigError(f"{recipe}: {'; '.join(replaced)}")
    known = {item.name for item in fields(Recipe)} - {"folder"}
    unknown = sorted(set(settings) - known)
    if unknown:
        raise ConfigError(f"{recipe}: expected the keys of a training recipe, got {', '.join(unknown)}")


def _at_least_one(name: str, value: int) -> None:
    if value < 1:
        raise ConfigError(f"{name}: expected 1 or more, got {value}")
