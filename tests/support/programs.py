"""Programs that tests run gifcue against, which `make setup-peers` installs."""

from __future__ import annotations

import os
import shutil

import pytest


def require(program: str) -> str:
    """The program's path. Skips the test where it is missing, and fails it in CI."""
    found = shutil.which(program)
    if found is None:
        message = f"expected the program {program} (make setup-peers), got none"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found
