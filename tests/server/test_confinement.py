"""What the workers of a running server cannot do or see."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from gifcue.server.config import load_settings
from gifcue.server.lifecycle import Server
from tests.support.colour_detector import TARGET

SECRETS = {
    "GIFCUE_DELIVERY__WEBHOOK__URL": "http://127.0.0.1:1/hook",
    "GIFCUE_DELIVERY__WEBHOOK__SECRET": f"whsec_{base64.b64encode(b'of the webhook, 32 bytes or more').decode()}",
    "CLOUD_TOKEN": "of another program",
}


def environment_of(pid: int) -> dict[str, str]:
    variables = Path(f"/proc/{pid}/environ").read_bytes().rstrip(b"\0").split(b"\0")
    return dict(variable.decode().split("=", 1) for variable in variables)


def pids(server: Server) -> dict[str, int]:
    return {worker.name: worker.pid for worker in server.engine.statistics().workers}


@pytest.mark.skipif(not Path("/proc/self/environ").is_file(), reason="reads environments in /proc")
async def test_no_worker_holds_a_secret_in_its_environment(settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TZ", "Europe/Berlin")
    configured = load_settings(None, settings.model_dump(exclude={"delivery"}))
    assert configured.delivery.webhook is not None
    async with Server(configured, detector_target=TARGET) as server:
        assert len(pids(server)) == 2
        for pid in pids(server).values():
            environment = environment_of(pid)
            assert environment["TZ"] == "Europe/Berlin"
            assert not SECRETS.keys() & environment.keys()
            assert not set(SECRETS.values()) & set(environment.values())
