"""What the simulation of a fleet assumes: every figure with its source, and whether it was measured."""

from __future__ import annotations

from dataclasses import dataclass, replace

MINUTE_S = 60.0
HOUR_S = 3600.0
DAY_S = 24 * HOUR_S

# Participants whose video is sent, by the size of their room; the shares of rooms add up to 1.
ROOM_SIZES = (2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 50, 100, 300)
ROOM_SHARES = (0.33, 0.16, 0.12, 0.09, 0.07, 0.07, 0.05, 0.035, 0.03, 0.02, 0.015, 0.0075, 0.002, 0.0005)


@dataclass(frozen=True)
class Inputs:
    """A fleet and its load. Times are in seconds; `SOURCES` says where each figure comes from."""

    # The load.
    participants: float = 1000.0
    room_sizes: tuple[int, ...] = ROOM_SIZES
    room_shares: tuple[float, ...] = ROOM_SHARES
    duration_median_s: float = 30 * MINUTE_S
    duration_sigma: float = 0.6
    duration_max_s: float = 4 * HOUR_S
    on_the_half_hour: float = 0.5
    others_join_s: float = 45.0
    is_steady: bool = False
    day_s: float = DAY_S
    # One replica.
    capacity: int = 48
    opens_below: float = 1.0
    cores: int = 2
    gpus: int = 0
    start_s: float = 1.4
    # Placement.
    attempts: int = 3
    next_server_s: float = 0.1
    retry_s: tuple[float, float] = (2.0, 6.0)
    backoff_s: tuple[float, float] = (0.25, 10.0)
    rejoin_s: float = 30.0
    gives_up: bool = False
    discovery_s: float = 30.0
    # Moves: seconds without reactions.
    drain_pause_s: float = 0.46
    kill_pause_s: float = 0.52
    hang_pause_s: float = 1.46
    # Kubernetes.
    schedule_s: float = 3.0
    probe_s: float = 2.0
    pull_s: float = 12.0
    node_s: float = 90.0
    node_idle_s: float = 600.0
    pods_per_node: int = 7
    lame_duck_s: float = 5.0
    # Autoscaling. Without it the fleet keeps `replicas`.
    is_autoscaled: bool = True
    replicas: int = 2
    max_replicas: int = 1_000_000
    spare: float = 100.0
    spare_share: float = 0.0
    scrape_s: float = 15.0
    sync_s: float = 15.0
    tolerance: float = 0.1
    up_share: float = 1.0
    up_pods: int = 4
    up_period_s: float = 30.0
    down_share: float = 0.1
    down_period_s: float = 120.0
    stabilisation_s: float = 600.0
    # Failures and the update of the day.
    pod_mtbf_s: float = 30 * DAY_S
    node_mtbf_s: float = 365 * DAY_S
    hang_share: float = 0.1
    restart_s: float = 10.0
    node_lost_s: float = 340.0
    update_at_s: float | None = 11.25 * HOUR_S
    surge: float = 0.25

    def changed(self, **values: object) -> Inputs:
        """A copy with other values."""
        return replace(self, **values)  # type: ignore[arg-type]

    @property
    def mean_size(self) -> float:
        """Participants of a room, on average."""
        return sum(size * share for size, share in zip(self.room_sizes, self.room_shares, strict=True))


def with_gpu(inputs: Inputs) -> Inputs:
    """The same load on pods with one GPU each."""
    return inputs.changed(
        capacity=160, cores=8, gpus=1, start_s=8.3, pull_s=60.0, node_s=180.0, pods_per_node=1
    )


# What, the value's fields, "measured", "configured" or "assumed", and the source.
SOURCES: tuple[tuple[str, str, str, str], ...] = (
    ("participants of a 2-core pod", "capacity", "measured", "54 in docs/performance.md; the chart's limit is 48"),
    ("cores of a pod", "cores", "configured", "deploy/helm/gifcue/values.yaml"),
    ("start to ready, in the image", "start_s", "measured", "deploy/README.md; 10.9 s on a busy machine"),
    ("attempts in a row, pause between them", "attempts next_server_s", "configured", "docs/proxies.md"),
    ("pause that a refused stream is told", "retry_s", "configured", "docs/decisions/0047-capacity.md"),
    ("pauses of the client, first and longest", "backoff_s", "configured", "src/gifcue/client/options.py"),
    ("pause of a stream that is asked to move", "drain_pause_s", "measured", "median, SIGTERM, docs/proxies.md"),
    ("pause after a server died", "kill_pause_s", "measured", "median, SIGKILL, docs/proxies.md"),
    ("pause after a server hung", "hang_pause_s", "measured", "median, SIGSTOP, docs/proxies.md"),
    ("refused participants of a stream ask again", "rejoin_s", "assumed", "docs/integrating.md asks to join later"),
    ("lame duck", "lame_duck_s", "configured", "the chart's drain.lameDuckSeconds"),
    ("scrape, autoscaler's sync", "scrape_s sync_s", "configured", "the chart; 15 s is Kubernetes' and KEDA's"),
    ("difference that is not acted on", "tolerance", "configured", "Kubernetes' default"),
    ("scale-up: share or pods in a period", "up_share up_pods up_period_s", "configured", "the chart's behavior"),
    ("scale-down: share in a period", "down_share down_period_s", "configured", "the chart's behavior"),
    ("scale-down: stabilisation", "stabilisation_s", "configured", "the chart's scaleDownSeconds"),
    ("surge of a rolling update", "surge", "configured", "the chart's maxSurge"),
    ("interval of probes", "probe_s", "configured", "the chart's readinessProbe"),
    ("scheduling and creating a pod", "schedule_s", "assumed", "no cluster was in reach"),
    ("image pull on a node without it", "pull_s", "assumed", "229 MB (measured) at 40 MB/s, and unpacking"),
    ("a new node; an idle one stays", "node_s node_idle_s", "assumed", "10 min is the cluster autoscaler's"),
    ("pods of a node", "pods_per_node", "assumed", "16 cores, 2 of them for the system"),
    ("until clients know a new pod", "discovery_s", "assumed", "caches of DNS, 30 s"),
    ("time between failures of a pod, of a node", "pod_mtbf_s node_mtbf_s", "assumed", "30 days, 365 days"),
    ("share of failures where it hangs", "hang_share", "assumed", "no figures"),
    ("until a failed pod starts again", "restart_s", "assumed", "Kubernetes' first back-off"),
    ("until pods of a lost node start elsewhere", "node_lost_s", "assumed", "Kubernetes' 40 s and 300 s"),
    ("duration: median, spread, most", "duration_median_s duration_sigma duration_max_s", "assumed", "log-normal"),
    ("rooms that start on the half hour", "on_the_half_hour", "assumed", "within 3 minutes around it"),
    ("until the others join the first one", "others_join_s", "assumed", "all at once"),
    ("time of the rolling update", "update_at_s", "assumed", "11:15, near the busiest time, on purpose"),
)  # fmt: skip
