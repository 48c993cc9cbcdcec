"""Makes a TensorFlow SavedModel of a model's weights, and settings that open it: a step of the image for GPUs.

    python -m tools.saved_model models /opt/gifcue/share/model --settings gifcue-gpu.toml

The settings are those of deploy/gifcue.toml with the backend, the folder and the digest of the SavedModel. Only
TensorFlow and Keras are needed, unlike for `gifcue-lab export`, which also converts and measures.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from gifcue.detect.trust import folder_digest
from tools.locks import ROOT

SETTINGS = ROOT / "deploy" / "gifcue.toml"
_TABLE = "\n[detect]\n"


def with_model(settings: str, model_dir: Path, digest: str) -> str:
    """The settings with a SavedModel as the model.

    Raises:
        ValueError: the settings have no table [detect], or a model of their own.
    """
    head, table, rest = settings.partition(_TABLE)
    own = [line for line in rest.partition("\n[")[0].splitlines() if line.startswith(("backend", "model_"))]
    if not table or own:
        raise ValueError(f"expected a table [detect] without a model, got {own or 'none'}")
    added = f'backend = "savedmodel"\nmodel_dir = "{model_dir}"\nmodel_sha256 = "{digest}"\n'
    return f"{head}{table}{added}{rest}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="folder with weights, metadata and label map")
    parser.add_argument("out", type=Path, help="folder of the SavedModel, which must not exist")
    parser.add_argument("--settings", type=Path, required=True, help="file to write the settings into")
    options = parser.parse_args()
    # TensorFlow takes seconds to import, so a mistake in the options is reported first.
    from gifcue_lab.export.metadata import copy_description
    from gifcue_lab.export.savedmodel import export_saved_model

    options.out.mkdir(parents=True)
    copy_description(options.model, options.out)
    export_saved_model(options.model, options.out / "saved_model")
    digest = folder_digest(options.out)
    options.settings.write_text(
        with_model(SETTINGS.read_text(encoding="utf-8"), options.out, digest), encoding="utf-8"
    )
    print(f"{options.out}: sha256 {digest}")


if __name__ == "__main__":
    main()
