"""Mutated access units, through a stream and the decode workers of a real server."""

from __future__ import annotations

import asyncio
import random

from gifcue.v1 import reaction_service_pb2
from tests.chaos.server import Server
from tests.chaos.streams import Request, Response, Stream, frame, join
from tests.fuzz.corpus import Sample, corpus
from tests.fuzz.mutate import mutated
from tests.fuzz.tally import Tally
from tests.support.stream_model import StreamModel

# Each batch is a stream of its own: this many participants, each sending this many units in a burst, this many times.
# Where eight participants are late at the same time, a server refuses joins; where 64 units of one wait, it drops them.
PARTICIPANTS, UNITS, BURSTS = 3, 32, 8
# Between two units of a participant, of 90 kHz: 12 ms, and 1 s.
TICKS, TICKS_DUE = 1080, 90_000
JOIN_TRIES = 10
# A burst that has no outcome after this time counts as a hang.
SETTLE_S = 20.0
ASK = Request(statistics=reaction_service_pb2.StatisticsRequest())


async def batch(server: Server, number: int, chance: random.Random, tally: Tally) -> None:
    """Sends one batch and waits for the outcome of every unit."""
    model = StreamModel()
    answered = asyncio.Event()

    def hear(response: Response) -> None:
        model.heard(response)
        if response.WhichOneof("message") == "statistics":
            answered.set()

    stream = Stream(server.target, "fuzz", hear, answers=tally.outcomes)
    async with stream:
        samples = [chance.choice(corpus()) for _ in range(PARTICIPANTS)]
        joins = [
            join(f"fuzz-{place}", sample.codec.name, _extradata(sample, chance))
            for place, sample in enumerate(samples)
        ]
        joined = await _join(stream, model, answered, joins)
        sequences = [0] * PARTICIPANTS
        for _ in range(BURSTS):
            frames = [
                frame(f"fuzz-{place}", *_next(sequences, place), payload)
                for place, sample in enumerate(samples)
                for payload in _units(sample, chance)
                if f"fuzz-{place}" in joined
            ]
            if chance.random() < 0.05:
                chance.shuffle(frames)
            request = Request(frames=reaction_service_pb2.Frames(frames=frames))
            model.sent(request)
            if not await stream.send(request):
                break
            tally.packets["codecs"] += len(frames)
            if not await _settled(stream, model, answered):
                tally.defect(f"units without an outcome after {SETTLE_S:g} s", "codecs", number)
                break
        if stream.ended.is_set():
            tally.defect(f"the stream ended with {stream.status}: {stream.details}", "codecs", number)
    if model.violations:
        tally.defect(str(model.violations), "codecs", number)
    _count(model, tally)


async def _join(
    stream: Stream, model: StreamModel, answered: asyncio.Event, joins: list[Request]
) -> set[str]:
    """Joins, again after a pause while the server refuses because it has too much to decode. The names that it took."""
    for _ in range(JOIN_TRIES):
        refused = model.faults["TOO_MANY_PARTICIPANTS"]
        for request in joins:
            model.sent(request)
            await stream.send(request)
        await _settled(stream, model, answered)
        if model.faults["TOO_MANY_PARTICIPANTS"] == refused:
            break
        joins = [each for each in joins if each.participant.participant_id not in model.statistics]
        await asyncio.sleep(1.0)
    return set(model.statistics)


def _next(sequences: list[int], place: int) -> tuple[int, int]:
    """The sequence number and pts of the participant's next unit, none of them over the rate.

    Every picture of the first participant is due for analysis, and thus converted: 1 s lies between two of them. Of the
    others it is one in nine, since detectors are slower than decoders.
    """
    sequences[place] += 1
    return sequences[place], sequences[place] * (TICKS if place else TICKS_DUE)


def _units(sample: Sample, chance: random.Random) -> list[bytes]:
    """Sound keyframes and mutated units by turns: after damage, a decoder takes nothing but a keyframe."""
    everything = [unit for each in corpus() if each.codec is sample.codec for unit in each.units]
    units = []
    for index in range(UNITS):
        if index % 3 == 0:
            units.append(sample.units[0])
        else:
            units.append(mutated(sample.codec, chance.choice(sample.units), everything, chance))
    return units


def _extradata(sample: Sample, chance: random.Random) -> bytes:
    if chance.random() < 0.9:
        return b""
    return mutated(sample.codec, sample.units[0][:200], (), chance)


async def _settled(stream: Stream, model: StreamModel, answered: asyncio.Event) -> bool:
    """Asks until nothing is in flight; True where the stream has ended, since that is reported by itself."""
    try:
        async with asyncio.timeout(SETTLE_S):
            while not stream.ended.is_set():
                answered.clear()
                model.sent(ASK)
                if not await stream.send(ASK):
                    return True
                waits = {asyncio.create_task(answered.wait()), asyncio.create_task(stream.ended.wait())}
                _, left = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                for task in left:
                    task.cancel()
                if not model.in_flight:
                    return True
                await asyncio.sleep(0.002)
            return True
    except TimeoutError:
        return False


def _count(model: StreamModel, tally: Tally) -> None:
    counts = model.counts
    tally.outcomes["analysed"] += counts.analysed
    for reason, count in (*counts.skipped.items(), *counts.dropped.items()):
        tally.outcomes[reason] += count
