"""The capacity of a server whose `limits.max_participants` is "auto": from the file, or measured before it serves.

A server that serves never measures: it would take the machine from its participants, and measure what they leave.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

import structlog

from gifcue.engine.engine import Engine
from gifcue.errors import ConfigError
from gifcue.server.capacity.record import MeasuredCapacity, about, key_of, path_of, read, write
from gifcue.server.config import Settings

log = structlog.get_logger()

# Seconds after which a measurement is given up.
TIMEOUT_S = 180.0
_TABLES = ("media", "detect", "stills", "supervision")


async def apply(settings: Settings, engine: Engine) -> MeasuredCapacity | None:
    """Where `limits.max_participants` is "auto", limits the engine to as many participants as the machine carries.

    Raises:
        ConfigError: the capacity could not be measured, or depends on inference servers that others use.
    """
    if engine.limits.max_participants != "auto":
        return None
    if settings.detect.backend == "triton":
        # The measurement would also load servers that other gifcue servers use.
        raise ConfigError(
            'limits.max_participants: expected a number with detect.backend = "triton", got "auto": inference servers '
            "that are shared have no capacity of this machine. Set a number"
        )
    capacity = await find(settings)
    engine.limits = engine.limits.model_copy(update={"max_participants": capacity.participants})
    return capacity


async def find(settings: Settings) -> MeasuredCapacity:
    """The capacity of this machine with these settings. Measures, and keeps the figure, where the file has none.

    Raises:
        ConfigError: the capacity could not be measured.
    """
    path = path_of(settings)
    what = await asyncio.to_thread(about, settings)
    known = await asyncio.to_thread(read, path, key_of(what))
    if known is not None:
        log.info("capacity", participants=known.participants, measured_at=known.measured_at, file=str(path))
        return known
    log.info("measuring the capacity", timeout_s=TIMEOUT_S, file=str(path))
    capacity = await _measure(settings)
    log.info("capacity", participants=capacity.participants, took_s=capacity.took_s)
    try:
        await asyncio.to_thread(write, path, what, capacity)
    except OSError as error:
        # Measured again at the next start, which costs half a minute.
        log.warning("the capacity could not be kept", file=str(path), error=type(error).__name__)
    return capacity


async def _measure(settings: Settings) -> MeasuredCapacity:
    tables = {name: getattr(settings, name).model_dump(mode="json") for name in _TABLES}
    # The tables are all that the measurement is told.
    environment = {
        name: value for name, value in os.environ.items() if not name.upper().startswith("GIFCUE_")
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gifcue.server.capacity",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=environment,
    )
    try:
        async with asyncio.timeout(TIMEOUT_S):
            out, _ = await process.communicate(json.dumps(tables).encode())
    except TimeoutError:
        raise _failed(f"it took more than {TIMEOUT_S:g} s") from None
    finally:
        if process.returncode is None:
            # Its children end with it: their channels close.
            process.kill()
            await process.wait()
    if process.returncode:
        raise _failed(out.decode(errors="replace").strip() or f"exit code {process.returncode}")
    return _capacity(out)


def _capacity(out: bytes) -> MeasuredCapacity:
    try:
        values: dict[str, Any] = json.loads(out)
        return MeasuredCapacity(**values)
    except (ValueError, TypeError) as error:
        raise _failed(type(error).__name__) from None


def _failed(why: str) -> ConfigError:
    return ConfigError(
        f'limits.max_participants: expected to measure the capacity for "auto", could not: {why}. Set a number'
    )
