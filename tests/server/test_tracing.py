"""Traces: spans of streams, joins and batches in the trace of the caller, and nothing about persons in them."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import grpc
import pytest
import structlog
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from structlog.testing import LogCapture

from gifcue.client import ReactionClient, StreamOptions
from gifcue.errors import ConfigError
from gifcue.protocol.codecs import Codec
from gifcue.sample_video.clips import encode
from gifcue.server.config import Settings
from gifcue.server.grpc_access import STREAM
from gifcue.server.lifecycle import Server
from gifcue.server.otel import CountingExporter, OtelTracing
from gifcue.server.settings import TracingSettings
from gifcue.server.trace_export import make_tracing
from gifcue.server.tracing import Tracing, trace_context, trace_id_of
from tests.support.colour_detector import RED, TARGET, colour_frames
from tests.support.raw_streams import Over, raw_stream, websocket
from tests.support.sending import send_in_step
from tests.support.waiting import TIMEOUT_S, until

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


class Spans:
    """An exporter into memory, and the tracing that uses it."""

    def __init__(self, share: float = 1.0) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracing = OtelTracing(SimpleSpanProcessor(self.exporter), share)

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.exporter.get_finished_spans() if span.name == name]


def ids(span: ReadableSpan) -> tuple[str, str]:
    """The trace and the parent's span."""
    assert span.context is not None
    parent = "" if span.parent is None else f"{span.parent.span_id:016x}"
    return f"{span.context.trace_id:032x}", parent


async def test_a_stream_its_joins_and_batches_have_spans_in_the_callers_trace(settings: Settings) -> None:
    spans = Spans()
    clip = encode(colour_frames(RED, 3), Codec.H264, 5.0)
    async with Server(settings, detector_target=TARGET, tracing=spans.tracing) as server:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.listen_port}") as channel:
            call: Any = channel.stream_stream(STREAM)(metadata=(("traceparent", TRACEPARENT),))
            await call.done_writing()
            await call.code()
        async with (
            ReactionClient(f"127.0.0.1:{server.listen_port}") as client,
            client.open(StreamOptions(room_id="secret-room", client_name="secret-client")) as stream,
        ):
            alice = await stream.join("secret-alice", clip.codec, clip.extradata, allowed_labels=["smile"])
            await send_in_step(stream, alice, clip.packets)
        await until(lambda: len(spans.named("gifcue.stream")) == 2)
        text = server._metrics().decode()
    traced, untraced = spans.named("gifcue.stream")
    assert ids(traced) == (TRACE, PARENT)
    assert ids(untraced)[1] == ""
    assert untraced.attributes is not None
    assert untraced.attributes["gifcue.frames.analysed"] == 3
    assert untraced.attributes["rpc.grpc.status_code"] == 0
    (join,) = spans.named("gifcue.join")
    assert untraced.context is not None
    assert ids(join) == (ids(untraced)[0], f"{untraced.context.span_id:016x}")
    assert dict(join.attributes or {}) == {"gifcue.codec": "h264"}
    assert spans.named("gifcue.batch")
    assert "secret" not in "".join(span.to_json() for span in spans.exporter.get_finished_spans())
    assert 'gifcue_spans_total{outcome="started"}' in text


async def test_the_log_lines_of_a_stream_name_the_trace_on_both_transports(settings: Settings) -> None:
    lines = LogCapture()
    before = structlog.get_config()["processors"]
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, lines])
    try:
        async with Server(settings, detector_target=TARGET) as server:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{server.listen_port}") as channel:
                call: Any = channel.stream_stream(STREAM)(metadata=(("traceparent", TRACEPARENT),))
                await call.done_writing()
                await call.code()
            async with websocket(server, headers={"traceparent": TRACEPARENT}) as socket:
                await socket.close()
            async with raw_stream(server, Over.GRPC) as stream:
                await stream.half_close()
                await stream.status()
            await until(
                lambda: len([each for each in lines.entries if each["event"] == "stream closed"]) == 3
            )
    finally:
        structlog.configure(processors=before)
    closed = [each.get("trace_id") for each in lines.entries if each["event"] == "stream closed"]
    assert closed == [TRACE, TRACE, None]


def test_batches_have_spans_at_a_bounded_rate() -> None:
    exporter, now_s = InMemorySpanExporter(), 0.0
    traced = OtelTracing(SimpleSpanProcessor(exporter), 1.0, clock=lambda: now_s)
    for number in range(1000):
        now_s = number / 100
        traced.batch(4, 2.5)
    spans = exporter.get_finished_spans()
    assert len(spans) == 10
    assert dict(spans[0].attributes or {}) == {"gifcue.pictures": 4}
    assert (spans[0].end_time or 0) - (spans[0].start_time or 0) == 2_500_000


def test_a_caller_cannot_raise_the_share_that_is_sampled() -> None:
    spans = Spans(share=0.0)
    with spans.tracing.stream({"traceparent": TRACEPARENT}, "grpc"):
        pass
    assert not spans.exporter.get_finished_spans()


def test_a_caller_that_does_not_sample_is_followed() -> None:
    spans = Spans()
    with spans.tracing.stream({"traceparent": f"00-{TRACE}-{PARENT}-00"}, "grpc"):
        pass
    assert not spans.exporter.get_finished_spans()


@pytest.mark.parametrize(
    "value",
    ["", "x", f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{'0' * 16}-01", TRACEPARENT.upper(), "00" * 9999],
)
def test_a_header_that_is_no_trace_context_is_left_out(value: str) -> None:
    assert trace_context({"traceparent": value, "tracestate": "a=b"}) == {}
    assert trace_id_of({"traceparent": value}) == ""


def test_what_a_caller_sends_beside_its_trace_context_is_left_out() -> None:
    headers = {"traceparent": TRACEPARENT, "tracestate": "a=b", "baggage": "user=alice"}
    assert trace_context(headers) == {"traceparent": TRACEPARENT, "tracestate": "a=b"}


def test_spans_that_could_not_be_exported_are_counted() -> None:
    class Failing(InMemorySpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            return SpanExportResult.FAILURE

    spans: Counter[str] = Counter()
    traced = OtelTracing(SimpleSpanProcessor(CountingExporter(Failing(), spans)), 1.0, spans)
    with traced.stream({}, "grpc"):
        pass
    assert traced.spans == {"started": 1, "failed": 1}


def test_without_an_endpoint_there_are_no_traces_and_no_packages_are_needed() -> None:
    assert type(make_tracing(TracingSettings())) is Tracing


def test_an_endpoint_without_the_packages_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "gifcue.server.otel", None)
    with pytest.raises(ConfigError, match=r"tracing.endpoint: expected the packages of gifcue\[otel\]"):
        make_tracing(TracingSettings(endpoint="http://127.0.0.1:4318/v1/traces"))


def test_a_collector_that_does_not_answer_holds_up_the_end_for_a_bounded_time() -> None:
    class Waiting(InMemorySpanExporter):
        answers = threading.Event()
        has_ended = False

        def export(self, spans: Any) -> SpanExportResult:
            self.answers.wait(TIMEOUT_S)
            self.has_ended = True
            return SpanExportResult.FAILURE

    exporter = Waiting()
    traced = OtelTracing(BatchSpanProcessor(exporter), 1.0)
    try:
        with traced.stream({}, "grpc"):
            pass
        with structlog.testing.capture_logs() as logs:
            traced.close(0.05)
        assert not exporter.has_ended
        assert [each["event"] for each in logs] == ["spans were not exported in time"]
    finally:
        exporter.answers.set()


def test_spans_that_wait_are_exported_at_the_end() -> None:
    exporter = InMemorySpanExporter()
    traced = OtelTracing(BatchSpanProcessor(exporter), 1.0)
    with traced.stream({}, "grpc"):
        pass
    traced.close()
    assert len(exporter.get_finished_spans()) == 1


async def test_an_endpoint_that_is_gone_does_not_keep_the_server_from_stopping(settings: Settings) -> None:
    gone = TracingSettings(endpoint="http://127.0.0.1:9/v1/traces")
    traced = settings.model_copy(update={"tracing": gone})
    async with Server(traced, detector_target=TARGET) as server, raw_stream(server, Over.GRPC) as stream:
        await stream.half_close()
        await stream.status()
    assert not server.engine.is_ready
