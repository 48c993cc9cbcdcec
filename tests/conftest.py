"""Set-up of all tests: worker processes of a test import their targets from `tests.support`."""

from __future__ import annotations

import os
from pathlib import Path

# Before TensorFlow, whose own libraries make this one (of aiortc, the publisher in the tests of Janus) crash when it is
# loaded after them.
import pylibsrtp  # noqa: F401
import pytest

_ROOT = str(Path(__file__).resolve().parents[1])
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (_ROOT, os.environ.get("PYTHONPATH", ""))))


# Folders whose tests run Chromium or a peer in real time. One process runs all of them, one after the other, so that
# they get a core to themselves.
_REAL_TIME = ("tests/web/", "tests/ingest/", "tests/examples/", "tests/server/whip/")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Says what `make test` may run at once: a file's tests share their fixtures, so one process runs them."""
    for item in items:
        path = item.path.relative_to(_ROOT).as_posix()
        group = "real-time" if path.startswith(_REAL_TIME) else path
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def shared_clips() -> Path:
    """The private clips of people. Skips the test if they are missing."""
    data = Path(os.environ.get("GIFCUE_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not (data / "clips" / "dev").is_dir():
        pytest.skip(f"the private clips are not at {data}")
    return data / "clips" / "dev"
