"""A server that takes WHIP, and callers of it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from gifcue.server.config import load_settings
from gifcue.server.lifecycle import Server
from tests.support.colour_detector import TARGET

SDP = {"Content-Type": "application/sdp"}


@contextlib.asynccontextmanager
async def whip_server(whip: dict[str, Any] | None = None, **tables: Any) -> AsyncIterator[Server]:
    """A server with the detector of colours. `whip` and `tables` are settings beside those that it needs."""
    addresses = ("listen", "http_listen", "operator_listen", "operator_http_listen")
    settings = load_settings(
        None,
        {
            "server": dict.fromkeys(addresses, "127.0.0.1:0") | tables.pop("server", {}),
            "whip": {"listen": "127.0.0.1:0"} | (whip or {}),
            "media": {"workers": 1},
            "detect": {"workers": 1},
            "log": {"level": "error"},
            **tables,
        },
    )
    async with Server(settings, detector_target=TARGET) as server:
        yield server


def base(server: Server) -> str:
    return f"http://127.0.0.1:{server.http_port}"


@contextlib.asynccontextmanager
async def listening(
    http: aiohttp.ClientSession, server: Server, room: str
) -> AsyncIterator[AsyncIterator[tuple[str, Any]]]:
    """The events of a room: their names and their fields, from `ready` on."""

    async def events(response: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, Any]]:
        name = ""
        async for line in response.content:
            field, _, value = line.decode().strip().partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                yield name, json.loads(value)

    async with http.get(f"{base(server)}/whip/{room}") as response:
        assert response.status == 200, await response.text()
        yield events(response)
