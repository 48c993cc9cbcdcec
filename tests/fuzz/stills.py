"""Mutated stills, by gRPC and by HTTP."""

from __future__ import annotations

import asyncio
import random

import aiohttp
import grpc
import grpc.aio

from gifcue.protocol.codecs import Codec
from gifcue.v1 import reaction_service_pb2, reaction_service_pb2_grpc
from tests.chaos.attacks.http import END, PART
from tests.chaos.server import Server
from tests.chaos.streams import channel_to
from tests.fuzz.corpus import corpus
from tests.fuzz.mutate import mutated
from tests.fuzz.tally import Tally

STILLS, AT_ONCE = 24, 4
ANSWER_S = 20.0
# UNAVAILABLE and 503 say that too many stills wait.
EXPECTED = frozenset(
    {
        grpc.StatusCode.OK,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNAVAILABLE,
    }
)
EXPECTED_HTTP = frozenset({200, 400, 413, 415, 422, 429, 503})


async def batch(server: Server, number: int, chance: random.Random, tally: Tally) -> None:
    """Half of the stills by each way, a few at the same time."""
    stills = [each for each in corpus() if each.codec in (Codec.JPEG, Codec.PNG)]
    images = []
    for _ in range(STILLS):
        sample = chance.choice(stills)
        images.append(mutated(sample.codec, sample.units[0], [each.units[0] for each in stills], chance))
    allowed = asyncio.Semaphore(AT_ONCE)
    async with (
        channel_to(server.target) as channel,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_S)) as session,
    ):
        stub = reaction_service_pb2_grpc.ReactionServiceStub(channel)

        async def ask(place: int, image: bytes) -> None:
            async with allowed:
                if place % 2:
                    await _by_http(session, server, image, number, tally)
                else:
                    await _by_grpc(stub, image, number, tally)
                tally.packets["stills"] += 1

        await asyncio.gather(*(ask(place, image) for place, image in enumerate(images)))


async def _by_grpc(
    stub: reaction_service_pb2_grpc.ReactionServiceStub, image: bytes, number: int, tally: Tally
) -> None:
    status, details = grpc.StatusCode.OK, ""
    try:
        await stub.AnnotateImage(reaction_service_pb2.AnnotateImageRequest(image=image), timeout=ANSWER_S)
    except grpc.aio.AioRpcError as error:
        status, details = error.code(), error.details() or ""
    tally.outcomes[f"still {status.name}"] += 1
    if status not in EXPECTED:
        tally.defect(f"AnnotateImage ended with {status.name}: {details}", "stills", number)


async def _by_http(
    session: aiohttp.ClientSession, server: Server, image: bytes, number: int, tally: Tally
) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=chaos"}
    try:
        async with session.post(
            server.http + "/annotations", data=PART + image + END, headers=headers
        ) as answer:
            tally.outcomes[f"http {answer.status}"] += 1
            await answer.read()
            if answer.status not in EXPECTED_HTTP:
                tally.defect(f"/annotations answered {answer.status}", "stills", number)
    except (aiohttp.ClientError, TimeoutError) as error:
        tally.defect(f"/annotations did not answer: {type(error).__name__}", "stills", number)
