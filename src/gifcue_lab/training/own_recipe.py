"""Writes the recipe of a network that learns labels of one's own, from what the data holds."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from gifcue.errors import ConfigError
from gifcue_lab.datasets.regions import ATTRIBUTES, FACE, HAND
from gifcue_lab.training.recipe import NetworkShape
from gifcue_lab.training.samples import NONE, UNKNOWN, Photo, read_photos

# Share of the groups that is held out for calibration and thresholds.
HELD_OUT_SHARE = 0.2
# How often a rare label may be repeated in an epoch, and how many samples an epoch shows at least.
MAX_REPEATS = 8.0
LEAST_SAMPLES = 640
BATCH = 32
# Of a whole network that has been trained before, and of outputs and units that begin fresh.
EPOCHS, EPOCHS_OF_LABELS = 10, 20
LEARNING_RATE, LEARNING_RATE_OF_LABELS = 6e-4, 2e-3
# Units in each hidden layer of the classifiers that new labels get.
OWN_UNITS = 64
EMA_MOMENTUM = 0.98
# A label with fewer samples than this, in training or held out, is not worth a network.
LEAST_EXAMPLES = 4


def own_recipe(task: str, data_dir: Path, shipped: NetworkShape, *, whole: bool = False) -> str:
    """The text of a recipe, a TOML file, that trains a crop network from the shipped weights on this data.

    By default it adds the labels of the data that the shipped network does not know, and leaves all else as it is. With
    `whole`, all of the network is trained: its labels are then those of the data, and a label of the shipped network
    with hardly a sample is left out, because the network would forget it. Repeats make up for rare labels, and some
    groups are held out for calibration.

    Args:
        task: `face` or `hand`.
        data_dir: the directory of the splits.
        shipped: the network of the shipped model.
        whole: whether to train all of the network.

    Raises:
        ConfigError: there are no labels, or none to add; too few samples of one; or a single group.
    """
    photos = read_photos(data_dir, "train")
    counts = _labels(photos, task)
    labels = [label for label in counts if label not in (NONE, UNKNOWN)]
    if not labels:
        raise ConfigError(
            f"{data_dir / 'train'}: expected labels on {task} boxes, got none; "
            + (
                _other_kind(photos, task)
                or "`gifcue-lab dataset prepare` puts the boxes of your labels on faces or hands"
            )
        )
    own = sorted(set(labels) - set(shipped.classes))
    if not own and not whole:
        raise ConfigError(
            f"{data_dir / 'train'}: expected a label on {task} boxes that the shipped model does not know, got "
            f"{', '.join(sorted(labels))}; "
            + (_other_kind(photos, task) or "--whole trains all of the network on these")
        )
    held_out = _held_out(photos, task, own, [label for label in shipped.classes if label in labels])
    trained = _labels([photo for photo in photos if photo.group not in held_out], task)
    if few := {label: trained[label] for label in own if trained[label] < LEAST_EXAMPLES}:
        raise ConfigError(
            f"{data_dir / 'train'}: expected {LEAST_EXAMPLES} or more samples of each label beside those held out, got "
            + ", ".join(f"{count} of {label}" for label, count in few.items())
        )
    kept = [label for label in shipped.classes if trained[label] >= LEAST_EXAMPLES or not whole]
    lost = [label for label in shipped.classes if label not in kept]
    classes = [*kept, *own]
    if not any(trained[label] for label in classes):
        raise ConfigError(
            f"{data_dir / 'train'}: expected {LEAST_EXAMPLES} or more samples of a label beside those held out, got "
            + (", ".join(f"{trained[label]} of {label}" for label in sorted(labels)))
        )
    repeats, steps = _repeats(trained, classes)
    samples = ", ".join(
        f"{counts[label]} {label} ({counts[label] - trained[label]} held out)"
        for label in classes
        if counts[label]
    )
    groups = len({photo.group for photo in photos})
    lines = [
        f"# {task}: {samples}; {len(held_out)} of {groups} groups held out.",
        *(
            [f"# Without {', '.join(lost)}: {LEAST_EXAMPLES} or more samples of a label keep it."]
            if lost
            else []
        ),
        f'task = "{task}"',
        'start_from = "shipped"',
        f"new_labels_only = {str(not whole).lower()}",
        f"width = {shipped.width}",
        f"height = {shipped.height}",
        # bfloat16 is slower on CPUs without instructions for it.
        'precision = "float32"',
        f"epochs = {EPOCHS if whole else EPOCHS_OF_LABELS}",
        f"batch_size = {BATCH}",
        f"learning_rate = {LEARNING_RATE if whole else LEARNING_RATE_OF_LABELS}",
        f"warmup_steps = {max(1, min(200, steps))}",
        f"ema_momentum = {EMA_MOMENTUM if whole else 0.0}",
        f"classes = {json.dumps(classes)}",
        # What the shipped model is unsure of is no sample of the new label, where nobody said that it is.
        *([f"assumed_absent = {json.dumps(own[0])}"] if len(own) == 1 and not whole else []),
        *([f"points = {list(shipped.points)}"] if shipped.points else []),
        *([f"channels = {list(shipped.channels)}"] if shipped.channels else []),
        *([f"blocks = {list(shipped.blocks)}"] if shipped.blocks else []),
        *([f"own_units = {units}"] if (units := shipped.own_units + (0 if whole else OWN_UNITS)) else []),
        f"margin = {1.7 if task == 'face' else 1.35}",
        "negatives = 0.1",
        f"heldout_groups = {json.dumps(sorted(held_out))}",
        "",
        "[label_repeats]",
        *(f'"{key}" = {round(times, 2)}' for key, times in repeats.items()),
    ]
    return "\n".join(lines) + "\n"


def _repeats(trained: Counter[str], classes: Sequence[str]) -> tuple[dict[str, float], int]:
    """How often an epoch repeats the samples of each label, and the steps of an epoch."""
    shown = [label for label in classes if trained[label]]
    most = max(trained[label] for label in shown)
    repeats = {label: min(MAX_REPEATS, most / trained[label]) for label in shown} | {"none": 1.0, "?": 0.5}
    of_label = {"none": NONE, "?": UNKNOWN}
    samples = sum(trained[of_label.get(key, key)] * times for key, times in repeats.items())
    scale = max(1.0, LEAST_SAMPLES / max(1.0, samples))
    return {key: times * scale for key, times in repeats.items()}, int(samples * scale) // BATCH


def _labels(photos: Sequence[Photo], task: str) -> Counter[str]:
    return Counter(sample.attribute for photo in photos for sample in photo.of_kind(task))


def _other_kind(photos: Sequence[Photo], task: str) -> str:
    """A hint at the command for the other kind, where that has labels which gifcue does not know; empty otherwise."""
    other = HAND if task == FACE else FACE
    if not (own := sorted(set(_labels(photos, other)) - {NONE, UNKNOWN} - set(ATTRIBUTES[other]))):
        return ""
    return f"{', '.join(own)} is on {other} boxes: write `gifcue-lab recipe {other}`"


def _held_out(photos: Sequence[Photo], task: str, own: Sequence[str], others: Sequence[str]) -> set[str]:
    """Groups for calibration, the same for the same data: about a fifth of them, with every label that several have.

    A group of each label of one's own stays in training.
    """
    shows: Mapping[str, set[str]] = defaultdict(set)
    for photo in photos:
        shows[photo.group] |= {sample.attribute for sample in photo.of_kind(task)}
    if len(shows) < 2:
        raise ConfigError(
            f"heldout_groups: expected pictures of two groups (folders) or more, got {len(shows)}: thresholds need "
            "pictures that the network has not learned from"
        )
    order = sorted(shows, key=lambda group: hashlib.sha256(group.encode()).hexdigest())
    having = {label: {group for group in order if label in shows[group]} for label in (*own, *others)}
    if single := [label for label in own if len(having[label]) < 2]:
        raise ConfigError(
            f"{', '.join(single)}: expected pictures of two groups (folders) of train or more, got one: the network "
            "learns the label from one, and its threshold is chosen on another"
        )
    chosen: set[str] = set()

    def may_go(group: str) -> bool:
        return all(having[label] - chosen - {group} for label in own)

    for label in (*own, *others):
        candidates = [group for group in order if group in having[label] and may_go(group)]
        if len(having[label]) > 1 and candidates and not chosen & having[label]:
            chosen.add(candidates[0])
    for group in order:
        if len(chosen) >= max(1, round(HELD_OUT_SHARE * len(shows))):
            break
        if may_go(group):
            chosen.add(group)
    return chosen
