"""The metrics of the pools, from statistics whose values all differ."""

from __future__ import annotations

from gifcue.client import ReactionClient
from gifcue.detect.scheduler import SchedulerStatistics
from gifcue.detect.statistics import DetectStatistics, DurationStatistics
from gifcue.engine.engine import EngineStatistics
from gifcue.engine.latency import LatencyRecorder
from gifcue.media.pool import DecodeStatistics
from gifcue.media.still_pool import StillStatistics
from gifcue.protocol.accounting import FrameCounts
from gifcue.protocol.codecs import Codec
from gifcue.sample_video.clips import encode
from gifcue.server.metrics import EngineCollector
from tests.support.colour_detector import RED, colour_frames
from tests.support.sending import send_in_step


class FixedEngine:
    """An engine with constructed statistics."""

    def statistics(self) -> EngineStatistics:
        return EngineStatistics(
            sessions=1,
            participants=2,
            frames=FrameCounts(),
            reactions={},
            dismissals={"smile": 15},
            latency=LatencyRecorder().statistics(),
            analysis_fps=10.0,
            decode=DecodeStatistics(
                (),
                2,
                units=3,
                bytes=4000,
                oldest_s=0.25,
                decoder_bytes=9000,
                overloaded=1,
                paused=2,
                slots=16,
                slots_out=5,
            ),
            detect=DetectStatistics(
                SchedulerStatistics(waiting=6, stills=7, offered=0, superseded=0, taken=0, refused_stills=0),
                in_flight=0,
                batches={1: 10, 3: 4, 8: 2},
                infer=DurationStatistics(16, 320.0, 18.0, 31.0),
                wait=DurationStatistics(38, 76.0, 1.0, 9.0),
                workers=(),
            ),
            stills=StillStatistics(
                workers=(),
                places=9,
                bytes=5000,
                waiting=11,
                slots_out=2,
                decoded=12,
                failed={"invalid_data": 13},
                refused={"too_many": 14},
            ),
            faults={"invalid_data": 15},
            keyframe_requests=16,
        )


def test_figures_of_the_pools_are_exported_in_seconds_pictures_and_bytes() -> None:
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in EngineCollector(FixedEngine(), 0, 16).collect()  # type: ignore[arg-type]
        for sample in family.samples
    }
    expected = {
        ("gifcue_inference_seconds", "0.5"): 0.018,
        ("gifcue_inference_seconds", "0.95"): 0.031,
        ("gifcue_inference_seconds_count",): 16,
        ("gifcue_inference_seconds_sum",): 0.32,
        ("gifcue_detector_wait_seconds", "0.5"): 0.001,
        ("gifcue_detector_wait_seconds", "0.95"): 0.009,
        ("gifcue_detector_wait_seconds_count",): 38,
        ("gifcue_detector_wait_seconds_sum",): 0.076,
        ("gifcue_batch_pictures_bucket", "1"): 10,
        ("gifcue_batch_pictures_bucket", "2"): 10,
        ("gifcue_batch_pictures_bucket", "4"): 14,
        ("gifcue_batch_pictures_bucket", "8"): 16,
        ("gifcue_batch_pictures_bucket", "+Inf"): 16,
        ("gifcue_batch_pictures_sum",): 38,
        ("gifcue_detector_queue", "frame"): 6,
        ("gifcue_detector_queue", "still"): 7,
        ("gifcue_stills",): 9,
        ("gifcue_still_bytes",): 5000,
        ("gifcue_stills_waiting",): 11,
        ("gifcue_stills_decoded_total",): 12,
        ("gifcue_stills_failed_total", "invalid_data"): 13,
        ("gifcue_stills_refused_total", "too_many"): 14,
        ("gifcue_dismissals_total", "smile"): 15,
        ("gifcue_decision_details_dropped_total",): 16,
        ("gifcue_slots",): 16,
        ("gifcue_slots_free",): 11,
        ("gifcue_decode_waiting_units",): 3,
        ("gifcue_decode_waiting_bytes",): 4000,
        ("gifcue_decode_oldest_seconds",): 0.25,
        ("gifcue_decoder_memory_bytes",): 9000,
        ("gifcue_decode_overloaded",): 1,
        ("gifcue_participants_paused",): 2,
        ("gifcue_faults_total", "invalid_data"): 15,
        ("gifcue_keyframe_requests_total",): 16,
    }
    assert {key: samples[key] for key in expected} == expected


async def test_a_server_counts_batches_and_gives_every_slot_back(
    client: ReactionClient, operator: ReactionClient
) -> None:
    clip = encode(colour_frames(RED, 3), Codec.H264, 5.0)
    async with client.open() as stream:
        alice = await stream.join("alice", clip.codec, clip.extradata, allowed_labels=["smile"])
        await send_in_step(stream, alice, clip.packets)
        text = await operator.metrics()
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert values["gifcue_frames_analysed_total"] == "3.0"
    assert values["gifcue_inference_seconds_count"] == "3.0"
    assert values["gifcue_batch_pictures_sum"] == "3.0"
    assert float(values['gifcue_inference_seconds{quantile="0.95"}']) > 0.0
    assert values["gifcue_slots_free"] == values["gifcue_slots"]
    assert values["gifcue_decode_waiting_units"] == "0.0"
