"""The settings of a server that serves a model with labels of one's own."""

from __future__ import annotations

import json
from pathlib import Path

from gifcue.detect.metadata import read_metadata
from gifcue.detect.trust import UNCHECKED
from gifcue_lab.datasets.regions import LABELS

# A reaction that has started lasts while the probability is over this share of what starts it. Those of gifcue's own
# labels lie between 0.5 and 0.9.
STAY_SHARE = 0.65


def serving_settings(model_dir: Path) -> str:
    """TOML that serves the model: its folder, its digest, and a reaction for each label that gifcue does not know.

    Such a reaction starts at the label's calibrated threshold.

    Raises:
        ModelError: the model cannot be read.
    """
    info = read_metadata(model_dir, "litert", sha256=UNCHECKED).info
    lines = [
        "[detect]",
        # JSON's escapes are TOML's.
        f"model_dir = {json.dumps(str(model_dir.resolve()), ensure_ascii=False)}",
        f'model_sha256 = "{info.sha256}"',
    ]
    for kind, labels in info.attributes.items():
        for label in labels:
            if label not in LABELS:
                start = info.thresholds[label]
                lines += [
                    "",
                    f"[reactions.labels.{label}]",
                    f'kind = "{kind}"',
                    f"start = {start:g}",
                    f"stay = {STAY_SHARE * start:.2g}",
                ]
    return "\n".join(lines) + "\n"
