"""The CPU milliseconds per frame of each stage, which add up to all CPU time of the server.

The total is measured: the CPU time of each process, divided by the frames received in a run. Each stage is measured
alone, in a bare loop, and weighted by how often the run executed it. The rest of a process is what it spent beyond its
stages: for the front gRPC, the event loop and the kernel, for a worker its channel and the interpreter.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.bare import Bare
from benchmarks.footage import Footage
from gifcue.detect.factory import open_detector
from gifcue.detect.messages import MESSAGES as DETECT_MESSAGES
from gifcue.detect.messages import Batch, BatchResult, SlotPicture, pack, unpack
from gifcue.detect.regions import Region
from gifcue.detect.scheduler import Scheduler
from gifcue.engine.decisions import DecisionDetails
from gifcue.engine.engine import Engine
from gifcue.engine.events import EngineEvent
from gifcue.engine.pipeline import Pipeline
from gifcue.engine.publisher import Publisher
from gifcue.media.frame import FrameInFlight
from gifcue.media.messages import MESSAGES as MEDIA_MESSAGES
from gifcue.media.messages import Picture, Skipped, Submit
from gifcue.media.queues import Backlog
from gifcue.protocol.codecs import Codec
from gifcue.protocol.events import FrameDecided
from gifcue.protocol.reasons import SkipReason
from gifcue.protocol.wire.media import decode_frame
from gifcue.protocol.wire.responses import encode_response
from gifcue.reactions.policy import ReactionPolicy
from gifcue.rules.watch import BookWatcher
from gifcue.sample_video.photo import photo_frames
from gifcue.server.config import Settings, load_settings
from gifcue.v1 import media_pb2, reaction_service_pb2
from gifcue.workers.framing import Kind, decoders_of_a_child, decoders_of_the_front, encode
from gifcue.workers.messages import MessageTypes

ROUNDS = 5
TIMES_PER_ROUND = 300
NAME = "participant-0"

Row = dict[str, Any]


class _Sink:
    """Discards the events of a stream."""

    def put(self, event: EngineEvent) -> None:
        pass


class _DecodePool:
    """Replaces the decode pool: keeps the submitted frame and ignores every other call."""

    is_overloaded = False

    def __init__(self, *arguments: Any, on_outcome: Callable[..., None], **named: Any) -> None:
        self.on_outcome = on_outcome
        self.frame: Any = None

    def submit(self, frame: FrameInFlight, payload: bytes) -> None:
        self.frame = frame

    def backlog(self, key: int) -> Backlog:
        return Backlog(0, 0, 0)

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments, **named: None


class _DetectorPool:
    """Replaces the detector pool: ignores every call."""

    def __init__(self, *arguments: Any, on_detected: Callable[..., None], **named: Any) -> None:
        self.on_detected = on_detected
        self.info: Any = None

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments, **named: None


def bare_costs(footage: Footage) -> dict[str, float]:
    """CPU milliseconds of the stages besides media and detector, per frame or per analysed frame."""
    settings = load_settings()
    detector = open_detector(settings.detect.detector())
    frame = next(iter(photo_frames(1.0, 1.0, motion="still")))
    regions = detector.detect([frame])[0]
    info = detector.info
    detector.close()
    return {
        **_wire_costs(footage),
        **_message_costs(footage, regions),
        **_engine_costs(settings, info, regions),
    }


def _wire_costs(footage: Footage) -> dict[str, float]:
    request, response = reaction_service_pb2.StreamReactionsRequest, encode_response
    messages = [
        request(
            frame=media_pb2.Frame(
                participant_id=NAME,
                sequence=number,
                pts=packet.pts,
                clock_hz=packet.clock_hz,
                keyframe=packet.keyframe,
                payload=packet.payload,
            )
        ).SerializeToString()
        for number, packet in enumerate(footage.clip.packets)
    ]
    each = itertools.cycle(messages)
    decision = FrameDecided(NAME, 1, 3000, 90_000, 25.0)
    return {
        "request": _ms(lambda: decode_frame(request.FromString(next(each)).frame)),
        "response": _ms(lambda: response(decision).SerializeToString()),
    }


def _message_costs(footage: Footage, regions: list[Region]) -> dict[str, float]:
    submits = itertools.cycle(
        [Submit(1, number, 0.1, packet.payload) for number, packet in enumerate(footage.clip.packets)]
    )
    written = itertools.cycle([encode(Kind.MESSAGE, next(submits))[1] for _ in footage.clip.packets])
    skipped = Skipped(1, 1, SkipReason.PACED, 0.1)
    skipped_bytes = encode(Kind.MESSAGE, skipped)[1]
    batch, result = Batch(1, (SlotPicture(1, 640, 360),)), _result(regions)
    batch_bytes, result_bytes = encode(Kind.MESSAGE, batch)[1], encode(Kind.MESSAGE, result)[1]
    read_submit, read_outcome = _readers(MEDIA_MESSAGES)
    read_batch, read_result = _readers(DETECT_MESSAGES)
    return {
        "submit written": _ms(lambda: encode(Kind.MESSAGE, next(submits))),
        "submit read": _ms(lambda: read_submit(next(written))),
        "outcome written": _ms(lambda: encode(Kind.MESSAGE, skipped)),
        "outcome read": _ms(lambda: read_outcome(skipped_bytes)),
        "batch written": _ms(lambda: encode(Kind.MESSAGE, batch)),
        "batch read": _ms(lambda: read_batch(batch_bytes)),
        "result written": _ms(lambda: encode(Kind.MESSAGE, _result(regions))),
        "result read": _ms(lambda: [unpack(answer) for answer in read_result(result_bytes).answers]),
    }


def _result(regions: list[Region]) -> BatchResult:
    return BatchResult(1, (pack(regions, landmarks=False),), 10.0)


def _readers(types: MessageTypes) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """What reads a message in the worker, and what does in the front."""
    return decoders_of_a_child(types)[Kind.MESSAGE], decoders_of_the_front(types)[Kind.MESSAGE]


def _engine_costs(settings: Settings, info: Any, regions: list[Region]) -> dict[str, float]:
    policy = ReactionPolicy(settings.reactions, frozenset(settings.reactions.reaction_labels), lambda: "id")
    policy_s = itertools.count(1)
    queue: Scheduler[None] = Scheduler(1)

    frame = FrameInFlight(1, 1, 1, 3000, 90_000, 0.1, 3000, 0.0, slot=1, width=640, height=360)

    def wait_and_take() -> None:
        queue.offer(frame)
        queue.take(1)

    skip = _frames_of(settings, info, None)
    analyse = _frames_of(settings, info, regions)
    policy_ms = _ms(lambda: policy.observe(regions, next(policy_s) / 10.0))
    skipped_ms, analysed_ms = _ms(lambda: next(skip)), _ms(lambda: next(analyse))
    return {
        "policy": policy_ms,
        "queue": _ms(wait_and_take),
        "session": skipped_ms,
        "session, analysed": max(0.0, analysed_ms - skipped_ms - policy_ms),
    }


def _frames_of(settings: Settings, info: Any, regions: list[Region] | None) -> Iterator[None]:
    """Passes one frame per step through an engine, from arrival to outcome. Without `regions` it is skipped."""
    pools: dict[str, Any] = {}

    def kept(name: str, kind: Callable[..., Any]) -> Any:
        return lambda *arguments, **named: pools.setdefault(name, kind(*arguments, **named))

    pipeline = Pipeline(
        settings.media,
        settings.detect,
        settings.stills,
        settings.supervision,
        time.monotonic,
        max_still_bytes=settings.limits.max_frame_bytes,
        decode_pool=kept("decode", _DecodePool),
        detector_pool=kept("detect", _DetectorPool),
    )
    decode, detect = pools["decode"], pools["detect"]
    detect.info = info
    # Frames arrive as recorded, since a limit holds by the engine's clock. Reading the real clock costs as much.
    at_s = 0.0

    def clock() -> float:
        time.monotonic()
        return at_s

    book = BookWatcher(settings.rules.book, seed=settings.rules.seed)
    publisher = Publisher(lambda: book.chooser, lambda: pipeline.model.version, time.monotonic)
    policies = (settings.reactions.preset, settings.reactions)
    ids = (str(number) for number in itertools.count())
    engine = Engine(settings.limits, lambda _: policies, pipeline, publisher, clock, lambda: next(ids))
    session = engine.open_session(
        room_id="", client_name="", preset="", send_holding=False, decisions=DecisionDetails(), sink=_Sink()
    )
    session.join(NAME, Codec.MJPEG, b"", session.reaction_labels)
    payload = b"\xff\xd8\xff" + bytes(3000)
    for number in itertools.count(1):
        pts = number * 3000
        at_s = pts / 90_000
        frame = media_pb2.Frame(
            participant_id=NAME, sequence=number, pts=pts, clock_hz=90_000, payload=payload
        )
        session.frame(decode_frame(frame))
        in_flight = decode.frame
        if regions is None:
            decode.on_outcome(in_flight, Skipped(1, number, SkipReason.PACED, pts / 90_000))
        else:
            decode.on_outcome(in_flight, Picture(1, number, 0, 640, 360, pts / 90_000))
            detect.on_detected(in_flight, regions)
        yield


def _ms(work: Callable[[], object]) -> float:
    """CPU milliseconds of one call: the median of the rounds after a warm-up round."""
    spent = []
    for _ in range(ROUNDS + 1):
        started_s = time.thread_time()
        for _ in range(TIMES_PER_ROUND):
            work()
        spent.append((time.thread_time() - started_s) * 1000 / TIMES_PER_ROUND)
    return statistics.median(spent[1:])


def table(figures: dict[str, Any], bare: Bare, costs: dict[str, float]) -> list[Row]:
    """Rows of process, stage and CPU milliseconds per received frame. The rows of a process add up to its CPU time.

    `figures` is the report of a run below the capacity, `bare` has the stages of media and detector, `costs` those of
    `bare_costs`. A negative rest means that a stage costs less in the server than alone.
    """
    received = figures["received"]
    analysed = figures["analysed"] / received
    compared = analysed + figures["skipped"].get("similar", 0) / received
    media = bare.ms()
    stages: dict[str, dict[str, float]] = {
        "front": {
            "wire": costs["request"] + costs["response"] * analysed,
            "session": costs["session"] + costs["session, analysed"] * analysed,
            "policy": costs["policy"] * analysed,
            "queue": costs["queue"] * analysed,
            "batch": (costs["batch written"] + costs["result read"]) * analysed,
            "messages to decoders": costs["submit written"] + costs["outcome read"],
        },
        "decode": {
            "decode": media["decode"],
            "filter": media["filter"] * compared,
            "resize": media["resize"] * analysed,
            "messages": costs["submit read"] + costs["outcome written"],
        },
        "detect": {
            "infer": media["infer"] * analysed,
            "messages": (costs["batch read"] + costs["result written"]) * analysed,
        },
    }
    rest = {
        "front": "rest: gRPC, event loop, kernel",
        "decode": "rest: channel, interpreter",
        "detect": "rest: channel, interpreter",
    }
    rows: list[Row] = []
    for process, cores in figures["cpu_cores"].items():
        if process == "load generator":
            continue
        whole_ms = cores * figures["seconds"] * 1000 / received
        parts = dict(stages.get(process, {}))
        parts[rest.get(process, "all")] = whole_ms - sum(parts.values())
        rows += [{"process": process, "stage": stage, "ms": round(ms, 5)} for stage, ms in parts.items()]
    return rows
