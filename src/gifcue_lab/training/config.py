"""What a training run is told, read from a TOML file."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from gifcue.errors import ConfigError
from gifcue_lab.training.augment import PixelAugmentation

Task = Literal["detector", "hand", "face"]


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """One run. Sizes are pixels of the network's input; `classes` are the attribute's labels, after "none of
    them".

    `heldout_groups` are people kept out of training: calibration and thresholds come from them, never from
    dev. `repeat` tells how often an epoch shows the samples of a label; `precision` is a Keras policy.
    `photos` limits how many photographs are read, for small runs. `workers` are threads that prepare batches.
    `negatives` and `compose` are the shares of crops that show no face or hand, and of faces at which a hand
    is laid; `mosaic` is the share of scenes made of four photographs, `bend` how far fingertips are moved, in
    shares of the hand, `cut` the share of crops that the edge of a frame cuts off. `repeat_touched` multiplies
    `repeat` for faces at which a hand is; `denied` is a label that a sample of unknown attribute does not show
    either, unless somebody of its group is known to. `mistakes` is a file of
    `python -m gifcue_lab.training mistakes`, `corrections` one of labels that somebody looked at again
    (`gifcue_lab.training.label_overrides`).
    """

    task: Task
    data_dir: Path
    run_dir: Path
    width: int
    height: int
    epochs: int
    batch: int = 64
    seed: int = 1
    learning_rate: float = 2e-3
    final_rate: float = 1e-5
    weight_decay: float = 2e-2
    warmup_steps: int = 200
    ema: float = 0.998
    precision: str = "mixed_bfloat16"
    classes: tuple[str, ...] = ()
    points: tuple[int, ...] = ()
    channels: tuple[int, ...] = ()
    blocks: tuple[int, ...] = ()
    heldout_groups: tuple[str, ...] = ()
    repeat: dict[str, float] = field(default_factory=dict)
    repeat_touched: float = 1.0
    denied: str = ""
    margin: float = 1.3
    angle_deg: float = 25.0
    shift: float = 0.12
    negatives: float = 0.1
    compose: float = 0.0
    stretch: float = 0.0
    mosaic: float = 0.0
    bend: float = 0.0
    cut: float = 0.0
    epoch_samples: int = 0
    photos: int = 0
    workers: int = 1
    patience: int = 0
    evaluate_every: int = 2
    start_from: Path | None = None
    mistakes: Path | None = None
    corrections: Path | None = None
    deterministic: bool = False
    pixels: PixelAugmentation = field(default_factory=PixelAugmentation)

    def __post_init__(self) -> None:
        if self.task not in get_args(Task):
            raise ConfigError(f"task: expected one of {', '.join(get_args(Task))}, got {self.task!r}")
        for name in ("width", "height", "epochs", "batch", "workers", "evaluate_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: expected 1 or more, got {getattr(self, name)}")
        if self.denied and self.denied not in self.classes:
            raise ConfigError(f"denied: expected one of {', '.join(self.classes)}, got {self.denied!r}")
        if not 0.0 <= self.ema < 1.0:
            raise ConfigError(f"ema: expected 0 or more and less than 1, got {self.ema}")


def read_config(path: Path, **overrides: Any) -> TrainingConfig:
    """Reads the file; `overrides` that are not None replace its settings. Paths are taken from the working
    directory.

    Raises:
        ConfigError: the file cannot be read, or a setting is unknown or wrong; it is named.
    """
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: expected a TOML file, got {error}") from error
    settings.update({key: value for key, value in overrides.items() if value is not None})
    known = {item.name for item in fields(TrainingConfig)}
    unknown = sorted(set(settings) - known)
    if unknown:
        raise ConfigError(f"{path}: expected settings of a training run, got {', '.join(unknown)}")
    for name in ("data_dir", "run_dir", "start_from", "mistakes", "corrections"):
        if settings.get(name) is not None:
            settings[name] = Path(settings[name])
    for name in ("classes", "points", "channels", "blocks", "heldout_groups"):
        if name in settings:
            settings[name] = tuple(settings[name])
    if "pixels" in settings:
        settings["pixels"] = PixelAugmentation(**settings["pixels"])
    try:
        return TrainingConfig(**settings)
    except TypeError as error:
        raise ConfigError(f"{path}: expected a training run, got {error}") from error
