"""The training loop: epochs of batches, an averaged copy of the weights, checkpoints and curves.

`train` reads top-down: prepare the task, resume, then one epoch after the other. All randomness of an epoch derives
from the seed, the number of the epoch and the number of the batch, so a resumed run sees the same batches as one that
was never interrupted. That is why this is not `keras.Model.fit`: it draws from one random state for the whole run.
"""

from __future__ import annotations

import json
import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np

from gifcue.errors import ConfigError, GifcueError
from gifcue_lab.training.checkpoint import (
    averaged_weights,
    load_checkpoint,
    save_averaged,
    save_checkpoint,
)
from gifcue_lab.training.curves import draw_curves
from gifcue_lab.training.networks import freeze_features
from gifcue_lab.training.recipe import Recipe
from gifcue_lab.training.run_state import EPOCHS, MADE_OF, check_same, made_of
from gifcue_lab.training.start import load_start
from gifcue_lab.training.tasks import Source, TrainingTask, prepare

# Batches prepared ahead. More ride out a slow batch, fewer take less memory.
PREFETCH = 6
# The largest norm of a variable's gradient.
CLIP_NORM = 5.0

Report = Callable[[str], None]


class TrainingDiverged(GifcueError):
    """The loss is not finite; a lower learning rate may help."""


class TrainingModel(keras.Model):  # type: ignore[misc]
    """A network with the loss of its task, on any Keras backend."""

    def __init__(self, network: Any, loss: Callable[..., Any]) -> None:
        super().__init__()
        self.network = network
        self._loss = loss

    def call(self, image: Any, training: bool = False) -> Any:
        return self.network(image, training=training)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        total, _ = self._loss(y, y_pred)
        return total


def train(recipe: Recipe, data_dir: Path, runs_dir: Path, *, report: Report = print) -> dict[str, Any]:
    """Trains a network, or resumes the run where it was interrupted.

    A run is resumed only with the settings and pictures that it was started with. `epochs`, `evaluate_every`,
    `early_stopping_patience` and `loader_threads` may change. A run whose checkpoint does not say what it was made of
    is resumed with what is there.

    The folder `runs_dir / recipe.name` then holds `averaged.weights.h5` (the result), the latest checkpoint,
    `history.json` and `curves.png`.

    Args:
        recipe: what to train, and how.
        data_dir: the labelled photographs, as `gifcue_lab.training.samples` describes them.
        runs_dir: the folder of runs; other runs and files that the recipe names are looked up there.
        report: receives a line of text for the start and for every epoch.

    Returns:
        The last record of the history: `epoch`, `loss`, `seconds` and `metrics`.

    Raises:
        ConfigError: a key of the recipe is wrong, a file that it names is missing, there are no photographs, or the
            run was made of other settings or pictures.
        TrainingDiverged: the loss is not finite.
    """
    if recipe.deterministic:
        _make_deterministic()
    keras.utils.set_random_seed(recipe.seed)
    keras.mixed_precision.set_global_policy(recipe.precision)
    # Looked up before the photographs are decoded: that takes a while.
    start = recipe.start(runs_dir)
    run_dir = runs_dir / recipe.name
    made = made_of(recipe, data_dir, runs_dir)
    check_same(run_dir, made)
    task = prepare(recipe, data_dir, runs_dir)
    run_dir.mkdir(parents=True, exist_ok=True)
    samples = len(task.source.epoch(_rng(recipe.seed, 0)))
    if samples == 0:
        raise ConfigError(
            f"{data_dir / 'train'}: expected labelled {recipe.task} samples, got none; "
            "`gifcue-lab dataset stats` counts them"
        )
    # Where there are fewer samples than a batch holds, one step takes all of them.
    steps = max(1, samples // recipe.batch_size)
    if start is not None:
        load_start(task.network, recipe, start, report=report)
    if recipe.heads_only:
        freeze_features(task.network)
    model = _compile(recipe, task)
    state = load_checkpoint(run_dir, model) or {
        "epoch": 0,
        "history": [],
        "best": -1e9,
        "evaluations_without_progress": 0,
    }
    report(
        f"{recipe.name}: {task.network.count_params():,} parameters, {steps} steps an epoch, "
        f"{state['epoch']} epochs done"
    )
    for epoch in range(int(state["epoch"]), recipe.epochs):
        record = _run_epoch(recipe, task, model, epoch, steps)
        if epoch + 1 == recipe.epochs or (epoch + 1) % recipe.evaluate_every == 0:
            record["metrics"] = _evaluate(task, model, run_dir)
            score = record["metrics"][task.goal]
            has_progress = score > state["best"]
            state["evaluations_without_progress"] = (
                0 if has_progress else state["evaluations_without_progress"] + 1
            )
            state["best"] = max(score, state["best"])
        state |= {"epoch": epoch + 1, MADE_OF: made, EPOCHS: recipe.epochs}
        state["history"].append(record)
        save_checkpoint(run_dir, model, state)
        (run_dir / "history.json").write_text(json.dumps(state["history"], indent=1), encoding="utf-8")
        draw_curves(state["history"], run_dir / "curves.png", title=recipe.name)
        report(_line(record, recipe.epochs))
        if 0 < recipe.early_stopping_patience <= state["evaluations_without_progress"]:
            report(
                f"stopped early: no progress in {task.goal} for {state['evaluations_without_progress']} evaluations"
            )
            break
    last: dict[str, Any] = state["history"][-1] if state["history"] else {}
    return last


def _run_epoch(recipe: Recipe, task: TrainingTask, model: Any, epoch: int, steps: int) -> dict[str, Any]:
    """Trains on the batches of one epoch, and returns its record for the history."""
    started = time.monotonic()
    _reseed_dropout(task.network, recipe.seed * 1000 + epoch)
    total = 0.0
    for step, (images, targets) in enumerate(_batches(recipe, task.source, epoch, steps)):
        model.optimizer.learning_rate.assign(
            _learning_rate(recipe, epoch * steps + step, recipe.epochs * steps)
        )
        loss = float(model.train_on_batch(images, targets))
        total += loss
        if not math.isfinite(total):
            raise TrainingDiverged(
                f"expected a finite loss, got {loss} in epoch {epoch + 1}, step {step + 1}"
            )
    return {"epoch": epoch + 1, "loss": total / max(1, steps), "seconds": time.monotonic() - started}


def _evaluate(task: TrainingTask, model: Any, run_dir: Path) -> dict[str, float]:
    """The task's metrics with the averaged weights, which are saved as the run's result so far."""

    def predict(images: Any) -> dict[str, Any]:
        outputs = model.predict_on_batch(images)
        return {name: np.asarray(value, np.float32) for name, value in outputs.items()}

    with averaged_weights(model):
        metrics = task.measure(predict)
        save_averaged(run_dir, task.network)
    return metrics


def _reseed_dropout(network: Any, seed: int) -> None:
    """Sets the state of dropout's random generators, so that a resumed epoch draws what an uninterrupted one would."""
    for number, layer in enumerate(network.layers):
        if hasattr(layer, "seed_generator"):
            state = layer.seed_generator.state
            state.assign(np.array([seed, number]).astype(state.dtype))


def _batches(recipe: Recipe, source: Source, epoch: int, steps: int) -> Iterator[tuple[Any, Any]]:
    """The batches of an epoch in their order, prepared by threads while the network trains."""
    order = source.epoch(_rng(recipe.seed, epoch + 1))
    waiting: deque[Future[tuple[Any, Any]]] = deque()
    with ThreadPoolExecutor(recipe.loader_threads) as pool:
        for step in range(steps):
            chosen: Sequence[Any] = order[step * recipe.batch_size : (step + 1) * recipe.batch_size]
            if not chosen:
                break
            waiting.append(pool.submit(source.batch, chosen, _rng(recipe.seed, epoch + 1, step + 1)))
            if len(waiting) > PREFETCH:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _compile(recipe: Recipe, task: TrainingTask) -> Any:
    """A built model whose optimiser has all its variables, so that a checkpoint can be loaded into it."""
    model = TrainingModel(task.network, task.loss)
    optimizer = keras.optimizers.AdamW(
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        clipnorm=CLIP_NORM,
        use_ema=recipe.ema_momentum > 0,
        ema_momentum=recipe.ema_momentum,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    # XLA's CPU code for these convolutions is several times slower than oneDNN's.
    model.compile(optimizer=optimizer, jit_compile=False)
    model.build((None, recipe.height, recipe.width, 3))
    optimizer.build(model.trainable_variables)
    return model


def _learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """Linear warm-up, then half a cosine."""
    if step < recipe.warmup_steps:
        return recipe.learning_rate * (step + 1) / recipe.warmup_steps
    share = (step - recipe.warmup_steps) / max(1, steps - recipe.warmup_steps)
    falling = 0.5 * (1 + math.cos(math.pi * share))
    return recipe.final_learning_rate + (recipe.learning_rate - recipe.final_learning_rate) * falling


def _rng(*numbers: int) -> np.random.Generator:
    return np.random.default_rng(numbers)


def _line(record: dict[str, Any], epochs: int) -> str:
    metrics = " ".join(f"{name} {value:.3f}" for name, value in record.get("metrics", {}).items())
    return (
        f"epoch {record['epoch']}/{epochs}  loss {record['loss']:.4f}  {record['seconds']:.0f} s  {metrics}"
    )


def _make_deterministic() -> None:
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        tensorflow.config.experimental.enable_op_determinism()
