from __future__ import annotations

from pathlib import Path

import pytest

from gifcue.reactions.settings import policy_preset
from gifcue.testing.photographs import SOMEBODY, STRANGER, write_people
from gifcue.training.dataset.composing.cast import read_stills
from gifcue.training.dataset.composing.people import Cast, gather
from gifcue.training.samples import read_image, read_photos


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """DATA/train with somebody, `a`, and a stranger, `b`."""
    root = tmp_path_factory.mktemp("data")
    write_people(root / "train", {"a": SOMEBODY, "b": STRANGER})
    return root


@pytest.fixture(scope="session")
def cast(data: Path) -> Cast:
    labels = policy_preset("normal").labels
    stills = read_stills(read_photos(data, "train"), labels)
    return gather(stills, labels, lambda photo: read_image(photo.path), lambda groups: groups)
