"""A real Prometheus scrapes a real server: what the dashboard and the alerts ask for is there."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
from ruamel.yaml import YAML

from gifcue.client import Codec, ReactionClient
from gifcue.server.capacity.record import MeasuredCapacity, about, write
from gifcue.server.config import Settings, load_settings
from gifcue.server.lifecycle import Server
from tests.deploy.test_alerts import alerts
from tests.support.colour_detector import TARGET
from tests.support.programs import require
from tests.support.waiting import TIMEOUT_S, until
from tools.dashboard import PATH

RULE = Path(__file__).parents[2] / "deploy/kubernetes/components/monitoring/monitoring.yaml"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def settings_of(folder: Path) -> Settings:
    """A server that has all that metrics can be of: a measured capacity and a sink."""
    addresses = ("listen", "http_listen", "operator_listen", "operator_http_listen")
    capacity = folder / "capacity.json"
    settings = load_settings(
        None,
        {
            "server": dict.fromkeys(addresses, "127.0.0.1:0"),
            "limits": {"max_participants": "auto", "capacity_file": str(capacity)},
            "media": {"workers": 1},
            "detect": {"workers": 1},
            "delivery": {
                "public_url": "http://127.0.0.1:1",
                "webhook": {"url": "http://127.0.0.1:9/hook", "secret": "whsec_" + "A" * 32},
            },
        },
    )

    write(capacity, about(settings), MeasuredCapacity(54, 120.0, 640, 360, 30.0, 2.0, 30.0, 1_790_000_000))
    return settings


def scaling() -> str:
    """What autoscalers ask for: the pods that are needed."""
    documents = YAML(typ="safe").load_all(RULE.read_text(encoding="utf-8"))
    group, *_ = next(each for each in documents if each["kind"] == "PrometheusRule")["spec"]["groups"]
    return str(group["rules"][0]["expr"])


class Prometheus:
    """Its HTTP API."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """The samples of an expression. Raises AssertionError where Prometheus does not take it."""
        async with self._session.get(f"{self._url}/api/v1/query", params={"query": expression}) as answer:
            body = await answer.json()
        assert body["status"] == "success", f"{expression}: {body}"
        result: list[dict[str, Any]] = body["data"]["result"]
        return result

    async def until_ready(self) -> None:
        """Returns once it answers queries: it listens earlier, and answers 503 until its storage is loaded."""
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                async with self._session.get(f"{self._url}/-/ready") as answer:
                    if answer.status == 200:
                        return

    async def until_scraped(self, times: int) -> None:
        """Returns once the server was scraped so often."""
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                found = await self.query("count_over_time(up[1h]) and up == 1")
                if found and int(found[0]["value"][1]) >= times:
                    return


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.asynccontextmanager
async def prometheus(folder: Path, target: int) -> AsyncIterator[Prometheus]:
    program, port = require("prometheus"), free_port()
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 250ms}\n"
        f"scrape_configs: [{{job_name: gifcue, static_configs: [{{targets: ['127.0.0.1:{target}']}}]}}]\n"
    )
    process = await asyncio.create_subprocess_exec(
        program, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=error",
    )  # fmt: skip
    try:
        await until(lambda: listens(port), expected="Prometheus' port")
        async with aiohttp.ClientSession() as session:
            scraper = Prometheus(session, f"http://127.0.0.1:{port}")
            await scraper.until_ready()
            yield scraper
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), TIMEOUT_S)


def expressions() -> list[str]:
    """Those of the dashboard, with its variables filled in, and those of the alerts."""
    board = json.loads(PATH.read_text(encoding="utf-8"))
    of_panels = [target["expr"] for panel in board["panels"] for target in panel.get("targets") or []]
    filled = [each.replace("$instance", ".*").replace("$__rate_interval", "1m") for each in of_panels]
    return [*filled, *(alert["expr"] for alert in alerts().values()), scaling()]


def counters_of_alerts() -> list[str]:
    """The counters that alerts look at, with the labels that they ask for."""
    asked = [re.findall(r"\bgifcue_\w+_total(?:\{[^}]*\})?", alert["expr"]) for alert in alerts().values()]
    return sorted({counter for each in asked for counter in each})


async def test_prometheus_has_every_metric_of_the_dashboard_and_of_the_alerts(tmp_path: Path) -> None:
    async with (
        Server(settings_of(tmp_path), detector_target=TARGET) as server,
        prometheus(tmp_path, server.operator_http_port) as scraper,
        ReactionClient(f"127.0.0.1:{server.listen_port}") as client,
        client.open() as stream,
    ):
        await stream.join("alice", Codec.VP8, allowed_labels=["smile"])
        await stream.statistics()
        await scraper.until_scraped(3)
        (joined,) = await scraper.query("max_over_time(gifcue_participants[1m])")
        assert joined["value"][1] == "1"
        for expression in expressions():
            await scraper.query(expression)
        # A counter that begins with its first event has no increase then, and its alert misses that event.
        for counter in counters_of_alerts():
            assert await scraper.query(counter), (
                f"{counter}: expected a sample before anything happened, got none"
            )
        text = server._metrics().decode()
    # Names of families, which stand in the text even where a family has no sample yet.
    kinds = {line.split()[2]: line.split()[3] for line in text.splitlines() if line.startswith("# TYPE ")}
    known = set(kinds)
    for name, kind in kinds.items():
        known |= (
            {f"{name}{suffix}" for suffix in ("_bucket", "_count", "_sum")} if kind == "histogram" else set()
        )
    asked = {name for each in expressions() for name in re.findall(r"\b(?:gifcue|process)_\w+", each)}
    # Only a server with TLS has the one, which tests/server/test_access.py reads.
    # Only a server with inference servers has the other, which tests/server/test_triton_metrics.py reads.
    assert asked - known == {
        "gifcue_certificate_expiry_timestamp_seconds",
        "gifcue_triton_fallback_active",
    }
