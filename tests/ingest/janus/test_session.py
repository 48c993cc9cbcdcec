from __future__ import annotations

import pytest

from gifcue.ingest.janus.errors import JanusUnavailable
from gifcue.ingest.janus.session import JanusSession
from gifcue.ingest.janus.videoroom import PLUGIN


@pytest.mark.parametrize(
    "address", ["ws://user:secret@127.0.0.1:9/?token=secret", "ws://user:secret@127.0.0.1:port"]
)
async def test_errors_show_no_secret_of_the_address(address: str) -> None:
    with pytest.raises(JanusUnavailable, match=r"expected Janus at ws://user:\*\*\*@127") as unavailable:
        async with JanusSession(address, PLUGIN):
            pass
    assert "secret" not in str(unavailable.value)
