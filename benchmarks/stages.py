"""What each stage costs a frame, as CPU milliseconds that add up to all that the server spends.

The whole is measured: the CPU of each process over the frames that came in a run. The stages are measured bare, each by
itself, and weighed by how often the run did them. What a process spent beyond its stages is its rest: for the front
gRPC, the event loop and the kernel's share of both, for a worker its channel and the interpreter around the stages.
"""

from __future__ import annotations

import itertools
import pickle
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.bare import Bare
from benchmarks.footage import Footage
from gifcue.detect.factory import open_detector
from gifcue.detect.pool import DetectResult, ResultKind
from gifcue.detect.regions import Region
from gifcue.detect.scheduler import Scheduler, WaitingFrame
from gifcue.detect.worker import Batch, Judged, SlotPicture
from gifcue.engine.notices import DecisionNotice, Notice
from gifcue.engine.session import Session
from gifcue.media.codecs import Codec
from gifcue.media.messages import Picture, Skipped, Submit, Unit
from gifcue.protocol.reasons import SkipReason
from gifcue.reactions.policy import ReactionPolicy
from gifcue.sample_video.photo import photo_frames
from gifcue.server import convert
from gifcue.server.build import build
from gifcue.server.config import Settings, load_settings
from gifcue.v1 import media_pb2, reaction_service_pb2
from gifcue.workers.framing import Kind, encode

ROUNDS = 5
TIMES_A_ROUND = 300
NAME = "participant-0"

Row = dict[str, Any]


class _Sink:
    """A stream that nobody reads."""

    def put(self, notice: Notice) -> None:
        pass


class _Pools:
    """Takes the place of both pools: swallows what the engine sends, so that the engine alone is timed."""

    def __init__(self, info: Any) -> None:
        self.info = info
        self.ready = True
        self.failed = False

    def buffered_bytes(self, key: int) -> int:
        return 0

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments, **named: None


def bare_costs(footage: Footage) -> dict[str, float]:
    """CPU milliseconds of the stages around the media: of one frame each, or of one analysed frame."""
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
    request, response = reaction_service_pb2.StreamReactionsRequest, convert.response_of
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
    notice = DecisionNotice(NAME, 1, 3000, 90_000, 25.0)
    return {
        "request": _ms(lambda: convert.frame_of(request.FromString(next(each)).frame)),
        "response": _ms(lambda: response(notice).SerializeToString()),
    }


def _message_costs(footage: Footage, regions: list[Region]) -> dict[str, float]:
    submits = itertools.cycle(
        [
            Submit(1, Unit(number, 0.1, False, packet.payload))
            for number, packet in enumerate(footage.clip.packets)
        ]
    )
    written = itertools.cycle([encode(Kind.MESSAGE, next(submits))[1] for _ in footage.clip.packets])
    skipped = Skipped(1, 1, SkipReason.PACED, 0.1)
    skipped_bytes = encode(Kind.MESSAGE, skipped)[1]
    batch, judged = Batch(1, (SlotPicture(1, 640, 360),)), Judged(1, (regions,), 10.0)
    batch_bytes, judged_bytes = encode(Kind.MESSAGE, batch)[1], encode(Kind.MESSAGE, judged)[1]
    return {
        "submit written": _ms(lambda: encode(Kind.MESSAGE, next(submits))),
        "submit read": _ms(lambda: pickle.loads(next(written))),
        "outcome written": _ms(lambda: encode(Kind.MESSAGE, skipped)),
        "outcome read": _ms(lambda: pickle.loads(skipped_bytes)),
        "batch written": _ms(lambda: encode(Kind.MESSAGE, batch)),
        "batch read": _ms(lambda: pickle.loads(batch_bytes)),
        "judged written": _ms(lambda: encode(Kind.MESSAGE, judged)),
        "judged read": _ms(lambda: pickle.loads(judged_bytes)),
    }


def _engine_costs(settings: Settings, info: Any, regions: list[Region]) -> dict[str, float]:
    policy = ReactionPolicy(settings.reactions, frozenset(settings.reactions.reaction_labels), lambda: "id")
    policy_s = itertools.count(1)
    queue: Scheduler[None] = Scheduler(1)

    def wait_and_take() -> None:
        queue.offer(WaitingFrame(1, 1, 1, 640, 360, 0.0))
        queue.take(1)

    skip = _frames_of(settings, info, None)
    look = _frames_of(settings, info, regions)
    policy_ms = _ms(lambda: policy.observe(regions, next(policy_s) / 10.0))
    skipped_ms, looked_ms = _ms(lambda: next(skip)), _ms(lambda: next(look))
    return {
        "policy": policy_ms,
        "queue": _ms(wait_and_take),
        "session": skipped_ms,
        "session, analysed": max(0.0, looked_ms - skipped_ms - policy_ms),
    }


def _frames_of(settings: Settings, info: Any, regions: list[Region] | None) -> Iterator[None]:
    """A frame a step through an engine: from its arrival to its end, analysed where there are regions."""
    built = build(settings, time.monotonic)
    built.arena.close()
    engine = built.engine
    pools: Any = _Pools(info)
    engine.use(pools, pools)
    session: Session = engine.open_session(
        room_id="", client_name="", preset="", send_holding=False, send_decisions=True, sink=_Sink()
    )
    session.join(NAME, Codec.MJPEG, b"", session.reaction_labels)
    payload = b"\xff\xd8\xff" + bytes(3000)
    for number in itertools.count(1):
        pts = number * 3000
        frame = media_pb2.Frame(
            participant_id=NAME, sequence=number, pts=pts, clock_hz=90_000, payload=payload
        )
        session.frame(convert.frame_of(frame))
        if regions is None:
            engine.on_outcome(Skipped(1, number, SkipReason.PACED, pts / 90_000))
        else:
            engine.on_outcome(Picture(1, number, 0, 640, 360, pts / 90_000, 0.5))
            engine.on_result(DetectResult(1, number, ResultKind.REGIONS, regions))
        yield


def _ms(work: Callable[[], object]) -> float:
    """CPU milliseconds of one time, the median of rounds after one to warm up."""
    spent = []
    for _ in range(ROUNDS + 1):
        started_s = time.thread_time()
        for _ in range(TIMES_A_ROUND):
            work()
        spent.append((time.thread_time() - started_s) * 1000 / TIMES_A_ROUND)
    return statistics.median(spent[1:])


def table(figures: dict[str, Any], bare: Bare, costs: dict[str, float]) -> list[Row]:
    """Rows of process, stage and CPU milliseconds a frame received; the rows of a process add up to what it spent.

    `figures` is a run below the knee, `bare` the media's and the detector's stages, `costs` those of `bare_costs`.
    A rest below 0 says that a stage cost less in the server than by itself.
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
            "batch": (costs["batch written"] + costs["judged read"]) * analysed,
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
            "messages": (costs["batch read"] + costs["judged written"]) * analysed,
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
