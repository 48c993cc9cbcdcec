"""What the workers of a running server cannot do or see."""

from __future__ import annotations

import base64
import os
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gifcue.errors import WorkerStartError
from gifcue.protocol.statistics import LayerStatus, WorkerStatus
from gifcue.server.config import load_settings
from gifcue.server.confinement import warn_of_confinement
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
        assert {name.partition("-")[0] for name in pids(server)} == {"decode", "still", "detect"}
        for pid in pids(server).values():
            environment = environment_of(pid)
            assert environment["TZ"] == "Europe/Berlin"
            assert not SECRETS.keys() & environment.keys()
            assert not set(SECRETS.values()) & set(environment.values())


@pytest.mark.skipif(sys.platform != "linux", reason="the layers are Linux'")
async def test_the_state_of_each_layer_is_in_the_metrics(settings) -> None:
    async with Server(settings, detector_target=TARGET) as server:
        workers = server.engine.statistics().workers
        metrics = server._metrics().decode()
    states = {(worker.name, each.layer): each.state for worker in workers for each in worker.confinement}
    assert {name for name, _ in states} == {worker.name for worker in workers}
    assert states["decode-0", "seccomp"] in ("active", "missing")
    assert states["detect-0", "seccomp"] == "not_applied"
    for (name, layer), state in states.items():
        assert f'gifcue_confinement{{layer="{layer}",state="{state}",worker="{name}"}} 1.0' in metrics


def worker(name: str, *layers: LayerStatus) -> WorkerStatus:
    return WorkerStatus(name, "ready", 1, 0, "", layers)


def test_what_is_missing_is_said_once_for_all_workers() -> None:
    lacking = LayerStatus("landlock", "missing", "Function not implemented")
    workers = [
        worker("decode-0", LayerStatus("seccomp", "active"), lacking),
        worker("decode-1", lacking),
        worker("detect-0", LayerStatus("landlock", "not_applied")),
    ]
    with capture_logs() as logs:
        warn_of_confinement(workers, "auto")
    assert logs == [
        {
            "event": "workers lack a layer of confinement",
            "log_level": "warning",
            "layer": "landlock",
            "reason": "Function not implemented",
            "workers": ["decode-0", "decode-1"],
        }
    ]


def test_confinement_that_is_off_is_said() -> None:
    with capture_logs() as logs:
        warn_of_confinement([worker("decode-0", LayerStatus("seccomp", "off"))], "off")
    assert [each["event"] for each in logs] == ["decode workers are not confined"]


async def test_a_server_that_requires_all_layers_does_not_start_without_one(settings) -> None:
    strict = {"confinement": "required", "user": "no-such-user"}
    configured = settings.model_copy(update={"supervision": settings.supervision.model_copy(update=strict)})
    if os.getuid() != 0:
        pytest.skip("the layer of the user is missing only where root starts the server")
    with pytest.raises(WorkerStartError, match=r"expected a system with all layers, got one without user \("):
        async with Server(configured, detector_target=TARGET):
            pass
