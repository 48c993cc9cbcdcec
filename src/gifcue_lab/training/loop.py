"""Training: epochs of batches, an averaged copy of the weights, checkpoints, curves.

`train` reads top-down: prepare, resume, then an epoch at a time. Everything random in an epoch comes from
the seed, the epoch's number and the batch's, so a run that was killed and resumed sees the batches that it
would have seen.
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

from gifcue_lab.training.checkpoint import Averaged, load_checkpoint, save_averaged, save_checkpoint
from gifcue_lab.training.config import TrainingConfig, read_config
from gifcue_lab.training.curves import draw_curves
from gifcue_lab.training.tasks import Lesson, Source, prepare

# Batches prepared ahead: enough to ride out a slow one, few enough to cost no memory.
AHEAD = 6

Report = Callable[[str], None]


class Taught(keras.Model):  # type: ignore[misc]
    """A network with a loss of its own kind; works on any Keras backend."""

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


def train(config_path: Path, *, report: Report = print, **overrides: Any) -> dict[str, Any]:
    """Runs, or resumes, the training that the file describes, and returns its last figures.

    The run's folder then holds `averaged.weights.h5`, `checkpoint.npz`, `history.json` and `curves.png`.

    Raises:
        ConfigError: a setting is wrong, or there is no data.
    """
    return run(read_config(config_path, **overrides), report=report)


def run(config: TrainingConfig, *, report: Report = print) -> dict[str, Any]:
    """As `train`, from settings in memory."""
    if config.deterministic:
        _make_deterministic()
    keras.utils.set_random_seed(config.seed)
    keras.mixed_precision.set_global_policy(config.precision)
    config.run_dir.mkdir(parents=True, exist_ok=True)
    lesson = prepare(config)
    steps = len(lesson.source.epoch(_rng(config.seed, 0))) // config.batch
    if config.start_from is not None:
        lesson.network.load_weights(config.start_from)
    model, optimizer = _compile(config, lesson)
    state = load_checkpoint(config.run_dir, model, optimizer) or {
        "epoch": 0,
        "history": [],
        "best": -1e9,
        "stale": 0,
    }
    size = f"{lesson.network.count_params():,} parameters"
    report(f"{config.task}: {size}, {steps} steps an epoch, starting after {state['epoch']}")
    predict = _predictor(model)
    for epoch in range(int(state["epoch"]), config.epochs):
        started = time.monotonic()
        _reseed_dropout(lesson.network, config.seed * 1000 + epoch)
        mean = _teach(config, lesson, model, optimizer, epoch, steps)
        record: dict[str, Any] = {"epoch": epoch + 1, "loss": mean, "seconds": time.monotonic() - started}
        is_last = epoch + 1 == config.epochs
        if is_last or (epoch + 1) % config.evaluate_every == 0:
            with Averaged(optimizer):
                record["figures"] = lesson.measure(predict)
                save_averaged(config.run_dir, lesson.network)
            goal = record["figures"][lesson.goal]
            state["stale"] = 0 if goal > state["best"] else state["stale"] + 1
            state["best"] = max(goal, state["best"])
        state["epoch"] = epoch + 1
        state["history"].append(record)
        save_checkpoint(config.run_dir, model, optimizer, state)
        (config.run_dir / "history.json").write_text(json.dumps(state["history"], indent=1), encoding="utf-8")
        draw_curves(state["history"], config.run_dir / "curves.png", title=config.task)
        report(_line(record, config.epochs))
        if config.patience and state["stale"] >= config.patience:
            report(f"stopped early: no better {lesson.goal} in {config.patience} evaluations")
            break
    last: dict[str, Any] = state["history"][-1] if state["history"] else {}
    return last


def _teach(
    config: TrainingConfig, lesson: Lesson, model: Any, optimizer: Any, epoch: int, steps: int
) -> float:
    total = 0.0
    for step, (images, targets) in enumerate(_batches(config, lesson.source, epoch, steps)):
        optimizer.learning_rate.assign(_rate(config, epoch * steps + step, config.epochs * steps))
        loss = model.train_on_batch(images, targets)
        total += float(loss)
        if not math.isfinite(total):
            raise FloatingPointError(f"the loss is {loss} at epoch {epoch + 1}, step {step + 1}")
    return total / max(1, steps)


def _reseed_dropout(network: Any, seed: int) -> None:
    """Dropout keeps a count of its own, which is no weight and in no checkpoint: start it anew every epoch."""
    for number, layer in enumerate(network.layers):
        if hasattr(layer, "seed_generator"):
            state = layer.seed_generator.state
            state.assign(np.array([seed, number]).astype(state.dtype))


def _batches(config: TrainingConfig, source: Source, epoch: int, steps: int) -> Iterator[tuple[Any, Any]]:
    """Batches in order, prepared by threads while the network learns."""
    order = source.epoch(_rng(config.seed, epoch + 1))
    waiting: deque[Future[tuple[Any, Any]]] = deque()
    with ThreadPoolExecutor(config.workers) as pool:
        for step in range(steps):
            chosen: Sequence[Any] = order[step * config.batch : (step + 1) * config.batch]
            if not chosen:
                break
            waiting.append(pool.submit(source.batch, chosen, _rng(config.seed, epoch + 1, step + 1)))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _compile(config: TrainingConfig, lesson: Lesson) -> tuple[Any, Any]:
    model = Taught(lesson.network, lesson.loss)
    optimizer = keras.optimizers.AdamW(
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        clipnorm=5.0,
        use_ema=config.ema > 0,
        ema_momentum=config.ema,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    # XLA's CPU code for these convolutions is several times slower than oneDNN's.
    model.compile(optimizer=optimizer, jit_compile=False)
    model.build((None, config.height, config.width, 3))
    optimizer.build(model.trainable_variables)
    return model, optimizer


def _predictor(model: Any) -> Callable[[Any], dict[str, Any]]:
    def predict(images: Any) -> dict[str, Any]:
        outputs = model.predict_on_batch(images)
        return {name: np.asarray(value, np.float32) for name, value in outputs.items()}

    return predict


def _rate(config: TrainingConfig, step: int, steps: int) -> float:
    """Linear warm-up, then half a cosine."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    share = (step - config.warmup_steps) / max(1, steps - config.warmup_steps)
    return config.final_rate + (config.learning_rate - config.final_rate) * 0.5 * (
        1 + math.cos(math.pi * share)
    )


def _rng(*numbers: int) -> np.random.Generator:
    return np.random.default_rng(numbers)


def _line(record: dict[str, Any], epochs: int) -> str:
    figures = " ".join(f"{name} {value:.3f}" for name, value in record.get("figures", {}).items())
    return (
        f"epoch {record['epoch']}/{epochs}  loss {record['loss']:.4f}  {record['seconds']:.0f} s  {figures}"
    )


def _make_deterministic() -> None:
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        tensorflow.config.experimental.enable_op_determinism()
