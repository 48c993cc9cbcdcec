from __future__ import annotations

from pathlib import Path

import pytest

from gifcue.reactions.settings import policy_preset
from gifcue_lab.synthesis.participants import Subjects, find_subjects
from gifcue_lab.synthesis.subjects import read_stills
from gifcue_lab.training.samples import read_image, read_photos
from tests.support.photographs import SOMEBODY, STRANGER, write_people


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """DATA/train with a person `a` whose expressions are known, and a person `b` whose expressions are unknown."""
    root = tmp_path_factory.mktemp("data")
    write_people(root / "train", {"a": SOMEBODY, "b": STRANGER})
    return root


@pytest.fixture(scope="session")
def subjects(data: Path) -> Subjects:
    labels = policy_preset("normal").labels
    stills = read_stills(read_photos(data, "train"), labels)
    return find_subjects(stills, labels, lambda photo: read_image(photo.path), lambda groups: groups)
