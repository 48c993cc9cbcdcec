"""Traces with OpenTelemetry. Needs the packages of gifcue[otel]; `trace_export` imports it where it is wanted."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import structlog
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import StatusCode as SpanStatus
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gifcue import __version__
from gifcue.server.settings import TracingSettings
from gifcue.server.tracing import CLOSE_S, StreamSpan, Tracing
from gifcue.server.transport import StreamStatus

# Spans of batches a second. A busy server makes hundreds of batches a second, all of one kind.
BATCHES_PER_S = 1.0

log = structlog.get_logger()


class _Span(StreamSpan):
    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def end(self, status: StreamStatus, **figures: float) -> None:
        self._span.set_attribute("rpc.grpc.status_code", status.code.value[0])
        self._span.set_attributes({f"gifcue.{name}": value for name, value in figures.items()})
        if status.code.name in ("INTERNAL", "UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"):
            self._span.set_status(SpanStatus.ERROR, status.code.name)


class OtelTracing(Tracing):
    """Makes spans of streams, joins and, at a bounded rate, batches.

    Args:
        processor: What becomes of spans that have ended.
        share: The share of traces that are sampled, 0..1. A caller that does not sample is followed; one that does
            cannot raise the share.
        spans: Counts what the exporter did, by outcome.
        clock: Seconds, for the rate of batches.
    """

    def __init__(
        self,
        processor: SpanProcessor,
        share: float,
        spans: Counter[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        ratio = TraceIdRatioBased(share)
        resource = Resource.create({"service.name": "gifcue", "service.version": __version__})
        self._provider = TracerProvider(
            sampler=ParentBased(ratio, remote_parent_sampled=ratio), resource=resource, shutdown_on_exit=False
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("gifcue", __version__)
        self._spans: Counter[str] = Counter() if spans is None else spans
        self._clock = clock
        self._next_batch_s = clock()

    @contextlib.contextmanager
    def stream(self, context: Mapping[str, str], transport: str) -> Iterator[StreamSpan]:
        """See Tracing."""
        self._spans["started"] += 1
        entered = self._tracer.start_as_current_span(
            "gifcue.stream",
            context=TraceContextTextMapPropagator().extract(context),
            kind=trace.SpanKind.SERVER,
            attributes={"rpc.method": "StreamReactions", "network.protocol.name": transport},
            # The text of an error may quote what a client sent.
            record_exception=False,
            set_status_on_exception=False,
        )
        with entered as span, self.in_log(trace.format_trace_id(span.get_span_context().trace_id)):
            yield _Span(span)

    @contextlib.contextmanager
    def join(self, codec: str) -> Iterator[None]:
        """See Tracing."""
        self._spans["started"] += 1
        with self._tracer.start_as_current_span("gifcue.join", attributes={"gifcue.codec": codec}):
            yield

    def batch(self, pictures: int, infer_ms: float) -> None:
        """See Tracing."""
        now_s = self._clock()
        if now_s < self._next_batch_s:
            return
        self._next_batch_s = now_s + 1 / BATCHES_PER_S
        self._spans["started"] += 1
        end_ns = time.time_ns()
        # A batch has pictures of many streams, so that it belongs to none of their traces.
        span = self._tracer.start_span(
            "gifcue.batch",
            context=trace.set_span_in_context(trace.INVALID_SPAN),
            start_time=end_ns - round(infer_ms * 1e6),
            attributes={"gifcue.pictures": pictures},
        )
        span.end(end_ns)

    @property
    def spans(self) -> Mapping[str, int]:
        """See Tracing."""
        return dict(self._spans)

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """See Tracing. What could not be exported is logged."""
        # The SDK's own timeout of a flush is without effect. A daemon keeps no process from its end.
        closing = threading.Thread(target=self._flush, name="gifcue-traces", daemon=True)
        closing.start()
        closing.join(min(timeout_s, CLOSE_S))
        if closing.is_alive():
            log.warning("spans were not exported in time")

    def _flush(self) -> None:
        self._provider.force_flush()
        self._provider.shutdown()


class CountingExporter(SpanExporter):
    """Counts the spans that another exporter took or lost."""

    def __init__(self, inner: SpanExporter, spans: Counter[str]) -> None:
        self._inner = inner
        self._spans = spans

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """See SpanExporter."""
        result = self._inner.export(spans)
        self._spans["exported" if result is SpanExportResult.SUCCESS else "failed"] += len(spans)
        return result

    def shutdown(self) -> None:
        """See SpanExporter."""
        self._inner.shutdown()


def otlp_tracing(settings: TracingSettings) -> OtelTracing:
    """Exports over OTLP and HTTP, in a thread of its own. Spans that come faster than it exports are left out."""
    spans: Counter[str] = Counter()
    exporter = CountingExporter(OTLPSpanExporter(endpoint=settings.endpoint, timeout=CLOSE_S), spans)
    return OtelTracing(BatchSpanProcessor(exporter), settings.sample_share, spans)
