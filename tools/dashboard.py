"""Writes the Grafana dashboard, deploy/grafana/gifcue.json, with Grafana's own SDK: `make dashboard`.

The SDK's types are those of Grafana's schema, so that the file is one that Grafana takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from grafana_foundation_sdk.builders import dashboard, prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef

PATH = Path(__file__).parents[1] / "deploy" / "grafana" / "gifcue.json"
# What is chosen at the top of the dashboard: the data source, and the servers.
SOURCE = DataSourceRef(type_val="prometheus", uid="${source}")
SERVERS = 'instance=~"$instance"'


@dataclass(frozen=True)
class Chart:
    """A panel: its unit by Grafana's name, and each line's expression with its legend."""

    title: str
    unit: str
    about: str
    lines: tuple[tuple[str, str], ...]


def _rate(metric: str, by: str = "") -> str:
    labels = f"instance, {by}" if by else "instance"
    return f"sum by ({labels}) (rate({metric}{{{SERVERS}}}[$__rate_interval]))"


def _of(metric: str, labels: str = "") -> str:
    return f"{metric}{{{SERVERS}{', ' + labels if labels else ''}}}"


def _quantile(share: float, metric: str) -> str:
    return f"histogram_quantile({share}, {_rate(f'{metric}_bucket', 'le')})"


ROWS: tuple[tuple[str, tuple[Chart, ...]], ...] = (
    (
        "Load and capacity",
        (
            Chart(
                "Participants",
                "short",
                "Joined, and the most that may join.",
                (
                    (_of("gifcue_participants"), "{{instance}}"),
                    (_of("gifcue_participants_max"), "{{instance}} limit"),
                ),
            ),
            Chart(
                "Capacity in use",
                "percentunit",
                "The share of the limit that has joined.",
                ((_of("gifcue_capacity_used_ratio"), "{{instance}}"),),
            ),
            Chart(
                "Streams",
                "short",
                "Open streams, and those that were asked to move.",
                (
                    (_of("gifcue_streams"), "{{instance}}"),
                    (_of("gifcue_streams_moving"), "{{instance}} moving"),
                ),
            ),
            Chart(
                "Streams that ended or were refused",
                "ops",
                "By status, and refused ones by reason.",
                (
                    (_rate("gifcue_streams_ended_total", "status"), "{{instance}} {{status}}"),
                    (_rate("gifcue_streams_refused_total", "reason"), "{{instance}} refused: {{reason}}"),
                ),
            ),
        ),
    ),
    (
        "Latency and results",
        (
            Chart(
                "Decision latency",
                "s",
                "From a frame's arrival to the decision on it.",
                (
                    (_quantile(0.5, "gifcue_decision_latency_seconds"), "{{instance}} median"),
                    (_quantile(0.95, "gifcue_decision_latency_seconds"), "{{instance}} 95th percentile"),
                ),
            ),
            Chart(
                "Analysis rate",
                "hertz",
                "Pictures a second of one participant at most; lower under overload.",
                ((_of("gifcue_analysis_fps"), "{{instance}}"),),
            ),
            Chart(
                "Reactions",
                "ops",
                "Reactions that started, and those that participants dismissed, by label.",
                (
                    (_rate("gifcue_reactions_started_total", "label"), "{{instance}} {{label}}"),
                    (_rate("gifcue_dismissals_total", "label"), "{{instance}} {{label}} dismissed"),
                ),
            ),
            Chart(
                "Deliveries",
                "ops",
                "GIFs that sinks took, and those that were given up.",
                (
                    (_rate("gifcue_delivery_delivered_total", "sink"), "{{instance}} {{sink}}"),
                    (_rate("gifcue_delivery_dead_total", "sink, reason"), "{{instance}} {{sink}} {{reason}}"),
                ),
            ),
        ),
    ),
    (
        "Frames",
        (
            Chart(
                "Frames",
                "ops",
                "Frames that arrived, and those that were analysed.",
                (
                    (_rate("gifcue_frames_received_total"), "{{instance}} received"),
                    (_rate("gifcue_frames_analysed_total"), "{{instance}} analysed"),
                ),
            ),
            Chart(
                "Frames dropped",
                "ops",
                "By reason.",
                ((_rate("gifcue_frames_dropped_total", "reason"), "{{instance}} {{reason}}"),),
            ),
            Chart(
                "Faults and keyframe requests",
                "ops",
                "What was wrong with participants and frames.",
                (
                    (_rate("gifcue_faults_total", "code"), "{{instance}} {{code}}"),
                    (_rate("gifcue_keyframe_requests_total"), "{{instance}} keyframes asked for"),
                ),
            ),
            Chart(
                "What waits",
                "short",
                "Access units, pictures, and participants that are not decoded.",
                (
                    (_of("gifcue_decode_waiting_units"), "{{instance}} units"),
                    (_of("gifcue_detector_queue"), "{{instance}} {{kind}}"),
                    (_of("gifcue_participants_paused"), "{{instance}} paused"),
                    (_of("gifcue_slots_free"), "{{instance}} free slots"),
                ),
            ),
            Chart(
                "Stills",
                "ops",
                "Decoded, failed and refused.",
                (
                    (_rate("gifcue_stills_decoded_total"), "{{instance}} decoded"),
                    (_rate("gifcue_stills_failed_total", "reason"), "{{instance}} {{reason}}"),
                    (_rate("gifcue_stills_refused_total", "reason"), "{{instance}} refused: {{reason}}"),
                ),
            ),
        ),
    ),
    (
        "Processes",
        (
            Chart(
                "CPU",
                "short",
                "Cores that the front process and each worker use.",
                (
                    (_rate("process_cpu_seconds_total"), "{{instance}} front"),
                    (_rate("gifcue_worker_cpu_seconds_total", "worker"), "{{instance}} {{worker}}"),
                ),
            ),
            Chart(
                "Memory",
                "bytes",
                "Memory that processes share counts for each of them.",
                (
                    (_of("process_resident_memory_bytes"), "{{instance}} front"),
                    (_of("gifcue_worker_resident_memory_bytes"), "{{instance}} {{worker}}"),
                ),
            ),
            Chart(
                "Workers",
                "short",
                "1 while ready, and restarts.",
                (
                    (_of("gifcue_worker_up"), "{{instance}} {{worker}}"),
                    (
                        _rate("gifcue_worker_restarts_total", "worker"),
                        "{{instance}} {{worker}} restarts a second",
                    ),
                ),
            ),
            Chart(
                "Event loop",
                "s",
                "How long the front process kept a timer waiting.",
                (
                    (_quantile(0.99, "gifcue_event_loop_lag_seconds"), "{{instance}} 99th percentile"),
                    (_of("gifcue_event_loop_lag_max_seconds"), "{{instance}} longest"),
                ),
            ),
            Chart(
                "Versions",
                "short",
                "What runs where.",
                (
                    (f"count by (version) ({_of('gifcue_build_info')})", "gifcue {{version}}"),
                    (
                        f"count by (version, sha256) ({_of('gifcue_model_info')})",
                        "model {{version}} {{sha256}}",
                    ),
                ),
            ),
        ),
    ),
)


def text() -> str:
    """The dashboard as JSON."""
    board = (
        dashboard.Dashboard("gifcue")
        .uid("gifcue")
        .tags(["gifcue"])
        .refresh("30s")
        .time("now-1h", "now")
        .timezone("browser")
        .with_variable(dashboard.DatasourceVariable("source").label("Data source").type("prometheus"))
        .with_variable(
            dashboard.QueryVariable("instance")
            .label("Server")
            .datasource(SOURCE)
            .query("label_values(gifcue_state, instance)")
            .multi(True)
            .include_all(True)
        )
    )
    for title, charts in ROWS:
        board.with_row(dashboard.Row(title))
        for chart in charts:
            board.with_panel(_panel(chart))
    return JSONEncoder(sort_keys=True, indent=1).encode(board.build()) + "\n"


def _panel(chart: Chart) -> timeseries.Panel:
    panel = (
        timeseries.Panel()
        .title(chart.title)
        .description(chart.about)
        .unit(chart.unit)
        .min(0)
        .datasource(SOURCE)
    )
    panel.span(8).height(8)
    for number, (expression, legend) in enumerate(chart.lines):
        query = prometheus.Dataquery().expr(expression).legend_format(legend).ref_id(chr(ord("A") + number))
        panel.with_target(query.datasource(SOURCE))
    return panel


def main() -> None:
    """Writes the file."""
    PATH.write_text(text(), encoding="utf-8")
    print(f"wrote {PATH}")


if __name__ == "__main__":
    main()
