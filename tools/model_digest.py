"""Writes the digest of the model in models/ into the package's code: python -m tools.model_digest

A model that is replaced without this step is refused by the server. The change of the code shows in a review, which a
change of binary files does not.
"""

from __future__ import annotations

import re
from pathlib import Path

from gifcue.detect.metadata import read_metadata
from gifcue.detect.trust import UNCHECKED

ROOT = Path(__file__).parents[1]
MODELS = ROOT / "models"
MODULE = ROOT / "src" / "gifcue" / "detect" / "shipped_model.py"

_CONSTANT = re.compile(r'(?m)^SHIPPED_SHA256 = "[0-9a-f]{64}"$')


def main() -> None:
    metadata = {name: read_metadata(MODELS, "litert", name, sha256=UNCHECKED) for name in ("int8", "float")}
    for described in metadata.values():
        for weights in described.files.values():
            weights.read()
    digest = metadata["int8"].info.sha256
    code, count = _CONSTANT.subn(f'SHIPPED_SHA256 = "{digest}"', MODULE.read_text(encoding="utf-8"))
    if count != 1:
        raise SystemExit(f"{MODULE}: expected one line SHIPPED_SHA256 = …, got {count}")
    MODULE.write_text(code, encoding="utf-8")
    print(f"{MODULE.relative_to(ROOT)}: {digest}")


if __name__ == "__main__":
    main()
