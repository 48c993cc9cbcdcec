"""Runs batches of every area against one server, and watches the server's processes meanwhile."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

from tests.chaos.server import Checkout, Server, knows_setting
from tests.fuzz import codecs, http, stills, websocket, wire
from tests.fuzz.tally import Tally

Batch = Callable[[Server, int, random.Random, Tally], Awaitable[None]]
AREAS: dict[str, Batch] = {
    "codecs": codecs.batch,
    "wire": wire.batch,
    "websocket": websocket.batch,
    "stills": stills.batch,
    "http": http.batch,
}
# Batches of an area that run at the same time. Most packets belong to the decoders.
AT_ONCE = {"codecs": 2, "wire": 1, "websocket": 1, "stills": 1, "http": 1}
# A batch that is not over after this time counts as a hang.
BATCH_S = 90.0
SAY_EVERY_S = 30.0
LOOK_EVERY_S = 2.0
# Ends of the log's lines that say that gifcue found a defect in itself.
DEFECTS_LOGGED = ("stream failed", "a part of the server failed")


async def fuzz(
    checkout: Checkout,
    seed: int,
    *,
    seconds: float,
    packets: int | None = None,
    areas: tuple[str, ...] = tuple(AREAS),
    only_batch: int | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Tally:
    """Fuzzes one server until the time is over, so many packets are sent, or a process of it has died.

    `only_batch`: one batch of each area and no more. What happens in a batch depends on the seed, its area and its
    number alone.
    """
    tally = Tally()
    # Quotas of a caller would keep most stills and joins from the code behind them.
    quotas = {
        name: 0
        for name in ("joins_per_s", "stills_per_s")
        if await asyncio.to_thread(knows_setting, checkout, f"expert.access.{name}")
    }
    # In the file, a table within another one: `[expert.access]`.
    settings: dict[str, dict[str, object]] = {"expert.access": dict(quotas)} if quotas else {}
    if await asyncio.to_thread(knows_setting, checkout, "whip.listen"):
        settings["whip"] = {"listen": "127.0.0.1:0"}
    async with Server(checkout, settings=settings) as server:
        until_s = time.monotonic() + seconds
        ended = asyncio.Event()

        def is_over() -> bool:
            enough = packets is not None and tally.total >= packets
            return enough or ended.is_set() or time.monotonic() >= until_s

        async def follow(area: str, first: int, step: int) -> None:
            number = first
            while not is_over():
                await _batch(area, number, seed, server, tally)
                number += step

        watch = asyncio.create_task(_watch(server, tally, ended, say), name="watch of the server")
        if only_batch is not None:
            await asyncio.gather(*(_batch(area, only_batch, seed, server, tally) for area in areas))
        else:
            lanes = [(area, lane, AT_ONCE[area]) for area in areas for lane in range(AT_ONCE[area])]
            await asyncio.gather(*(follow(*lane) for lane in lanes))
        watch.cancel()
        await _judge(server, tally)
    return tally


async def _batch(area: str, number: int, seed: int, server: Server, tally: Tally) -> None:
    chance = random.Random(f"{seed} {area} {number}")
    try:
        async with asyncio.timeout(BATCH_S):
            await AREAS[area](server, number, chance, tally)
    except TimeoutError:
        tally.defect(f"the batch was not over after {BATCH_S:g} s", area, number)
    except OSError as error:
        tally.defect(f"expected a server that answers, got {type(error).__name__}: {error}", area, number)


async def _watch(server: Server, tally: Tally, ended: asyncio.Event, say: Callable[[str], None]) -> None:
    """Reports progress, and ends the run once a worker has died: what follows would only repeat it."""
    began_s = said_s = time.monotonic()
    while not ended.is_set():
        await asyncio.sleep(LOOK_EVERY_S)
        now_s = time.monotonic()
        if now_s - said_s >= SAY_EVERY_S:
            said_s = now_s
            rate = tally.total / (now_s - began_s)
            say(f"{now_s - began_s:5.0f} s  {tally.total:9,} packets  {rate:6.0f} a second")
        if await _deaths(server):
            ended.set()


async def _deaths(server: Server) -> list[str]:
    status = await server.status()
    if status is None:
        return ["the server's status: expected an answer, got none"]
    return [
        f"{worker.name} was restarted {worker.restarts} times, last because of: {worker.last_failure}"
        for worker in status.workers
        if worker.restarts or worker.last_failure
    ]


async def _judge(server: Server, tally: Tally) -> None:
    """What must hold once everything is sent."""
    for death in await _deaths(server):
        tally.defect(death)
    if await server.until_ready(10.0) > 10.0:
        tally.defect("expected a server that is ready, it is not")
    if await server.until_streams(0, 15.0) > 15.0:
        tally.defect("expected no stream that is left, got some")
    status = await server.status()
    if status is not None:
        books = status.books
        accounted = (
            books.analysed + sum(books.skipped.values()) + sum(books.dropped.values()) + books.in_flight
        )
        if accounted != books.received or books.in_flight:
            tally.defect(
                f"expected every frame to have an outcome, got {books.received} received, {accounted} accounted for, "
                f"{books.in_flight} in flight"
            )
    logged = [event for event in server.events() if event.get("event") in DEFECTS_LOGGED]
    for event in logged[:3]:
        tally.defect(f"expected no defect in the log, got {len(logged)}, such as {event}")
    tally.outcomes["lines of the log"] = len(server.log().splitlines())
