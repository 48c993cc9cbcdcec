from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.ingest.janus.kit import RealJanus, running_janus


@pytest.fixture
async def janus(tmp_path: Path) -> AsyncIterator[RealJanus]:
    async with running_janus(tmp_path) as running:
        yield running
